/**
 * Encodes header blocks (RFC 7541) of one direction of a connection, as latin1 text: one character a byte.
 *
 * Text, because a frame is gathered with others of its turn into one write of text (sockets/wire.ts), and most of a block
 * is a slice of a head that is text already. A field enters the table when it comes the second time, so that ids,
 * dates and paths that never repeat push nothing out; what is secret or changes always never does. No Huffman: it
 * would cost more than the bytes it saves on a network of our own.
 * Bounds: table of HEADER_TABLE_BYTES or less, as the peer allows; CANDIDATES_MAX fields remembered.
 */

import { HEADER_TABLE_BYTES } from './format.ts'
import { DYNAMIC_FROM, STATIC_FIELDS, STATIC_NAMES } from './static-table.ts'

const CANDIDATES_MAX = 128
/** A larger field would push out too many others. */
const INDEXED_BYTES_MAX = 256
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

/** By `name: value`. */
const STATIC_INDEXES: ReadonlyMap<string, number> = new Map(
  STATIC_FIELDS.map((field, index) => [keyOf(field.name, field.value), index] as const)
    .filter(([, index]) => index > 0)
    .reverse(),
)
const BYTES: readonly string[] = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code))

interface Entry {
  readonly key: string
  readonly size: number
}

export class HpackEncoder {
  /** Oldest first, from `#oldest` on. */
  #entries: Entry[] = []
  #oldest = 0
  /** By key: how many had been inserted before it. */
  readonly #known = new Map<string, number>()
  #inserted = 0
  #bytes = 0
  #bytesMax = HEADER_TABLE_BYTES
  readonly #candidates = new Set<string>()
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

  /** @param key `name: value`, the name in lower case. @returns '' when no table has it */
  indexed(key: string): string {
    const at = this.#known.get(key)
    if (at !== undefined) return integer(INDEXED, 7, DYNAMIC_FROM + this.#inserted - at - 1)
    const fixed = STATIC_INDEXES.get(key)
    return fixed === undefined ? '' : (BYTES[INDEXED | fixed] as string)
  }

  /** @param name lower case */
  field(name: string, value: string): string {
    const key = keyOf(name, value)
    const index = this.indexed(key)
    if (index !== '') return index
    const nameIndex = STATIC_NAMES.get(name) ?? 0
    if (SECRET.has(name)) return literal(NEVER_INDEXED, 4, nameIndex, name, value)
    const size = name.length + value.length + OVERHEAD_BYTES
    if (size > INDEXED_BYTES_MAX || size > this.#bytesMax || CHANGING.has(name)) {
      return literal(WITHOUT_INDEXING, 4, nameIndex, name, value)
    }
    if (!this.#candidates.delete(key)) {
      if (this.#candidates.size === CANDIDATES_MAX) this.#candidates.clear()
      this.#candidates.add(key)
      return literal(WITHOUT_INDEXING, 4, nameIndex, name, value)
    }
    this.#insert(key, size)
    return literal(WITH_INDEXING, 6, nameIndex, name, value)
  }

  #insert(key: string, size: number): void {
    this.#evict(this.#bytesMax - size)
    this.#entries.push({ key, size })
    this.#known.set(key, this.#inserted++)
    this.#bytes += size
  }

  #evict(bytes: number): void {
    while (this.#bytes > bytes) {
      const { key, size } = this.#entries[this.#oldest++] as Entry
      this.#bytes -= size
      this.#known.delete(key)
    }
    if (this.#oldest * 2 < this.#entries.length || this.#oldest === 0) return
    this.#entries = this.#entries.slice(this.#oldest)
    this.#oldest = 0
  }
}

function keyOf(name: string, value: string): string {
  return `${name}: ${value}`
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
