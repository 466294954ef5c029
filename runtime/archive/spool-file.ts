/**
 * Bytes that are too many for memory, kept in a file that has no name.
 *
 * Guarantees: the file is unlinked as soon as it is open, so that nothing is left behind whatever happens;
 * what was written is read back in order. Made once, written to the end, then read, then closed.
 */

import { type FileHandle, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { FairleadError } from '../../core/errors.ts'

const READ_SIZE = 256 * 1024
const PRIVATE_MODE = 0o600

export class SpoolFile implements AsyncDisposable {
  readonly #handle: FileHandle
  #size = 0

  private constructor(handle: FileHandle) {
    this.#handle = handle
  }

  /** @param name unique in the folder, which exists, for a moment. @throws FairleadError STORAGE_FAILED */
  static async create(folder: string, name: string): Promise<SpoolFile> {
    const path = join(folder, name)
    try {
      const handle = await open(path, 'wx+', PRIVATE_MODE)
      await unlink(path)
      return new SpoolFile(handle)
    } catch (cause) {
      throw failed(`cannot make a temporary file in ${folder}`, cause)
    }
  }

  get sizeBytes(): number {
    return this.#size
  }

  /** @throws FairleadError STORAGE_FAILED */
  async write(bytes: Uint8Array): Promise<void> {
    let at = 0
    try {
      while (at < bytes.length) {
        const { bytesWritten } = await this.#handle.write(bytes, at, bytes.length - at, this.#size)
        at += bytesWritten
        this.#size += bytesWritten
      }
    } catch (cause) {
      throw failed('cannot write a temporary file', cause)
    }
  }

  /** From the beginning; may be called again. @throws FairleadError STORAGE_FAILED while iterating */
  async *read(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < this.#size; ) {
      const buffer = Buffer.alloc(Math.min(READ_SIZE, this.#size - at))
      let bytesRead: number
      try {
        bytesRead = (await this.#handle.read(buffer, 0, buffer.length, at)).bytesRead
      } catch (cause) {
        throw failed('cannot read a temporary file', cause)
      }
      if (bytesRead === 0) throw failed('a temporary file ended early', undefined)
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  }

  /** Gives the space back. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close()
  }
}

function failed(what: string, cause: unknown): FairleadError {
  const reason = cause instanceof Error ? `: ${cause.message}` : ''
  return new FairleadError('STORAGE_FAILED', `Snapshot: ${what}${reason}`, { cause })
}
