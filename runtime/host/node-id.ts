/**
 * The identity of this host: a UUID in `<dataDir>/node-id`, made once (agent-config.md 16).
 *
 * Guarantees: the same id after every start with the same data directory. A file that holds no UUID is an
 * error, not replaced: the catalogue would see a second node of the same name.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FairleadError } from '../../core/errors.ts'
import { newUuid } from '../random/system-random.ts'
import { ensurePrivateDirectory, writeFileAtomic } from './atomic-file.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/**
 * @param dataDir '' (dev mode) gives an id that lives as long as the process
 * @throws FairleadError STORAGE_FAILED | INVALID_CONFIG when the file holds no UUID
 */
export async function loadOrCreateNodeId(dataDir: string): Promise<string> {
  if (dataDir === '') return newUuid()
  const found = await loadNodeId(dataDir)
  if (found !== undefined) return found
  const id = newUuid()
  await ensurePrivateDirectory(dataDir)
  await writeFileAtomic(join(dataDir, 'node-id'), `${id}\n`, { durable: true })
  return id
}

/** @throws FairleadError as above; undefined when this data directory has none yet */
export async function loadNodeId(dataDir: string): Promise<string | undefined> {
  const path = join(dataDir, 'node-id')
  const id = (await readIfPresent(path))?.trim().toLowerCase()
  if (id === undefined || UUID.test(id)) return id
  throw new FairleadError(
    'INVALID_CONFIG',
    `Node id in "${path}" is not a UUID; restore the file, or remove it to make a new id`,
    { facts: { path } },
  )
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new FairleadError('STORAGE_FAILED', `Cannot read "${path}"`, {
      facts: { path },
      cause: error,
    })
  }
}
