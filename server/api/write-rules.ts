/**
 * Which commands agents may have written at all; an agent that could write the others would own the mesh. Pure.
 */

import type { Command } from '../../core/catalog/commands.ts'
import { FairleadError } from '../../core/errors.ts'

/** What only the leader's own duties write. */
const LEADER_ONLY: ReadonlySet<Command['kind']> = new Set([
  'ca.roots.set',
  'ca.serial.take',
  'tombstone.reap',
  'coordinate.batch',
  'acl.bootstrap',
  'acl.token.reap',
  'join-token.use',
  'noop',
])

/** What a server writes when an operator restores a snapshot; it may be another one than the leader. */
const SERVERS_ONLY: ReadonlySet<Command['kind']> = new Set([
  'restore.begin',
  'restore.piece',
  'restore.end',
  'restore.abort',
])

/** @throws FairleadError PERMISSION_DENIED */
export function assertAgentsMayWrite(command: Command): void {
  if (SERVERS_ONLY.has(command.kind)) throw denied(command, 'servers')
  assertServersMayWrite(command)
}

/** For what another server sends on. @throws FairleadError PERMISSION_DENIED */
export function assertServersMayWrite(command: Command): void {
  if (LEADER_ONLY.has(command.kind)) throw denied(command, 'the leader')
}

function denied(command: Command, writer: string): FairleadError {
  return new FairleadError(
    'PERMISSION_DENIED',
    `Permission denied: "${command.kind}" is written by ${writer} alone`,
  )
}
