/**
 * Which commands make the state smaller, or at least not larger: what a server takes when its disk is nearly full
 * (Raft specification 15.2). Pure.
 *
 * Deleting and deregistering, destroying sessions, and giving up a restore. A transaction counts when it
 * deletes and otherwise only reads.
 */

import { assertNever } from '../assert.ts'
import type { Command, TxnOp } from './commands.ts'

export function isFreeing(command: Command): boolean {
  switch (command.kind) {
    case 'deregister':
    case 'session.destroy':
    case 'tombstone.reap':
    case 'intention.delete':
    case 'config.delete':
    case 'query.delete':
    case 'ca.reinstate':
    case 'acl.token.delete':
    case 'acl.token.reap':
    case 'acl.policy.delete':
    case 'acl.role.delete':
    case 'acl.auth-method.delete':
    case 'acl.binding-rule.delete':
    case 'join-token.delete':
    case 'restore.abort':
      return true
    case 'kv':
      return command.op.verb.startsWith('delete')
    case 'txn':
      return command.ops.some(isDelete) && command.ops.every((op) => isDelete(op) || isRead(op))
    case 'register':
    case 'session.create':
    case 'intention.set':
    case 'intention.replace':
    case 'config.set':
    case 'ca.config.set':
    case 'ca.roots.set':
    case 'ca.serial.take':
    case 'ca.revoke':
    case 'virtual-ip.set':
    case 'autopilot.config.set':
    case 'coordinate.batch':
    case 'query.set':
    case 'acl.bootstrap':
    case 'acl.token.set':
    case 'acl.policy.set':
    case 'acl.role.set':
    case 'acl.auth-method.set':
    case 'acl.binding-rule.set':
    case 'join-token.set':
    case 'join-token.use':
    case 'restore.begin':
    case 'restore.piece':
    case 'restore.end':
    case 'noop':
      return false
    default:
      return assertNever(command)
  }
}

function verbOf(op: TxnOp): string {
  return op.type === 'kv' ? op.op.verb : op.verb
}

function isDelete(op: TxnOp): boolean {
  return verbOf(op).startsWith('delete')
}

function isRead(op: TxnOp): boolean {
  const verb = verbOf(op)
  return verb.startsWith('get') || verb.startsWith('check-')
}
