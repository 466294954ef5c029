/**
 * Whether a LevelDB directory ever held anything, and the repair of one whose first opening was cut off.
 *
 * LevelDB does not sync the first manifest of a new database before it names it in `CURRENT`, so that a power cut
 * may leave the name of an empty file, and it then refuses to open for ever. Guarantees that only what never held a
 * row is begun anew: whatever was stored is in a table, or in a log that is not empty. A database that another
 * process has open is left alone: its manifest has records.
 */

import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { hasRecords } from './level-manifest.ts'

const CURRENT = 'CURRENT'
const TABLE = /^\d+\.(?:ldb|sst)$/
const LOG = /^\d+\.log$/

/** @returns what is wrong, or null when the database may open it */
export async function birthFault(directory: string): Promise<string | null> {
  const names = await readdir(directory)
  if (await holdsRows(directory, names)) {
    // Without the file that names its newest state LevelDB would begin anew, and delete what it finds.
    return names.includes(CURRENT)
      ? null
      : '"CURRENT" is missing and other files of the database are there'
  }
  if (names.includes(CURRENT) && (await namesEmptyManifest(directory))) {
    await rm(join(directory, CURRENT))
  }
  return null
}

async function holdsRows(directory: string, names: readonly string[]): Promise<boolean> {
  if (names.some((name) => TABLE.test(name))) return true
  for (const name of names) {
    if (LOG.test(name) && (await stat(join(directory, name))).size > 0) return true
  }
  return false
}

async function namesEmptyManifest(directory: string): Promise<boolean> {
  try {
    const name = (await readFile(join(directory, CURRENT), 'utf8')).trimEnd()
    return !hasRecords(await readFile(join(directory, name)))
  } catch {
    return false // the database says what is wrong with it
  }
}
