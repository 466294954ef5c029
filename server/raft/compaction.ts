/**
 * How much of the log stays below a snapshot (Raft specification 9.1). Pure.
 *
 * Kept are the trailing entries; what followers that are active still need, while they are close (bounded
 * courtesy); and enough for twice the last transfer of an image, so that a server which has just received
 * one finds its next entry. Guarantees that nothing above the snapshot is dropped.
 * Bounds: every reason to keep entries ends at a number of bytes.
 */

/** For what an image on its way will need: times the ordinary limit. */
const TRANSFER_BYTES_FACTOR = 4

export interface CompactionInput {
  readonly snapshotIndex: number
  readonly firstIndex: number
  readonly lastIndex: number
  readonly trailingEntries: number
  /** For the trailing entries, and for how far behind a follower may be and still be waited for. */
  readonly trailingBytes: number
  /** How far active followers match; empty unless leading. */
  readonly activeMatches: readonly number[]
  /** Entries that were appended while the last image was on its way; 0 when there was none. */
  readonly transferEntries: number
  /** Index of the image that is on its way now. */
  readonly sending: number | null
  readonly bytesOf: (index: number) => number
}

/** @returns the index that becomes the anchor, up to which entries are dropped, or null for none */
export function compactionIndex(input: CompactionInput): number | null {
  const { snapshotIndex, firstIndex, trailingBytes } = input
  const byTransfer = Math.min(
    snapshotIndex - 2 * input.transferEntries,
    input.sending ?? Number.POSITIVE_INFINITY,
  )
  const wanted = {
    trailing: snapshotIndex - input.trailingEntries,
    courtesy: Math.min(snapshotIndex, ...input.activeMatches),
    transfer: byTransfer,
  }
  let bytes = 0
  let bytesBelow = 0
  let anchor = Math.min(snapshotIndex, input.lastIndex)
  for (let index = input.lastIndex; index >= firstIndex; index--) {
    const size = input.bytesOf(index)
    bytes += size
    if (index > snapshotIndex) continue
    bytesBelow += size
    const isKept =
      (index > wanted.trailing && bytesBelow <= trailingBytes) ||
      (index > wanted.courtesy && bytes <= trailingBytes) ||
      (index > wanted.transfer && bytes <= TRANSFER_BYTES_FACTOR * trailingBytes)
    if (!isKept) break
    anchor = index - 1
  }
  return anchor >= firstIndex ? anchor : null
}
