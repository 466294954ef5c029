/**
 * Which table files a LevelDB directory is made of, out of its manifest.
 *
 * A table that the manifest does not name is not part of the database: it was being written when the process or the
 * machine died, or was about to be deleted. The database ignores and removes it, and so must whoever judges tables.
 * Guarantees that no table is left out that the database would use; does not verify checksums, for the database does
 * and refuses. Source: formats of logs and version edits of LevelDB 1.20. Bounds: reads the manifest whole; it begins
 * anew with every opening.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

const BLOCK_BYTES = 32_768
const HEAD_BYTES = 7
/** Kinds of log records: zero is padding. */
const [FULL, FIRST, MIDDLE, LAST] = [1, 2, 3, 4]

/** Fields of a version edit. */
const COMPARATOR = 1
const COMPACT_POINTER = 5
const DELETED_TABLE = 6
const NEW_TABLE = 7
const NUMBERS = [2, 3, 4, 9]

/** @returns null when it cannot be told; then every table counts */
export async function liveTables(directory: string): Promise<ReadonlySet<number> | null> {
  try {
    const name = (await readFile(join(directory, 'CURRENT'), 'utf8')).trimEnd()
    return tablesOf(await readFile(join(directory, name)))
  } catch {
    return null // a new database, or one that cannot be opened either
  }
}

/** @returns null for what is not a manifest */
export function tablesOf(manifest: Buffer): ReadonlySet<number> | null {
  const tables = new Set<number>()
  for (const edit of recordsOf(manifest)) {
    if (!applyEdit(edit, tables)) return null
  }
  return tables
}

/** False for a manifest that was begun and never reached the disk. */
export function hasRecords(manifest: Buffer): boolean {
  for (const _record of recordsOf(manifest)) return true
  return false
}

/** Whole records; what is torn at the end is no record yet. */
function* recordsOf(log: Buffer): Iterable<Buffer> {
  let pieces: Buffer[] = []
  let at = 0
  while (at + HEAD_BYTES <= log.length) {
    const blockEnd = at - (at % BLOCK_BYTES) + BLOCK_BYTES
    const length = log.readUInt16LE(at + 4)
    const kind = log[at + 6] ?? 0
    const end = at + HEAD_BYTES + length
    if (blockEnd - at < HEAD_BYTES || kind === 0) {
      at = blockEnd
      continue
    }
    if (end > log.length) return
    if (kind === FULL || kind === FIRST) pieces = []
    pieces.push(log.subarray(at + HEAD_BYTES, end))
    if (kind === FULL || kind === LAST) yield Buffer.concat(pieces)
    else if (kind !== FIRST && kind !== MIDDLE) return
    at = end
  }
}

/** @returns false for bytes that are no version edit */
function applyEdit(edit: Buffer, tables: Set<number>): boolean {
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 0; shift < 64; shift += 7) {
      const byte = edit[at++] ?? 0
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) break
    }
    return value
  }
  const skipText = (): void => {
    const length = varint()
    at += length
  }
  const gone: number[] = []
  const come: number[] = []
  while (at < edit.length) {
    const field = varint()
    if (NUMBERS.includes(field)) varint()
    else if (field === COMPARATOR) skipText()
    else if (field === COMPACT_POINTER) {
      varint()
      skipText()
    } else if (field === DELETED_TABLE) {
      varint()
      gone.push(varint())
    } else if (field === NEW_TABLE) {
      varint()
      come.push(varint())
      varint()
      skipText()
      skipText()
    } else return false
  }
  // A table that moves to another level is deleted and new in one edit.
  for (const table of gone) tables.delete(table)
  for (const table of come) tables.add(table)
  return at === edit.length
}
