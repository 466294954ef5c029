/**
 * Proves a piece of a log that is in use once more (Raft specification 14.6).
 *
 * A scan sees the store as it was at one moment, and batches are atomic, so that within a piece any gap or
 * broken link is damage, whatever is written meanwhile; between pieces nothing is compared. Gives the event
 * loop back after each MiB.
 */

import { setImmediate } from 'node:timers/promises'
import { FairleadError } from '../../core/errors.ts'
import { chainOf } from '../../core/raft/chain.ts'
import { type Entry, logIndex } from '../../core/raft/types.ts'
import type { KeyRange, KeyValueStore } from './key-value-store.ts'
import { decodeEntry, decodeEntryKey } from './log-records.ts'
import type { RereadPiece } from './log-store.ts'

const BYTES_PER_TURN = 1_048_576

/** @param end index behind the range */
export async function rereadRange(
  store: KeyValueStore,
  range: KeyRange,
  end: number,
): Promise<RereadPiece> {
  let previous: Entry | null = null
  let bytes = 0
  let bytesOfTurn = 0
  try {
    for await (const page of store.scan(range)) {
      for (const [key, value] of page) {
        const index = decodeEntryKey(key)?.index
        const entry = index === undefined ? null : decodeEntry(key, value, logIndex(index))
        const fault = faultOf(entry, previous, index)
        if (fault !== null || entry === null) return { next: null, bytes, fault }
        previous = entry
        bytes += value.length
        bytesOfTurn += value.length
        if (bytesOfTurn < BYTES_PER_TURN) continue
        bytesOfTurn = 0
        await setImmediate()
      }
    }
  } catch (thrown) {
    if (!(thrown instanceof FairleadError) || thrown.code !== 'STORAGE_CORRUPT') throw thrown
    return { next: null, bytes, fault: thrown.message }
  }
  const isEnd = previous === null || previous.index < end - 1
  return { next: isEnd ? null : (previous?.index ?? null), bytes, fault: null }
}

function faultOf(
  entry: Entry | null,
  previous: Entry | null,
  index: number | undefined,
): string | null {
  if (entry === null) return `entry ${index ?? 'of unknown index'} fails its checksum`
  if (previous === null) return null
  if (entry.index !== previous.index + 1) return `entry ${previous.index + 1} is missing`
  if (entry.chain === chainOf(previous.chain, entry)) return null
  return `entry ${entry.index} does not continue the log`
}
