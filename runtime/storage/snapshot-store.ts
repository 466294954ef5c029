/**
 * Where images of the state machine are kept: what the server needs of it.
 *
 * Implemented by snapshot-files.ts on disk and by memory-snapshots.ts. A snapshot either exists whole or
 * not at all; opening one proves its checksums first. Source: Raft specification 9.2.
 */

import type { SnapshotMeta } from '../../core/raft/types.ts'

/** Snapshots kept by `prune`. */
export const SNAPSHOTS_KEPT = 2

export interface OpenedSnapshot {
  readonly meta: SnapshotMeta
  /** The chunks in the order they were written; each call starts over. */
  image(): Iterable<Uint8Array>
}

export interface SnapshotStore {
  /**
   * Writes an image and makes it durable before it resolves; replaces one of the same name.
   *
   * @throws FairleadError STORAGE_FAILED; nothing is left that a later `list` would show
   */
  write(meta: SnapshotMeta, image: Iterable<Uint8Array>): Promise<void>
  /** Index and term of complete snapshots, newest first. */
  list(): Promise<readonly Pick<SnapshotMeta, 'index' | 'term'>[]>
  /** @throws FairleadError STORAGE_CORRUPT when anything of it fails its checksum, NOT_FOUND */
  open(name: Pick<SnapshotMeta, 'index' | 'term'>): Promise<OpenedSnapshot>
  /** Removes all but the newest `SNAPSHOTS_KEPT`, and what interrupted writes left. */
  prune(): Promise<void>
}
