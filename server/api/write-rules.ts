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
  'restore.begin',
  'restore.piece',
  'restore.end',
  'restore.abort',
  'noop',
])

/** @throws FairleadError PERMISSION_DENIED */
export function assertAgentsMayWrite(command: Command): void {
  if (!LEADER_ONLY.has(command.kind)) return
  throw new FairleadError(
    'PERMISSION_DENIED',
    `Permission denied: "${command.kind}" is written by the leader alone`,
  )
}
