/**
 * One command on one draft: the dispatch from kinds of commands to the tables. Pure.
 *
 * The caller keeps the draft when the result is ok and drops it otherwise; a conditional write that
 * missed is ok with the value false and has changed nothing.
 */

import { assertNever } from '../assert.ts'
import {
  deleteAuthMethod,
  deleteBindingRule,
  setAuthMethod,
  setBindingRule,
} from './acl-method-table.ts'
import { deletePolicy, deleteRole, setPolicy, setRole } from './acl-policy-table.ts'
import { bootstrapAcl, deleteToken, reapTokens, setToken } from './acl-token-table.ts'
import { setAutopilotConfig } from './autopilot-config.ts'
import { setCaConfig, setCaRoots, takeSerials } from './ca.ts'
import { reinstate, revoke } from './ca-revocations.ts'
import type { ApplyResult, ApplyValue, Command } from './commands.ts'
import { deleteConfigEntry, setConfigEntry } from './config-entries.ts'
import { setCoordinates } from './coordinate-table.ts'
import { type Draft, type Refusal, refuse } from './draft.ts'
import { settleInstances } from './instances.ts'
import { deleteIntention, replaceIntentions, setIntention } from './intention-table.ts'
import { deleteJoinToken, setJoinToken, useJoinToken } from './join-token-table.ts'
import { advanceClock, reapTombstones, writeKv } from './kv.ts'
import { setManualIps } from './manual-ips.ts'
import { settleNodes } from './nodes.ts'
import { deleteQuery, setQuery } from './query-table.ts'
import { deregister, register } from './registration.ts'
import type { RestoreCommand } from './restore.ts'
import { createSession, destroySession } from './sessions.ts'
import { runTxn, TXN_OPS_MAX } from './txn.ts'
import { settleVirtualIps } from './virtual-ips.ts'

const DONE: ApplyResult = { ok: true, value: true }

/** All commands but those that replace the whole state. */
export type TableCommand = Exclude<Command, RestoreCommand>

export function execute(draft: Draft, command: TableCommand): ApplyResult {
  advanceClock(draft, 'now' in command ? command.now : undefined)
  const result = dispatch(draft, command)
  if (result.ok) {
    settleNodes(draft)
    settleInstances(draft)
    settleVirtualIps(draft)
  }
  return result
}

function dispatch(draft: Draft, command: TableCommand): ApplyResult {
  switch (command.kind) {
    case 'register':
      return doneUnless(register(draft, command.request))
    case 'deregister':
      return doneUnless(deregister(draft, command.request))
    case 'kv':
      return executeKv(draft, command)
    case 'txn':
      return executeTxn(draft, command)
    case 'session.create':
      return valueUnless(command.session.id, createSession(draft, command.session))
    case 'session.destroy':
      destroySession(draft, command.id)
      return DONE
    case 'tombstone.reap':
      reapTombstones(draft, command.index)
      return DONE
    case 'intention.set':
      return doneUnless(setIntention(draft, command.intention, command.now))
    case 'intention.replace':
      return valueOrRefusal(replaceIntentions(draft, command))
    case 'intention.delete':
      deleteIntention(draft, command.by)
      return DONE
    case 'config.set':
      return valueOrRefusal(setConfigEntry(draft, command))
    case 'config.delete':
      return valueOrRefusal(deleteConfigEntry(draft, command))
    case 'ca.config.set':
      return valueOrRefusal(setCaConfig(draft, command))
    case 'ca.roots.set':
      return valueOrRefusal(setCaRoots(draft, command))
    case 'ca.revoke':
      return doneUnless(revoke(draft, command))
    case 'ca.reinstate':
      return valueOrRefusal(reinstate(draft, command.id))
    case 'ca.serial.take':
      return valueOrRefusal(takeSerials(draft, command.count))
    case 'virtual-ip.set':
      return valueOrRefusal(setManualIps(draft, command))
    case 'autopilot.config.set':
      return valueOrRefusal(setAutopilotConfig(draft, command))
    case 'coordinate.batch':
      return doneUnless(setCoordinates(draft, command.updates))
    case 'query.set':
      return valueUnless(command.query.id, setQuery(draft, command.query, command.mode))
    case 'query.delete':
      return doneUnless(deleteQuery(draft, command.id))
    case 'acl.bootstrap':
      return doneUnless(bootstrapAcl(draft, command))
    case 'acl.token.set':
      return doneUnless(setToken(draft, command))
    case 'acl.token.delete':
      return doneUnless(deleteToken(draft, command.accessorId))
    case 'acl.token.reap':
      reapTokens(draft, command.accessorIds, command.now)
      return DONE
    case 'acl.policy.set':
      return doneUnless(setPolicy(draft, command.policy, command.mode))
    case 'acl.policy.delete':
      return doneUnless(deletePolicy(draft, command.id))
    case 'acl.role.set':
      return doneUnless(setRole(draft, command.role, command.mode))
    case 'acl.role.delete':
      return doneUnless(deleteRole(draft, command.id))
    case 'acl.auth-method.set':
      return doneUnless(setAuthMethod(draft, command.method, command.mode))
    case 'acl.auth-method.delete':
      return doneUnless(deleteAuthMethod(draft, command.name))
    case 'acl.binding-rule.set':
      return doneUnless(setBindingRule(draft, command.rule, command.mode))
    case 'acl.binding-rule.delete':
      return doneUnless(deleteBindingRule(draft, command.id))
    case 'join-token.set':
      return valueUnless(command.token.id, setJoinToken(draft, command))
    case 'join-token.delete':
      return doneUnless(deleteJoinToken(draft, command.id))
    case 'join-token.use':
      return valueOrRefusal(useJoinToken(draft, command))
    case 'noop':
      return DONE
    default:
      return assertNever(command, 'command')
  }
}

function executeKv(draft: Draft, command: Extract<Command, { kind: 'kv' }>): ApplyResult {
  const outcome = writeKv(draft, command.op)
  if (outcome.kind === 'refused') return refusedBy(outcome.refusal)
  return { ok: true, value: outcome.kind === 'done' }
}

function executeTxn(draft: Draft, command: Extract<Command, { kind: 'txn' }>): ApplyResult {
  if (command.ops.length > TXN_OPS_MAX) {
    const text = `Transaction contains too many operations (${command.ops.length} > ${TXN_OPS_MAX})`
    return refusedBy(refuse(text, 'TOO_LARGE'))
  }
  const { results, errors } = runTxn(draft, command.ops)
  if (errors.length > 0) return { ok: false, code: 'TXN_FAILED', errors }
  return { ok: true, value: results }
}

function doneUnless(refusal: Refusal | undefined): ApplyResult {
  return refusal === undefined ? DONE : refusedBy(refusal)
}

function valueUnless(value: ApplyValue, refusal: Refusal | undefined): ApplyResult {
  return refusal === undefined ? { ok: true, value } : refusedBy(refusal)
}

function valueOrRefusal(outcome: boolean | number | string | Refusal): ApplyResult {
  return typeof outcome === 'object' ? refusedBy(outcome) : { ok: true, value: outcome }
}

function refusedBy(refusal: Refusal): ApplyResult {
  return { ok: false, ...refusal }
}
