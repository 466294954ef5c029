/**
 * Entries that a leader makes itself. A leader only ever appends (I2).
 */

import { chainedEntry } from './chain.ts'
import type { RaftState } from './state.ts'
import { type EntryType, type LogIndex, logIndex } from './types.ts'

export const NO_DATA = new Uint8Array(0)

/** @returns index of the first one */
export function appendOwn(
  state: RaftState,
  items: readonly { readonly type: EntryType; readonly data: Uint8Array }[],
): LogIndex {
  const { log, term } = state
  const first = log.lastIndex + 1
  let index = first
  let chain = log.last.chain
  for (const { type, data } of items) {
    const entry = chainedEntry(chain, { index: logIndex(index), term, type, data })
    log.push(entry)
    chain = entry.chain
    index++
  }
  return logIndex(first)
}
