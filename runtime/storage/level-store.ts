/**
 * A key-value store in a directory, over LevelDB: the only file that knows the npm package `level`.
 *
 * Guarantees that `sync: true` means fdatasync before the batch resolves, and that one process at a time
 * has the directory open. Does not verify what it reads: values carry their own checksums. Source: Raft
 * specification 14.1 and 14.2 (the database tolerates damage silently, so callers must prove integrity).
 */

import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Level } from 'level'
import { FairleadError } from '../../core/errors.ts'
import {
  type KeyRange,
  type KeyValueStore,
  SCAN_PAGE_ROWS,
  type StoreOperation,
  type StoreRow,
} from './key-value-store.ts'

export interface LevelStoreOptions {
  /** Created, with its parents, when missing. */
  readonly directory: string
  /** Bytes kept in memory and in LevelDB's own log before a table is written. Default 4 MiB. */
  readonly writeBufferBytes?: number
}

/**
 * Opens or creates the store and makes its directory entry durable.
 *
 * @throws FairleadError STORAGE_FAILED when another process holds the directory, or it cannot be used
 */
export async function openLevelStore(options: LevelStoreOptions): Promise<KeyValueStore> {
  const { directory } = options
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new FairleadError('STORAGE_FAILED', `Failed to create directory "${directory}"`, {
      cause,
    })
  }
  const level = new Level<Uint8Array, Uint8Array>(directory, {
    keyEncoding: 'view',
    valueEncoding: 'view',
    compression: false,
    writeBufferSize: options.writeBufferBytes ?? 4 * 1_048_576,
  })
  try {
    await level.open()
  } catch (cause) {
    throw openFailure(directory, cause)
  }
  await syncDirectory(directory)
  await syncDirectory(dirname(directory))
  return new LevelStore(level)
}

/** Makes the names inside a directory durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

class LevelStore implements KeyValueStore {
  readonly #level: Level<Uint8Array, Uint8Array>

  constructor(level: Level<Uint8Array, Uint8Array>) {
    this.#level = level
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return await this.#level.get(key)
  }

  async batch(operations: readonly StoreOperation[], options: { sync: boolean }): Promise<void> {
    const translated = operations.map((operation) =>
      operation.kind === 'put'
        ? { type: 'put' as const, key: operation.key, value: operation.value }
        : { type: 'del' as const, key: operation.key },
    )
    await this.#level.batch(translated, { sync: options.sync })
  }

  async *scan(range: KeyRange): AsyncIterable<readonly StoreRow[]> {
    const iterator = this.#level.iterator({ gte: range.from, lt: range.to, fillCache: false })
    try {
      for (;;) {
        const page = await iterator.nextv(SCAN_PAGE_ROWS)
        if (page.length === 0) return
        yield page
      }
    } finally {
      await iterator.close()
    }
  }

  async close(): Promise<void> {
    await this.#level.close()
  }
}

function openFailure(directory: string, cause: unknown): FairleadError {
  const reason = cause instanceof Error ? cause.cause : undefined
  const code = reason instanceof Error && 'code' in reason ? reason.code : undefined
  if (code === 'LEVEL_LOCKED') {
    return new FairleadError(
      'STORAGE_FAILED',
      `Failed to open "${directory}": another agent uses this data directory`,
      { cause, facts: { directory, reason: 'locked' } },
    )
  }
  const text = reason instanceof Error ? reason.message : String(cause)
  return new FairleadError('STORAGE_FAILED', `Failed to open "${directory}": ${text}`, {
    cause,
    facts: { directory },
  })
}
