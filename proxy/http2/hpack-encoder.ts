/**
 * Encodes header blocks (RFC 7541) of one direction of a connection, as latin1 text: one character a byte.
 *
 * Text, because a frame is gathered with others of its turn into one write of text (sockets/wire.ts), and most of a block
 * is a slice of a head that is text already. A field enters the table when it comes the second time, so that ids,
 * dates and paths that never repeat push nothing out; what is secret or changes always never does. No Huffman: it
 * would cost more than the bytes it saves on a network of our own.
 * Bounds: table of HEADER_TABLE_BYTES or less, as the peer allows; SEEN_MAX fields remembered.
 */

import { HEADER_TABLE_BYTES } from './format.ts'
import { type Line, LineTable } from './line-table.ts'
import { DYNAMIC_FROM, STATIC_FIELDS, STATIC_NAMES } from './static-table.ts'

const SEEN_MAX = 128
/** A larger field would push out too many others. */
const INDEXED_BYTES_MAX = 1024
/** RFC 7541 4.1. */
const OVERHEAD_BYTES = 32
const INDEXED = 0x80
const WITH_INDEXING = 0x40
const WITHOUT_INDEXING = 0x00
const NEVER_INDEXED = 0x10
const SIZE_UPDATE = 0x20

/** Differ from message to message. */
const CHANGING: ReadonlySet<string> = new Set([
  'x-request-id',
  'date',
  'content-length',
  'traceparent',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-envoy-upstream-service-time',
  'grpc-timeout',
  'etag',
  'last-modified',
])
/** Nobody on the way may put them into a table either (RFC 7541 7.1.3). */
const SECRET: ReadonlySet<string> = new Set(['authorization', 'cookie', 'set-cookie'])

const BYTES: readonly string[] = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code))
const STATIC_LINES = new LineTable()
for (let i = STATIC_FIELDS.length - 1; i > 0; i--) {
  const { name, value, size } = STATIC_FIELDS[i] as (typeof STATIC_FIELDS)[number]
  STATIC_LINES.add({ text: `${name}: ${value}`, size, at: -1, fixed: i, next: undefined })
}

interface Entry {
  readonly line: Line
  readonly table: LineTable
}

export class HpackEncoder {
  readonly #lines = new LineTable()
  /** By value alone, since they are not lines of a head. */
  readonly #paths = new LineTable()
  readonly #authorities = new LineTable()
  /** The dynamic table, oldest first, from `#oldest` on. */
  #entries: Entry[] = []
  #oldest = 0
  #inserted = 0
  #bytes = 0
  #bytesMax = HEADER_TABLE_BYTES
  /** What was seen lately, round and round; what has entered the table meanwhile is passed over. */
  readonly #seen: (Entry | undefined)[] = []
  #seenAt = 0
  /** Sizes to tell of at the next block: the smallest that was set, then the present one; -1 for none. */
  #smallest = -1
  #update = -1

  /** The peer changed how large the table may be. */
  resize(peerBytesMax: number): void {
    const bytesMax = Math.min(peerBytesMax, HEADER_TABLE_BYTES)
    if (bytesMax === this.#bytesMax && this.#update < 0) return
    this.#smallest = this.#smallest < 0 ? bytesMax : Math.min(this.#smallest, bytesMax)
    this.#update = bytesMax
    this.#bytesMax = bytesMax
    this.#evict(bytesMax)
  }

  /** What must stand before the first field of a block: '' nearly always. */
  begin(): string {
    if (this.#update < 0) return ''
    let text = this.#smallest < this.#update ? integer(SIZE_UPDATE, 5, this.#smallest) : ''
    text += integer(SIZE_UPDATE, 5, this.#update)
    this.#smallest = -1
    this.#update = -1
    return text
  }

  /** A field that is the line `name: value` at `text[from, to)`. @returns '' when it was not seen lately */
  known(text: string, from: number, to: number): string {
    const line = this.#lines.find(text, from, to)
    if (line !== undefined) return this.#knownLine(line, this.#lines, '', '')
    const fixed = STATIC_LINES.find(text, from, to)
    return fixed === undefined ? '' : (BYTES[INDEXED | fixed.fixed] as string)
  }

  /** A field that `known` does not know. @param name lower case. @param line as it stands in heads */
  fresh(name: string, value: string, line: string): string {
    return this.#fresh(name, value, line, this.#lines)
  }

  /** @param name lower case */
  field(name: string, value: string): string {
    const line = `${name}: ${value}`
    return this.known(line, 0, line.length) || this.fresh(name, value, line)
  }

  path(text: string, from: number, to: number): string {
    return this.#valueOf(':path', this.#paths, text.slice(from, to))
  }

  authority(value: string): string {
    return this.#valueOf(':authority', this.#authorities, value)
  }

  #valueOf(name: string, table: LineTable, value: string): string {
    const line = table.find(value, 0, value.length)
    return line === undefined
      ? this.#fresh(name, value, value, table)
      : this.#knownLine(line, table, name, value)
  }

  /** @param name '' to take both from the line */
  #knownLine(line: Line, table: LineTable, name: string, value: string): string {
    if (line.at >= 0) return integer(INDEXED, 7, DYNAMIC_FROM + this.#inserted - line.at - 1)
    const { text } = line
    const colon = text.indexOf(':', 1)
    const fieldName = name === '' ? text.slice(0, colon).toLowerCase() : name
    const fieldValue = name === '' ? text.slice(colon + 1).trim() : value
    const isRoomy = line.size <= this.#bytesMax
    if (isRoomy) this.#insert(line, table)
    const nameIndex = STATIC_NAMES.get(fieldName) ?? 0
    return isRoomy
      ? literal(WITH_INDEXING, 6, nameIndex, fieldName, fieldValue)
      : literal(WITHOUT_INDEXING, 4, nameIndex, fieldName, fieldValue)
  }

  #fresh(name: string, value: string, text: string, table: LineTable): string {
    const nameIndex = STATIC_NAMES.get(name) ?? 0
    if (SECRET.has(name)) return literal(NEVER_INDEXED, 4, nameIndex, name, value)
    const size = name.length + value.length + OVERHEAD_BYTES
    if (size <= INDEXED_BYTES_MAX && !CHANGING.has(name)) {
      // A copy: a slice would keep the whole head that it was cut out of.
      const own = Buffer.from(text, 'latin1').toString('latin1')
      this.#remember({ text: own, size, at: -1, fixed: 0, next: undefined }, table)
    }
    return literal(WITHOUT_INDEXING, 4, nameIndex, name, value)
  }

  #remember(line: Line, table: LineTable): void {
    const forgotten = this.#seen[this.#seenAt]
    if (forgotten !== undefined && forgotten.line.at < 0) forgotten.table.remove(forgotten.line)
    this.#seen[this.#seenAt] = { line, table }
    this.#seenAt = (this.#seenAt + 1) % SEEN_MAX
    table.add(line)
  }

  #insert(line: Line, table: LineTable): void {
    this.#evict(this.#bytesMax - line.size)
    line.at = this.#inserted++
    this.#entries.push({ line, table })
    this.#bytes += line.size
  }

  #evict(bytes: number): void {
    while (this.#bytes > bytes) {
      const { line, table } = this.#entries[this.#oldest++] as Entry
      this.#bytes -= line.size
      table.remove(line)
    }
    if (this.#oldest * 2 < this.#entries.length || this.#oldest === 0) return
    this.#entries = this.#entries.slice(this.#oldest)
    this.#oldest = 0
  }
}

function literal(
  kind: number,
  prefixBits: number,
  nameIndex: number,
  name: string,
  value: string,
): string {
  const head = integer(kind, prefixBits, nameIndex)
  const text = integer(0, 7, value.length) + value
  return nameIndex > 0 ? head + text : `${head}${integer(0, 7, name.length)}${name}${text}`
}

/** RFC 7541 5.1; `kind` has the bits before the prefix. */
function integer(kind: number, prefixBits: number, value: number): string {
  const mask = (1 << prefixBits) - 1
  if (value < mask) return BYTES[kind | value] as string
  let text = BYTES[kind | mask] as string
  let rest = value - mask
  for (; rest >= 128; rest >>>= 7) text += BYTES[(rest & 127) | 128] as string
  return text + (BYTES[rest] as string)
}
