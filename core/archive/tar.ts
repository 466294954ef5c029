/**
 * Tar archives of plain files: the blocks of a writer, and a reader fed piece by piece. Pure.
 *
 * Writes ustar headers, as every tar reads them. The reader takes regular files and steps over the extended
 * headers that other programs put between them; everything else (links, folders, sparse files) is refused.
 * Guarantees: whatever the bytes, parts that fit the headers or one FairleadError BAD_REQUEST; nothing is
 * kept but a begun block. Source: POSIX.1-2017, pax, "ustar Interchange Format".
 */

import { FairleadError } from '../errors.ts'

const BLOCK_SIZE = 512
const NAME_SIZE = 100
const MODE = 0o600
const ENCODER = new TextEncoder()
const DECODER = new TextDecoder()

/** Offsets of the fields that are used. */
const AT = { mode: 100, size: 124, modified: 136, checksum: 148, type: 156, magic: 257 } as const

export interface TarFile {
  readonly name: string
  readonly sizeBytes: number
}

export type TarPart =
  | { readonly kind: 'file'; readonly file: TarFile }
  /** The next bytes of the file that began last; views of what was pushed. */
  | { readonly kind: 'data'; readonly bytes: Uint8Array }
  | { readonly kind: 'file-end' }

/** The block before a file's bytes. @param modifiedAt epoch ms */
export function tarHeader({ name, sizeBytes }: TarFile, modifiedAt: number): Uint8Array {
  const block = new Uint8Array(BLOCK_SIZE)
  const nameBytes = ENCODER.encode(name)
  if (nameBytes.length > NAME_SIZE) throw damaged(`the name "${name}" is too long`)
  block.set(nameBytes)
  putOctal(block, AT.mode, 8, MODE)
  putOctal(block, 108, 8, 0)
  putOctal(block, 116, 8, 0)
  putOctal(block, AT.size, 12, sizeBytes)
  putOctal(block, AT.modified, 12, Math.floor(modifiedAt / 1000))
  block[AT.type] = 0x30
  block.set(ENCODER.encode('ustar\u000000'), AT.magic)
  block.fill(0x20, AT.checksum, AT.checksum + 8)
  putOctal(block, AT.checksum, 7, sumOf(block))
  return block
}

/** What follows a file's bytes up to the next block. */
export function tarPadding(sizeBytes: number): Uint8Array {
  return new Uint8Array((BLOCK_SIZE - (sizeBytes % BLOCK_SIZE)) % BLOCK_SIZE)
}

/** The end of an archive. */
export const TAR_END = new Uint8Array(2 * BLOCK_SIZE)

export class TarReader {
  readonly #block = new Uint8Array(BLOCK_SIZE)
  #blockSize = 0
  /** Bytes of the present file that are still to come, and of its padding. */
  #dataLeft = 0
  #paddingLeft = 0
  #isInFile = false
  #isEnded = false

  /** @throws FairleadError BAD_REQUEST when the archive is cut */
  end(): void {
    const isCut = this.#dataLeft > 0 || this.#paddingLeft > 0 || this.#blockSize > 0
    if (isCut || this.#isInFile) throw damaged('it is cut')
  }

  /** @throws FairleadError BAD_REQUEST; the reader is of no use then */
  *push(bytes: Uint8Array): Generator<TarPart, void, undefined> {
    let at = 0
    while (at < bytes.length && !this.#isEnded) {
      if (this.#dataLeft > 0) {
        const data = bytes.subarray(at, at + this.#dataLeft)
        this.#dataLeft -= data.length
        at += data.length
        if (this.#isInFile) yield { kind: 'data', bytes: data }
        if (this.#dataLeft === 0) yield* this.#fileEnd()
      } else if (this.#paddingLeft > 0) {
        const skipped = Math.min(this.#paddingLeft, bytes.length - at)
        this.#paddingLeft -= skipped
        at += skipped
      } else {
        const part = bytes.subarray(at, at + BLOCK_SIZE - this.#blockSize)
        this.#block.set(part, this.#blockSize)
        this.#blockSize += part.length
        at += part.length
        if (this.#blockSize === BLOCK_SIZE) yield* this.#header()
      }
    }
  }

  *#header(): Generator<TarPart, void, undefined> {
    this.#blockSize = 0
    const block = this.#block
    if (block.every((byte) => byte === 0)) {
      this.#isEnded = true
      return
    }
    const checksum = octalAt(block, AT.checksum, 8)
    const summed = block.slice()
    summed.fill(0x20, AT.checksum, AT.checksum + 8)
    if (checksum !== sumOf(summed)) throw damaged('a header has a wrong checksum')
    const sizeBytes = octalAt(block, AT.size, 12)
    this.#dataLeft = sizeBytes
    this.#paddingLeft = tarPadding(sizeBytes).length
    const type = String.fromCharCode(block[AT.type] as number)
    if (type === 'x' || type === 'g') return
    if (type !== '0' && type !== '\0') throw damaged('it holds something else than files')
    const end = block.indexOf(0)
    const name = DECODER.decode(block.subarray(0, Math.min(end < 0 ? NAME_SIZE : end, NAME_SIZE)))
    this.#isInFile = true
    yield { kind: 'file', file: { name, sizeBytes } }
    if (sizeBytes === 0) yield* this.#fileEnd()
  }

  *#fileEnd(): Generator<TarPart, void, undefined> {
    if (!this.#isInFile) return
    this.#isInFile = false
    yield { kind: 'file-end' }
  }
}

function putOctal(block: Uint8Array, at: number, size: number, value: number): void {
  const digits = value.toString(8).padStart(size - 1, '0')
  if (digits.length > size - 1) throw damaged(`${value} does not fit into a header`)
  block.set(ENCODER.encode(digits), at)
  block[at + size - 1] = 0
}

function octalAt(block: Uint8Array, at: number, size: number): number {
  const text = DECODER.decode(block.subarray(at, at + size)).replace(/[\0 ]+$/, '')
  const digits = text.trimStart()
  if (!/^[0-7]{1,11}$/.test(digits)) throw damaged('a header holds no number where one belongs')
  return Number.parseInt(digits, 8)
}

function sumOf(block: Uint8Array): number {
  let sum = 0
  for (const byte of block) sum += byte
  return sum
}

function damaged(reason: string): FairleadError {
  return new FairleadError('BAD_REQUEST', `not a tar archive of files: ${reason}`)
}
