/**
 * A key-value store in a directory, over LevelDB: the only file that knows the npm package `level`.
 *
 * Guarantees that `sync: true` means fdatasync before the batch resolves, and that one process at a time
 * has the directory open. Does not verify what it reads: values carry their own checksums. Source: Raft
 * specification 14.1 and 14.2 (the database tolerates damage silently, so callers must prove integrity).
 */

import { dirname } from 'node:path'
import { Level } from 'level'
import { FairleadError } from '../../core/errors.ts'
import { makeDurableDirectory, syncDirectory } from '../host/sync-directory.ts'
import { findBrokenTable } from './check-tables.ts'
import {
  type KeyRange,
  type KeyValueStore,
  SCAN_PAGE_ROWS,
  type StoreOperation,
  type StoreRow,
} from './key-value-store.ts'
import { birthFault } from './level-birth.ts'

export interface LevelStoreOptions {
  /** Created, with its parents, when missing. */
  readonly directory: string
  /** Bytes kept in memory and in LevelDB's own log before a table is written. Default 4 MiB. */
  readonly writeBufferBytes?: number
}

/**
 * Opens or creates the store and makes its directory entry durable.
 *
 * @throws FairleadError STORAGE_FAILED when another process holds the directory, or it cannot be used;
 *   STORAGE_CORRUPT when what is there is damaged
 */
export async function openLevelStore(options: LevelStoreOptions): Promise<KeyValueStore> {
  const { directory } = options
  try {
    await makeDurableDirectory(directory)
  } catch (cause) {
    throw new FairleadError('STORAGE_FAILED', `Failed to create directory "${directory}"`, {
      cause,
    })
  }
  await refuseBroken(directory)
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
  return new LevelStore(level, directory)
}

/** Damage that LevelDB would not survive, or would make worse. */
async function refuseBroken(directory: string): Promise<void> {
  const fault = (await birthFault(directory)) ?? (await findBrokenTable(directory))
  if (fault === null) return
  throw new FairleadError('STORAGE_CORRUPT', `Failed to open "${directory}": ${fault}`, {
    facts: { directory },
  })
}

class LevelStore implements KeyValueStore {
  readonly #level: Level<Uint8Array, Uint8Array>
  readonly #directory: string

  constructor(level: Level<Uint8Array, Uint8Array>, directory: string) {
    this.#level = level
    this.#directory = directory
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    try {
      return await this.#level.get(key)
    } catch (cause) {
      throw this.#unreadable(cause)
    }
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
    } catch (cause) {
      throw this.#unreadable(cause)
    } finally {
      await iterator.close()
    }
  }

  async close(): Promise<void> {
    await this.#level.close()
  }

  #unreadable(cause: unknown): FairleadError {
    const text = cause instanceof Error ? cause.message : String(cause)
    const message = `Failed to read "${this.#directory}": ${text}`
    return new FairleadError('STORAGE_CORRUPT', message, {
      cause,
      facts: { directory: this.#directory },
    })
  }
}

function openFailure(directory: string, cause: unknown): FairleadError {
  const reason = cause instanceof Error ? cause.cause : undefined
  const code = reason instanceof Error && 'code' in reason ? reason.code : undefined
  if (code === 'LEVEL_LOCKED') {
    return new FairleadError(
      'STORAGE_FAILED',
      `Failed to open "${directory}": another agent uses this data directory`,
      {
        cause,
        facts: {
          directory,
          hint: 'stop that agent, or give this one a -data-dir of its own',
        },
      },
    )
  }
  const text = reason instanceof Error ? reason.message : String(cause)
  const isDamaged = code === 'LEVEL_CORRUPTION' || text.startsWith('Corruption')
  return new FairleadError(
    isDamaged ? 'STORAGE_CORRUPT' : 'STORAGE_FAILED',
    `Failed to open "${directory}": ${text}`,
    {
      cause,
      facts: { directory },
    },
  )
}
