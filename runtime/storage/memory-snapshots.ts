/**
 * Snapshots in memory, for `-dev` and for tests. Bound: `SNAPSHOTS_KEPT` images after each prune.
 */

import { FairleadError } from '../../core/errors.ts'
import type { SnapshotMeta } from '../../core/raft/types.ts'
import { type OpenedSnapshot, SNAPSHOTS_KEPT, type SnapshotStore } from './snapshot-store.ts'

type Name = Pick<SnapshotMeta, 'index' | 'term'>

export class MemorySnapshots implements SnapshotStore {
  #kept: { readonly meta: SnapshotMeta; readonly chunks: readonly Uint8Array[] }[] = []

  async write(meta: SnapshotMeta, image: Iterable<Uint8Array>): Promise<void> {
    const chunks = [...image].map((chunk) => chunk.slice())
    const others = this.#kept.filter((snapshot) => !isNamed(snapshot.meta, meta))
    this.#kept = [...others, { meta, chunks }].sort((x, y) => y.meta.index - x.meta.index)
  }

  async list(): Promise<readonly Name[]> {
    return this.#kept.map(({ meta }) => ({ index: meta.index, term: meta.term }))
  }

  async open(name: Name): Promise<OpenedSnapshot> {
    const found = this.#kept.find((snapshot) => isNamed(snapshot.meta, name))
    if (found === undefined) {
      throw new FairleadError('NOT_FOUND', `No snapshot "${name.term}-${name.index}" is kept`)
    }
    return { meta: found.meta, image: () => found.chunks }
  }

  async prune(): Promise<void> {
    this.#kept = this.#kept.slice(0, SNAPSHOTS_KEPT)
  }
}

function isNamed(meta: SnapshotMeta, name: Name): boolean {
  return meta.index === name.index && meta.term === name.term
}
