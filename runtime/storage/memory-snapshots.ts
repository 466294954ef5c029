/**
 * Snapshots in memory, for `-dev` and for tests. Bound: `SNAPSHOTS_KEPT` images after each prune, those
 * received since, and one on its way.
 */

import { FairleadError } from '../../core/errors.ts'
import type { SnapshotMeta } from '../../core/raft/types.ts'
import { BLOCK_BYTES, BlockSums } from './image-blocks.ts'
import { receptionEnded } from './snapshot-errors.ts'
import {
  type OpenedSnapshot,
  SNAPSHOTS_KEPT,
  type SnapshotReception,
  type SnapshotStore,
} from './snapshot-store.ts'

type Name = Pick<SnapshotMeta, 'index' | 'term'>

interface Facts {
  readonly meta: SnapshotMeta
  readonly sizeBytes: number
  readonly digest: string
}

interface Kept extends Facts {
  readonly chunks: readonly Uint8Array[]
}

export class MemorySnapshots implements SnapshotStore {
  #kept: Kept[] = []
  #received: ReadonlySet<string> = new Set()
  #reception: MemoryReception | null = null

  async write(meta: SnapshotMeta, image: Iterable<Uint8Array>): Promise<void> {
    const sums = new BlockSums()
    const chunks: Uint8Array[] = []
    for (const chunk of image) {
      sums.add(chunk)
      chunks.push(chunk.slice())
    }
    const { sizeBytes } = sums
    this.#keep({ meta, sizeBytes, digest: sums.finish().digest, chunks })
  }

  async receive(
    meta: SnapshotMeta,
    image: { readonly sizeBytes: number; readonly digest: string },
  ): Promise<SnapshotReception> {
    const former = this.#reception
    await former?.pause()
    const facts = { meta, ...image }
    const chunks = former?.isOf(facts) === true ? former.chunks : []
    this.#reception = new MemoryReception(facts, chunks, (whole) => {
      this.#reception = null
      if (whole === null) return
      this.#received = new Set([...this.#received, nameOf(meta)])
      this.#keep({ ...facts, chunks: whole })
    })
    return this.#reception
  }

  async list(): Promise<readonly Name[]> {
    return this.#kept.map(({ meta }) => ({ index: meta.index, term: meta.term }))
  }

  async open(name: Name): Promise<OpenedSnapshot> {
    const found = this.#kept.find((snapshot) => isNamed(snapshot.meta, name))
    if (found === undefined) {
      throw new FairleadError('NOT_FOUND', `No snapshot "${nameOf(name)}" is kept`)
    }
    const { meta, sizeBytes, digest, chunks } = found
    return { meta, sizeBytes, digest, image: (offset = 0) => piecesFrom(chunks, offset) }
  }

  async prune(pointer: Name): Promise<void> {
    const newer = this.#kept.filter(
      ({ meta }) => meta.index > pointer.index && this.#received.has(nameOf(meta)),
    )
    const own = this.#kept.filter(({ meta }) => isNamed(meta, pointer))
    const older = this.#kept.filter(({ meta }) => meta.index < pointer.index)
    this.#kept = [...newer, ...own, ...older.slice(0, SNAPSHOTS_KEPT - 1)]
    this.#received = new Set(newer.map(({ meta }) => nameOf(meta)))
  }

  async close(): Promise<void> {
    await this.#reception?.pause()
  }

  #keep(snapshot: Kept): void {
    const others = this.#kept.filter((other) => !isNamed(other.meta, snapshot.meta))
    const all = [...others, snapshot]
    this.#kept = all.sort((x, y) => y.meta.index - x.meta.index || y.meta.term - x.meta.term)
  }
}

class MemoryReception implements SnapshotReception {
  readonly #facts: Facts
  readonly #onEnd: (whole: readonly Uint8Array[] | null) => void
  readonly #sums = new BlockSums()
  readonly chunks: Uint8Array[]
  #hasEnded = false

  constructor(
    facts: Facts,
    chunks: Uint8Array[],
    onEnd: (whole: readonly Uint8Array[] | null) => void,
  ) {
    this.#facts = facts
    this.chunks = chunks
    this.#onEnd = onEnd
    for (const chunk of chunks) this.#sums.add(chunk)
  }

  get received(): number {
    return this.#sums.sizeBytes
  }

  isOf(facts: Facts): boolean {
    return JSON.stringify(facts) === JSON.stringify(this.#facts)
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#hasEnded) throw receptionEnded(nameOf(this.#facts.meta))
    if (this.received + bytes.length > this.#facts.sizeBytes) throw this.#discarded()
    this.#sums.add(bytes)
    this.chunks.push(bytes.slice())
  }

  async finish(): Promise<void> {
    if (this.#hasEnded) throw receptionEnded(nameOf(this.#facts.meta))
    const { sizeBytes } = this.#sums
    const { digest } = this.#sums.finish()
    if (sizeBytes !== this.#facts.sizeBytes || digest !== this.#facts.digest) {
      throw this.#discarded()
    }
    this.#hasEnded = true
    this.#onEnd(this.chunks)
  }

  async pause(): Promise<void> {
    this.#hasEnded = true
  }

  #discarded(): FairleadError {
    this.#hasEnded = true
    this.#onEnd(null)
    const name = nameOf(this.#facts.meta)
    return new FairleadError(
      'STORAGE_CORRUPT',
      `Received snapshot "${name}" is not the one that was announced; discarded`,
    )
  }
}

async function* piecesFrom(
  chunks: readonly Uint8Array[],
  offset: number,
): AsyncIterable<Uint8Array> {
  let begin = 0
  for (const chunk of chunks) {
    const first = Math.max(0, offset - begin)
    for (let at = first; at < chunk.length; at += BLOCK_BYTES) {
      yield chunk.subarray(at, at + BLOCK_BYTES)
    }
    begin += chunk.length
  }
}

function nameOf(name: Name): string {
  return `${name.term}-${name.index}`
}

function isNamed(meta: SnapshotMeta, name: Name): boolean {
  return meta.index === name.index && meta.term === name.term
}
