/**
 * Where images of the state machine are kept: what the server needs of it.
 *
 * Implemented by snapshot-files.ts on disk and by memory-snapshots.ts. A snapshot either exists whole or
 * not at all; opening one proves its checksums first. Source: Raft specification 9.2, 9.3.
 */

import type { SnapshotMeta } from '../../core/raft/types.ts'

/** Snapshots kept by `prune`: the one that the log relies on, and the newest before it. */
export const SNAPSHOTS_KEPT = 2

export interface OpenedSnapshot {
  readonly meta: SnapshotMeta
  readonly sizeBytes: number
  /** SHA-256 of the image, hex: same state, same digest. */
  readonly digest: string
  /**
   * The bytes from `offset` on, in pieces of at most 1 MiB, each proven before it is given; each call starts
   * over. Reads without holding the event loop.
   *
   * @throws (while iterating) FairleadError STORAGE_CORRUPT | STORAGE_FAILED
   */
  image(offset?: number): AsyncIterable<Uint8Array>
}

/** An image that is on its way from a leader; ends with `finish` or `pause`. */
export interface SnapshotReception {
  /** Bytes that are here already, from an earlier attempt at the same image. */
  readonly received: number
  /**
   * The next bytes, in order.
   *
   * @throws FairleadError STORAGE_FAILED, STORAGE_CORRUPT (more than announced; then discarded), BUSY (ended:
   *   another reception took over)
   */
  write(bytes: Uint8Array): Promise<void>
  /** Proves size and digest and makes the snapshot durable and listed. @throws STORAGE_CORRUPT (then discarded) */
  finish(): Promise<void>
  /** Keeps what is here for a later attempt, also over a restart. */
  pause(): Promise<void>
}

export interface SnapshotStore {
  /**
   * Writes an image and makes it durable before it resolves; replaces one of the same name.
   *
   * @throws FairleadError STORAGE_FAILED; nothing is left that a later `list` would show
   */
  write(meta: SnapshotMeta, image: Iterable<Uint8Array>): Promise<void>
  /**
   * Begins the reception of an image, or resumes it when the bytes here are of exactly this one. One at a
   * time: another reception of the same image takes over what the former has, one of another discards it.
   */
  receive(
    meta: SnapshotMeta,
    image: { readonly sizeBytes: number; readonly digest: string },
  ): Promise<SnapshotReception>
  /** Index and term of complete snapshots, newest first. */
  list(): Promise<readonly Pick<SnapshotMeta, 'index' | 'term'>[]>
  /**
   * Proves all of it first.
   *
   * @param pace called with the bytes of each block that was read, and waited for
   * @throws FairleadError STORAGE_CORRUPT when anything of it fails its checksum, NOT_FOUND
   */
  open(
    name: Pick<SnapshotMeta, 'index' | 'term'>,
    pace?: (bytes: number) => Promise<void>,
  ): Promise<OpenedSnapshot>
  /**
   * Removes what the log has no use for: all but `pointer`, the newest below it, and images received in this
   * process that are newer, for they may be about to be installed. Also what interrupted writes left.
   *
   * @param pointer the image that the log relies on now
   */
  prune(pointer: Pick<SnapshotMeta, 'index' | 'term'>): Promise<void>
  /** Pauses a reception that was left open. Idempotent. */
  close(): Promise<void>
}
