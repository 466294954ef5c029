/**
 * Transactions: operations of all kinds, all or nothing (http-api.md 17).
 *
 * Every operation is tried, each seeing those before it, and every failure is told with its position and
 * the text of section 17; one failure and the caller drops the draft. Bound: TXN_OPS_MAX operations.
 */

import { assertNever } from '../assert.ts'
import { deleteCheck, ensureCheck } from './checks.ts'
import type { KvOp, KvReadOp, ObjectVerb, TxnError, TxnOp, TxnResult } from './commands.ts'
import type { Draft, Refusal } from './draft.ts'
import { goQuote } from './go-quote.ts'
import { orderKey } from './key-order.ts'
import { type KvMiss, kvAt, writeKv } from './kv.ts'
import { deleteNode, ensureNode } from './nodes.ts'
import { withCheckId, withServiceId } from './registration.ts'
import { checkProblem, nodeProblem, serviceProblem } from './registration-rules.ts'
import { deleteService, ensureService } from './services.ts'
import { type NodeState, nameKey } from './state.ts'
import type { Indexed, KvEntry } from './types.ts'

export const TXN_OPS_MAX = 128

const EMPTY_VALUE = new Uint8Array(0)

/** What one operation gives, or the text of its failure. */
type Outcome = readonly TxnResult[] | string

const NOTHING: Outcome = []

export interface TxnOutcome {
  readonly results: readonly TxnResult[]
  readonly errors: readonly TxnError[]
}

/** Runs the operations on the draft, which is to be dropped when there are errors. */
export function runTxn(draft: Draft, ops: readonly TxnOp[]): TxnOutcome {
  const results: TxnResult[] = []
  const errors: TxnError[] = []
  for (const [opIndex, op] of ops.entries()) {
    const outcome = runOp(draft, op)
    if (typeof outcome === 'string') errors.push({ opIndex, what: outcome })
    else results.push(...outcome)
  }
  return { results, errors }
}

const READ_VERBS: ReadonlySet<string> = new Set([
  'get',
  'get-or-empty',
  'get-tree',
  'check-index',
  'check-session',
  'check-not-exists',
])

/** Whether the transaction changes nothing and so needs no Raft entry. */
export function isReadOnly(ops: readonly TxnOp[]): boolean {
  return ops.every((op) => READ_VERBS.has(op.type === 'kv' ? op.op.verb : op.verb))
}

function runOp(draft: Draft, op: TxnOp): Outcome {
  switch (op.type) {
    case 'kv':
      return runKv(draft, op.op)
    case 'node':
      return runNode(draft, op)
    case 'service':
      return runService(draft, op)
    case 'check':
      return runCheck(draft, op)
    default:
      return assertNever(op)
  }
}

function runKv(draft: Draft, op: KvOp | KvReadOp): Outcome {
  switch (op.verb) {
    case 'get':
    case 'get-or-empty':
    case 'get-tree':
    case 'check-index':
    case 'check-session':
    case 'check-not-exists':
      return readKv(draft, op)
    default:
      break
  }
  const outcome = writeKv(draft, op)
  if (outcome.kind === 'refused') return outcome.refusal.message
  if (outcome.kind === 'missed') return missText(op, outcome.reason)
  return outcome.entry === undefined ? NOTHING : [kvResult(outcome.entry, false)]
}

function readKv(draft: Draft, op: KvReadOp): Outcome {
  const entry = kvAt(draft, op.key)
  const key = goQuote(op.key)
  switch (op.verb) {
    case 'get':
      return entry === undefined ? `key ${key} doesn't exist` : [kvResult(entry, true)]
    case 'get-or-empty':
      return [kvResult(entry ?? absentEntry(op.key), true)]
    case 'get-tree':
      return draft.next.kv.valuesUnder(orderKey(op.key)).map((found) => kvResult(found, true))
    case 'check-index':
      if (entry === undefined) return `failed to check index, key ${key} doesn't exist`
      if (entry.modifyIndex === op.index) return [kvResult(entry, false)]
      return `failed index check for key ${key}, current modify index ${entry.modifyIndex} != ${op.index}`
    case 'check-session':
      if (entry === undefined) return `failed to check session, key ${key} doesn't exist`
      if (entry.session === op.session) return [kvResult(entry, false)]
      return `failed session check for key ${key}, current session ${goQuote(entry.session)} != ${goQuote(op.session)}`
    case 'check-not-exists':
      return entry === undefined ? NOTHING : `key ${key} exists`
    default:
      return assertNever(op)
  }
}

function missText(op: KvOp, reason: KvMiss): string {
  const key = goQuote('entry' in op ? op.entry.key : op.key)
  switch (reason) {
    case 'stale':
      return `failed to ${op.verb === 'delete-cas' ? 'delete' : 'set'} key ${key}, index is stale`
    case 'held':
      return `failed to lock key ${key}, lock is already held`
    case 'delayed':
      return `failed to lock key ${key} due to lock delay`
    case 'not-held':
      return `failed to unlock key ${key}, lock isn't held, or is held by another session`
    default:
      return assertNever(reason)
  }
}

function kvResult(entry: KvEntry, withValue: boolean): TxnResult {
  return { type: 'kv', entry, withValue }
}

function absentEntry(key: string): KvEntry {
  return {
    key,
    value: EMPTY_VALUE,
    flags: 0n,
    lockIndex: 0,
    session: '',
    createIndex: 0,
    modifyIndex: 0,
  }
}

/** The verbs that nodes, services and checks share, over the few acts in which they differ. */
interface ObjectActs<T extends Indexed> {
  /** `node "n"`, as it stands in the texts. */
  readonly name: string
  find(): T | undefined
  set(): Refusal | undefined
  remove(): void
  result(record: T): TxnResult
}

function runObject<T extends Indexed>(
  verb: ObjectVerb,
  index: number,
  acts: ObjectActs<T>,
): Outcome {
  const existing = acts.find()
  switch (verb) {
    case 'get':
      return existing === undefined ? `${acts.name} doesn't exist` : [acts.result(existing)]
    case 'cas':
      if ((existing?.modifyIndex ?? 0) !== index)
        return `failed to set ${acts.name}, index is stale`
      return setObject(acts)
    case 'set':
      return setObject(acts)
    case 'delete-cas':
      if (existing === undefined || existing.modifyIndex !== index) {
        return `failed to delete ${acts.name}, index is stale`
      }
      acts.remove()
      return NOTHING
    case 'delete':
      acts.remove()
      return NOTHING
    default:
      return assertNever(verb)
  }
}

function setObject<T extends Indexed>(acts: ObjectActs<T>): Outcome {
  const refusal = acts.set()
  if (refusal !== undefined) return refusal.message
  const stored = acts.find()
  return stored === undefined ? NOTHING : [acts.result(stored)]
}

function runNode(draft: Draft, op: Extract<TxnOp, { type: 'node' }>): Outcome {
  const problem = writes(op.verb) ? nodeProblem(op.node, false) : undefined
  if (problem !== undefined) return problem
  const nameOfNode = nameKey(op.node.node)
  const find = (): NodeState | undefined => {
    const isById = op.verb === 'get' && op.node.id !== ''
    const key = isById ? draft.next.nodeIds.get(nameKey(op.node.id)) : nameOfNode
    return key === undefined ? undefined : draft.next.nodes.get(key)
  }
  return runObject(op.verb, op.index, {
    name: `node ${goQuote(op.node.node === '' ? op.node.id : op.node.node)}`,
    find: () => find()?.record,
    set: () => ensureNode(draft, { ...op.node, datacenter: draft.datacenter }),
    remove: () => deleteNode(draft, nameOfNode),
    result: (node) => ({ type: 'node', node }),
  })
}

function runService(draft: Draft, op: Extract<TxnOp, { type: 'service' }>): Outcome {
  const problem = writes(op.verb) ? serviceProblem(op.service) : undefined
  if (problem !== undefined) return problem
  const key = nameKey(op.node)
  const service = withServiceId(op.service)
  return runObject(op.verb, op.index, {
    name: `service ${goQuote(service.id)} on node ${goQuote(op.node)}`,
    find: () => draft.next.nodes.get(key)?.services.get(service.id),
    set: () => ensureService(draft, key, service),
    remove: () => deleteService(draft, key, service.id),
    result: (record) => ({ type: 'service', service: record }),
  })
}

function runCheck(draft: Draft, op: Extract<TxnOp, { type: 'check' }>): Outcome {
  const problem = writes(op.verb) ? checkProblem(op.check) : undefined
  if (problem !== undefined) return problem
  const key = nameKey(op.node)
  const check = withCheckId(op.check)
  return runObject(op.verb, op.index, {
    name: `check ${goQuote(check.checkId)} on node ${goQuote(op.node)}`,
    find: () => draft.next.nodes.get(key)?.checks.get(check.checkId),
    set: () => ensureCheck(draft, key, check),
    remove: () => deleteCheck(draft, key, check.checkId),
    result: (record) => ({ type: 'check', check: record }),
  })
}

function writes(verb: ObjectVerb): boolean {
  return verb === 'set' || verb === 'cas'
}
