/**
 * An image as blocks of 1 MiB: checksums while it is written, proof while it is read.
 *
 * Guarantees: the same bytes give the same table however they were cut into chunks; a reader gets no byte
 * that its block's checksum does not prove. Reads and hashes one block at a time and gives the event loop
 * back in between. Does not know what the bytes mean. Bounds: one block in memory; tables written by
 * earlier versions may have blocks of up to 16 MiB.
 */

import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'

export const BLOCK_BYTES = 1_048_576
export const BLOCK_BYTES_MAX = 16 * 1_048_576

/** Size and crc32 of each block, in order. */
export type BlockTable = readonly (readonly [bytes: number, crc: number])[]

export class BlockSums {
  readonly #blocks: [number, number][] = []
  readonly #digest = createHash('sha256')
  #sizeBytes = 0

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  add(bytes: Uint8Array): void {
    this.#digest.update(bytes)
    this.#sizeBytes += bytes.length
    for (let at = 0; at < bytes.length; ) {
      const open = this.#openBlock()
      const part = bytes.subarray(at, at + BLOCK_BYTES - open[0])
      open[0] += part.length
      open[1] = crc32(part, open[1])
      at += part.length
    }
  }

  /** Ends the table; nothing can be added afterwards. @returns digest is SHA-256 in hex */
  finish(): { readonly blocks: BlockTable; readonly digest: string } {
    return { blocks: this.#blocks, digest: this.#digest.digest('hex') }
  }

  #openBlock(): [number, number] {
    const last = this.#blocks.at(-1)
    if (last !== undefined && last[0] < BLOCK_BYTES) return last
    const fresh: [number, number] = [0, 0]
    this.#blocks.push(fresh)
    return fresh
  }
}

/**
 * The bytes of a file from `offset` on, in pieces of at most 1 MiB.
 *
 * @throws (while iterating) what opening and reading throw; what `damaged` makes for bytes that are not
 *   those of the table
 */
export async function* readBlocks(
  path: string,
  blocks: BlockTable,
  offset: number,
  damaged: () => Error,
): AsyncIterable<Uint8Array> {
  const file = await open(path, 'r')
  try {
    let at = 0
    for (const [bytes, crc] of blocks) {
      const begin = at
      at += bytes
      if (at <= offset) continue
      const block = Buffer.allocUnsafe(bytes)
      if (!(await fill(file, block, begin)) || crc32(block) !== crc) throw damaged()
      const first = Math.max(0, offset - begin)
      for (let from = first; from < bytes; from += BLOCK_BYTES) {
        yield block.subarray(from, from + BLOCK_BYTES)
      }
    }
  } finally {
    await file.close()
  }
}

/** Writes all of it at a position: one call of the system may write less. */
export async function writeAll(
  file: FileHandle,
  bytes: Uint8Array,
  position: number,
): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const left = bytes.length - written
    const result = await file.write(bytes, written, left, position + written)
    written += result.bytesWritten
  }
}

/** @returns false when the file ends before the block is full */
async function fill(file: FileHandle, block: Uint8Array, position: number): Promise<boolean> {
  for (let filled = 0; filled < block.length; ) {
    const { bytesRead } = await file.read(block, filled, block.length - filled, position + filled)
    if (bytesRead === 0) return false
    filled += bytesRead
  }
  return true
}
