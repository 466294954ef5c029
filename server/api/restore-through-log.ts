/**
 * Sends a user's snapshot through the log, piece by piece (core/catalog/restore.ts).
 *
 * Guarantees: resolves once the state was replaced on the leader; else it throws, and the state is as it was,
 * except after OUTCOME_UNKNOWN of the last step. What was sent of a restore that failed is given up, or
 * forgotten after ten minutes. Holds one piece at a time; each waits for the commit of the one before.
 * Bounds: RESTORE_SIZE_MAX bytes.
 */

import { createHash } from 'node:crypto'
import type { Command } from '../../core/catalog/commands.ts'
import { wallTime } from '../../core/time.ts'

/** Small, so that applying one does not hold the event loop (about 6 ms). */
export const PIECE_SIZE = 128 * 1024

export interface RestoreThroughLogDeps {
  /** On the leader, who stamps the time. Rejects with what the state machine refused. */
  readonly write: (command: Command) => Promise<unknown>
  readonly newId: () => string
}

/** @throws FairleadError BAD_REQUEST | NOT_SUPPORTED | TOO_LARGE (no image that can be restored), REJECTED (another restore
 *   is under way), those of `write`, or the abort reason */
export async function restoreThroughLog(
  chunks: AsyncIterable<Uint8Array>,
  deps: RestoreThroughLogDeps,
  signal?: AbortSignal,
): Promise<void> {
  const id = deps.newId()
  const now = wallTime(0)
  signal?.throwIfAborted()
  await deps.write({ kind: 'restore.begin', id, now })
  try {
    const hash = createHash('sha256')
    let offset = 0
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.length; at += PIECE_SIZE) {
        signal?.throwIfAborted()
        const bytes = chunk.slice(at, at + PIECE_SIZE)
        hash.update(bytes)
        await deps.write({ kind: 'restore.piece', id, offset, bytes, now })
        offset += bytes.length
      }
    }
    signal?.throwIfAborted()
    const digest = hash.digest('hex')
    await deps.write({ kind: 'restore.end', id, sizeBytes: offset, digest, now })
  } catch (thrown) {
    // Only saves memory: without a leader it is forgotten later.
    await deps.write({ kind: 'restore.abort', id }).catch(() => undefined)
    throw thrown
  }
}
