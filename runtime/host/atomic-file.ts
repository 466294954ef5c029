/**
 * Small private files that are whole or absent: written beside their place, synced, then renamed.
 *
 * Guarantees: a reader, also after a crash, sees the old content or the new one, never a part; mode 0600.
 * With `durable` the content survives power loss once the promise resolves, otherwise only the end of the
 * process. Does not serialise writers of one path: callers do.
 */

import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { FairleadError } from '../../core/errors.ts'
import { syncDirectory } from './sync-directory.ts'

export const PRIVATE_FILE_MODE = 0o600
export const PRIVATE_DIR_MODE = 0o700
/** What a crash may leave behind; safe to delete when nobody writes. */
export const TEMPORARY_SUFFIX = '.tmp'

/** @throws FairleadError STORAGE_FAILED */
export async function writeFileAtomic(
  path: string,
  content: string,
  options: { readonly durable: boolean },
): Promise<void> {
  const temporary = `${path}${TEMPORARY_SUFFIX}`
  try {
    const handle = await open(temporary, 'w', PRIVATE_FILE_MODE)
    await writeAndClose(handle, content, options.durable)
    await rename(temporary, path)
    if (options.durable) await syncDirectory(dirname(path))
  } catch (error) {
    await rm(temporary, { force: true })
    throw storageFailed('write', path, error)
  }
}

/** No error when the file is absent already. @throws FairleadError STORAGE_FAILED */
export async function removeFile(path: string): Promise<void> {
  try {
    await rm(path, { force: true })
  } catch (error) {
    throw storageFailed('remove', path, error)
  }
}

/** Makes the directory and its parents, readable by the owner only. @throws FairleadError STORAGE_FAILED */
export async function ensurePrivateDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: PRIVATE_DIR_MODE })
  } catch (error) {
    throw storageFailed('create', path, error)
  }
}

async function writeAndClose(handle: FileHandle, content: string, sync: boolean): Promise<void> {
  try {
    await handle.writeFile(content)
    // The mode given to open does not apply to a file that a crash left behind.
    await handle.chmod(PRIVATE_FILE_MODE)
    if (sync) await handle.sync()
  } finally {
    await handle.close()
  }
}

function storageFailed(act: string, path: string, cause: unknown): FairleadError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new FairleadError('STORAGE_FAILED', `Cannot ${act} "${path}": ${reason}`, {
    facts: { path },
    cause,
  })
}
