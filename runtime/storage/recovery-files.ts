/**
 * `raft/peers.json` of a data directory, and moving Raft's own files out of the way (Raft specification 13.2).
 *
 * Guarantees that what was done is durable when it resolves, and that a crash before leaves what was there.
 * Deletes nothing but peers.json: what is moved aside stays for the operator to look at.
 */

import { readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { FairleadError } from '../../core/errors.ts'
import { syncDirectory } from '../host/sync-directory.ts'

export interface RecoveryFiles {
  readonly path: string
  /** The text of peers.json; null when there is none. @throws FairleadError STORAGE_FAILED */
  read(): Promise<string | null>
  /** Deletes peers.json. @throws FairleadError STORAGE_FAILED */
  consume(): Promise<void>
  /** Moves all that Raft keeps to `raft.before-epoch-<epoch>`. The storage must be closed. @returns where to */
  setAside(epoch: number): Promise<string>
}

export function recoveryFiles(dataDir: string): RecoveryFiles {
  const raft = join(dataDir, 'raft')
  const path = join(raft, 'peers.json')
  return {
    path,
    read: async () => {
      try {
        return await readFile(path, 'utf8')
      } catch (cause) {
        if (hasCode(cause, 'ENOENT')) return null
        throw failed('read', path, cause)
      }
    },
    consume: async () => {
      try {
        await rm(path)
        await syncDirectory(raft)
      } catch (cause) {
        throw failed('delete', path, cause)
      }
    },
    setAside: async (epoch) => {
      const aside = `${raft}.before-epoch-${epoch}`
      try {
        // The witness first: without it the log is still whole, the other way round it would look lost.
        await moveIfThere(`${raft}.seq`, `${aside}.seq`)
        await rename(raft, aside)
        await syncDirectory(dataDir)
      } catch (cause) {
        throw failed('move aside', raft, cause)
      }
      return aside
    },
  }
}

async function moveIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (cause) {
    if (!hasCode(cause, 'ENOENT')) throw cause
  }
}

function failed(what: string, path: string, cause: unknown): FairleadError {
  const text = cause instanceof Error ? cause.message : String(cause)
  return new FairleadError('STORAGE_FAILED', `Failed to ${what} "${path}": ${text}`, { cause })
}

function hasCode(thrown: unknown, code: string): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === code
}
