/**
 * Decodes header blocks (RFC 7541) of one direction of a connection.
 *
 * Deterministic: blocks in, fields out, in order; never throws. A block that is not valid leaves the table
 * undefined, so the connection must end with COMPRESSION_ERROR. A head that is too large is decoded to its end, for
 * the table's sake, and its fields are dropped: `isTooLarge`. Bounds: format.ts; a field that comes from a table costs no
 * copy, however often a block names it.
 */

import { Field } from './field.ts'
import { HEADER_FIELDS_MAX, HEADER_LIST_BYTES_MAX, HEADER_TABLE_BYTES } from './format.ts'
import { decodeHuffman } from './huffman.ts'
import { DYNAMIC_FROM, STATIC_FIELDS } from './static-table.ts'

export interface FieldSink {
  field(field: Field): void
}

/** RFC 7541 4.1: no entry is smaller. */
const ENTRY_BYTES_MIN = 32
const SLOTS = HEADER_TABLE_BYTES / ENTRY_BYTES_MIN
const INTEGER_SHIFT_MAX = 21
/** Eight fifths of the largest block. Used during one call only, so that all connections can share it. */
const scratch = Buffer.allocUnsafeSlow(128 * 1024)

export class HpackDecoder {
  /** Of the last head: its fields were more, or larger, than is allowed. */
  isTooLarge = false
  /** The newest entry is at `#newest`, older ones before it, round and round. */
  readonly #table: (Field | undefined)[] = new Array<Field | undefined>(SLOTS).fill(undefined)
  #newest = SLOTS - 1
  #count = 0
  #bytes = 0
  #bytesMax = HEADER_TABLE_BYTES
  /** Where the next read of the block begins; -1 once it was found not to be valid. */
  #at = 0

  /** @returns whether the block is valid */
  decode(block: Buffer, from: number, to: number, sink: FieldSink): boolean {
    this.isTooLarge = false
    this.#at = from
    let listBytes = 0
    let fields = 0
    while (this.#at < to) {
      const byte = block[this.#at] as number
      let field: Field | undefined
      if (byte >= 0x80) {
        field = this.#entry(this.#integer(block, to, 7))
      } else if (byte >= 0x40) {
        field = this.#literal(block, to, 6)
        if (field !== undefined) this.#insert(field)
      } else if (byte < 0x20) {
        field = this.#literal(block, to, 4)
      } else {
        // A change of size stands before all fields (4.2).
        if (fields > 0 || !this.#resize(this.#integer(block, to, 5))) return false
        continue
      }
      if (field === undefined || this.#at < 0) return false
      listBytes += field.size
      fields++
      if (listBytes > HEADER_LIST_BYTES_MAX || fields > HEADER_FIELDS_MAX) this.isTooLarge = true
      else sink.field(field)
    }
    return true
  }

  /** @param index undefined for one that could not be read */
  #entry(index: number): Field | undefined {
    if (index <= 0) return undefined
    if (index < DYNAMIC_FROM) return STATIC_FIELDS[index]
    const age = index - DYNAMIC_FROM
    return age < this.#count ? this.#table[(this.#newest - age + SLOTS) % SLOTS] : undefined
  }

  #literal(block: Buffer, to: number, prefixBits: number): Field | undefined {
    const index = this.#integer(block, to, prefixBits)
    if (index < 0) return undefined
    const name = index === 0 ? this.#string(block, to) : this.#entry(index)?.name
    if (name === undefined) return undefined
    const value = this.#string(block, to)
    return value === undefined ? undefined : new Field(name, value)
  }

  #string(block: Buffer, to: number): string | undefined {
    if (this.#at >= to) return undefined
    const isHuffman = (block[this.#at] as number) >= 0x80
    const size = this.#integer(block, to, 7)
    const from = this.#at
    if (size < 0 || from + size > to) return undefined
    this.#at = from + size
    if (!isHuffman) return block.toString('latin1', from, from + size)
    const end = decodeHuffman(block, { from, to: from + size }, scratch, 0)
    return end < 0 ? undefined : scratch.toString('latin1', 0, end)
  }

  /** RFC 7541 5.1. @returns -1 when it is cut off or needlessly large */
  #integer(block: Buffer, to: number, prefixBits: number): number {
    const mask = (1 << prefixBits) - 1
    let value = (block[this.#at++] as number) & mask
    if (value < mask) return value
    for (let shift = 0; shift <= INTEGER_SHIFT_MAX; shift += 7) {
      if (this.#at >= to) return -1
      const byte = block[this.#at++] as number
      value += (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    return -1
  }

  #insert(field: Field): void {
    this.#evict(this.#bytesMax - field.size)
    if (field.size > this.#bytesMax) return
    this.#newest = (this.#newest + 1) % SLOTS
    this.#table[this.#newest] = field
    this.#count++
    this.#bytes += field.size
  }

  #resize(bytesMax: number): boolean {
    if (bytesMax < 0 || bytesMax > HEADER_TABLE_BYTES) return false
    this.#bytesMax = bytesMax
    this.#evict(bytesMax)
    return true
  }

  /** Drops the oldest until at most `bytes` are left. */
  #evict(bytes: number): void {
    while (this.#count > 0 && this.#bytes > bytes) {
      this.#count--
      const slot = (this.#newest - this.#count + SLOTS) % SLOTS
      this.#bytes -= (this.#table[slot] as Field).size
      this.#table[slot] = undefined
    }
  }
}
