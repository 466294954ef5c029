/**
 * Looks at the table files of a LevelDB directory before the database does.
 *
 * The library ends the whole process when it meets a table whose structure is broken (it is built with
 * assertions, and does not verify block checksums on reads). This guarantees that what it is given can be
 * walked: sizes within bounds, keys long enough and in order. Does not judge values: they carry checksums
 * of their own, so that a flipped bit in one is found, and healed, by those who read it. Source: table format
 * of LevelDB 1.20 (footer, index block, prefix-compressed entries, restart array). Bounds: reads one file at
 * a time, whole; a table of this log has at most the size of the write buffer.
 */

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { liveTables } from './level-manifest.ts'

const TABLE = /^(\d+)\.(?:ldb|sst)$/
const FOOTER_BYTES = 48
const MAGIC = Buffer.from('57fb808b247547db', 'hex')
/** Sequence number and kind at the end of every key in a table. */
const KEY_TAG_BYTES = 8
/** Kind of compression and checksum behind every block. */
const TRAILER_BYTES = 5
const UNCOMPRESSED = 0

/** @returns what is wrong with the first broken table of those that the database uses, or null */
export async function findBrokenTable(directory: string): Promise<string | null> {
  const live = await liveTables(directory)
  for (const name of await readdir(directory)) {
    const number = TABLE.exec(name)?.[1]
    if (number === undefined || live?.has(Number(number)) === false) continue
    const fault = tableFault(await readFile(join(directory, name)))
    if (fault !== null) return `table "${name}" is damaged: ${fault}`
  }
  return null
}

/** @returns why the bytes cannot be walked as a table, or null */
export function tableFault(table: Buffer): string | null {
  if (table.length < FOOTER_BYTES) return 'it is too short'
  const footer = table.subarray(table.length - FOOTER_BYTES)
  if (!footer.subarray(FOOTER_BYTES - MAGIC.length).equals(MAGIC)) return 'its footer is broken'
  const reader = new Reader(footer)
  const meta: Handle = [reader.varint(), reader.varint()]
  const index: Handle = [reader.varint(), reader.varint()]
  if (blockAt(table, meta) === null) return 'its footer is broken'
  const indexBlock = blockAt(table, index)
  const handles: Handle[] = []
  let fault = indexBlock === null ? 'its footer is broken' : null
  fault ??= walk(indexBlock ?? table, null, (value) => {
    const handle = new Reader(value)
    handles.push([handle.varint(), handle.varint()])
  }).fault
  if (fault !== null) return fault
  let last: Buffer | null = null
  for (const handle of handles) {
    const block = blockAt(table, handle)
    if (block === null) return `a block lies outside, at ${handle[0]}`
    const walked = walk(block, last, () => {})
    if (walked.fault !== null) return `${walked.fault}, in the block at ${handle[0]}`
    last = walked.last
  }
  return null
}

type Handle = readonly [offset: number, size: number]

function blockAt(table: Buffer, [offset, size]: Handle): Buffer | null {
  const end = offset + size
  if (!Number.isSafeInteger(end) || end + TRAILER_BYTES > table.length) return null
  return table[end] === UNCOMPRESSED ? table.subarray(offset, end) : null
}

/** Walks the entries of a block. @param last key before the block, which must be lower */
function walk(
  block: Buffer,
  last: Buffer | null,
  onValue: (value: Buffer) => void,
): { readonly fault: string | null; readonly last: Buffer | null } {
  const broken = (fault: string): { fault: string; last: Buffer | null } => ({ fault, last })
  if (block.length < 4) return broken('a block is too short')
  const restarts = block.readUInt32LE(block.length - 4)
  const end = block.length - 4 - 4 * restarts
  if (restarts === 0 || end < 0) return broken('a restart array is broken')
  const starts = new Set<number>()
  const reader = new Reader(block.subarray(0, end))
  let key: Buffer = Buffer.alloc(0)
  while (reader.at < end) {
    const start = reader.at
    const [shared, fresh, valueBytes] = [reader.varint(), reader.varint(), reader.varint()]
    if (shared === 0) starts.add(start)
    const bytes = reader.take(fresh)
    const value = reader.take(valueBytes)
    if (bytes === null || value === null || !(shared <= key.length))
      return broken('an entry is broken')
    key = Buffer.concat([key.subarray(0, shared), bytes])
    if (key.length < KEY_TAG_BYTES) return broken('a key is too short')
    if (last !== null && !isAbove(key, last)) return broken('keys are out of order')
    last = key
    onValue(value)
  }
  for (let i = 0; i < restarts && end > 0; i++) {
    if (!starts.has(block.readUInt32LE(end + 4 * i))) return broken('a restart array is broken')
  }
  return { fault: null, last }
}

/** Order of the database: by key, and the newer sequence number first. */
function isAbove(key: Buffer, last: Buffer): boolean {
  const [end, lastEnd] = [key.length - KEY_TAG_BYTES, last.length - KEY_TAG_BYTES]
  const order = key.compare(last, 0, lastEnd, 0, end)
  if (order !== 0) return order > 0
  return key.readBigUInt64LE(end) < last.readBigUInt64LE(lastEnd)
}

/** Reads varints and slices; NaN and null beyond the end. */
class Reader {
  readonly #bytes: Buffer
  at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  varint(): number {
    let value = 0
    for (let shift = 0; shift < 49; shift += 7) {
      const byte = this.#bytes[this.at]
      this.at++
      if (byte === undefined) return Number.NaN
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    return Number.NaN
  }

  take(length: number): Buffer | null {
    const end = this.at + length
    if (!(end <= this.#bytes.length)) return null
    const slice = this.#bytes.subarray(this.at, end)
    this.at = end
    return slice
  }
}
