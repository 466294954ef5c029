/**
 * An ordered map from bytes to bytes on one disk, in fairlead's words.
 *
 * Implemented by level-store.ts over LevelDB and by memory-store.ts, which can lose and tear writes on
 * command. A batch is atomic. After any failed write the store is poisoned: the caller must stop.
 */

export type StoreOperation =
  | { readonly kind: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly kind: 'delete'; readonly key: Uint8Array }

/** Half-open range of keys, compared as unsigned bytes. */
export interface KeyRange {
  readonly from: Uint8Array
  readonly to: Uint8Array
}

export type StoreRow = readonly [key: Uint8Array, value: Uint8Array]

export interface KeyValueStore {
  /** @throws FairleadError STORAGE_CORRUPT when it cannot be read, like `scan` */
  get(key: Uint8Array): Promise<Uint8Array | undefined>
  /**
   * Executes all operations or none; later operations of a batch win over earlier ones on the same key.
   *
   * @param sync whether it must survive a power cut once this resolves
   */
  batch(operations: readonly StoreOperation[], options: { readonly sync: boolean }): Promise<void>
  /** Rows in order of keys, in pages of at most 1,000. */
  scan(range: KeyRange): AsyncIterable<readonly StoreRow[]>
  /** Waits for what is running. Idempotent. */
  close(): Promise<void>
}

/** Rows of one page of `scan`. */
export const SCAN_PAGE_ROWS = 1_000
