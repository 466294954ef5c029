/**
 * A key-value store in memory: for `-dev`, and for tests that need a disk that fails on command.
 *
 * Models what LevelDB promises: synced batches survive a crash, unsynced ones only if a later synced batch
 * follows (one log, in order); a torn batch disappears whole. `close` keeps the contents, so that the same
 * object can be opened again. Bound: none of its own; whoever fills it compacts it.
 */

import {
  type KeyRange,
  type KeyValueStore,
  SCAN_PAGE_ROWS,
  type StoreOperation,
  type StoreRow,
} from './key-value-store.ts'

export class MemoryStore implements KeyValueStore {
  #rows = new Map<string, Uint8Array>()
  /** Undo images of unsynced batches, oldest first. */
  #unsynced: Map<string, Uint8Array | undefined>[] = []
  #lastSynced: Map<string, Uint8Array | undefined> | undefined
  #writesUntilFailure = Number.POSITIVE_INFINITY
  #isPoisoned = false
  #syncCount = 0

  /** Completed synced batches. */
  get syncCount(): number {
    return this.#syncCount
  }

  /** The `n`-th write from now, and all after it, fail as a full disk would; 1 is the next. */
  failWrite(n: number): void {
    this.#writesUntilFailure = n
  }

  /** What a power cut leaves. With `tornLast` the newest synced batch is lost as well (a lying disk). */
  crash(options: { readonly tornLast?: boolean } = {}): void {
    for (const undo of this.#unsynced.reverse()) this.#revert(undo)
    this.#unsynced = []
    if (options.tornLast === true && this.#lastSynced !== undefined) this.#revert(this.#lastSynced)
    this.#lastSynced = undefined
    this.#writesUntilFailure = Number.POSITIVE_INFINITY
    this.#isPoisoned = false
  }

  /** Flips one bit of a stored value. */
  rot(key: Uint8Array, bit = 0): void {
    const value = this.#rows.get(text(key))?.slice()
    if (value === undefined) throw new Error('no such key to damage')
    const at = Math.floor(bit / 8) % value.length
    value[at] = (value[at] as number) ^ (1 << (bit % 8))
    this.#rows.set(text(key), value)
  }

  /** Loses one row, as a dropped block of LevelDB's log would. */
  lose(key: Uint8Array): void {
    if (!this.#rows.delete(text(key))) throw new Error('no such key to lose')
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#rows.get(text(key))
  }

  async batch(operations: readonly StoreOperation[], options: { sync: boolean }): Promise<void> {
    this.#countWrite()
    const undo = new Map<string, Uint8Array | undefined>()
    for (const operation of operations) {
      const key = text(operation.key)
      if (!undo.has(key)) undo.set(key, this.#rows.get(key))
      if (operation.kind === 'put') this.#rows.set(key, operation.value)
      else this.#rows.delete(key)
    }
    if (!options.sync) {
      this.#unsynced.push(undo)
      return
    }
    this.#unsynced = []
    this.#lastSynced = undo
    this.#syncCount++
  }

  async *scan(range: KeyRange): AsyncIterable<readonly StoreRow[]> {
    const keys = this.#keysIn(range)
    for (let at = 0; at < keys.length; at += SCAN_PAGE_ROWS) {
      const page = keys.slice(at, at + SCAN_PAGE_ROWS)
      yield page.map((key) => [bytes(key), this.#rows.get(key) as Uint8Array] as const)
    }
  }

  async close(): Promise<void> {
    // The contents stay for the next opening.
  }

  #countWrite(): void {
    this.#writesUntilFailure--
    if (this.#writesUntilFailure <= 0) this.#isPoisoned = true
    if (this.#isPoisoned) throw new Error('ENOSPC: no space left on device, write')
  }

  #revert(undo: ReadonlyMap<string, Uint8Array | undefined>): void {
    for (const [key, value] of undo) {
      if (value === undefined) this.#rows.delete(key)
      else this.#rows.set(key, value)
    }
  }

  #keysIn(range: KeyRange): string[] {
    const from = text(range.from)
    const to = text(range.to)
    return [...this.#rows.keys()].filter((key) => key >= from && key < to).sort()
  }
}

/** One character for each byte, so that strings compare as the bytes do. */
function text(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}

function bytes(key: string): Uint8Array {
  return Buffer.from(key, 'latin1')
}
