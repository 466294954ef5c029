/**
 * One image on its way to disk, which survives broken streams and restarts of the process.
 *
 * Lives in a directory of its own: `facts.json` says which image it is, `image` holds the bytes so far.
 * Guarantees: what `finish` leaves is whole, proven against size and digest, and durable under its final
 * name; an image of other facts is never continued. What a power cut did to the bytes is found by the
 * digest at the end. Bounds: never more bytes than were announced.
 */

import { type FileHandle, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { FairleadError } from '../../core/errors.ts'
import type { SnapshotMeta } from '../../core/raft/types.ts'
import { makeDurableDirectory, syncDirectory } from '../host/sync-directory.ts'
import { BLOCK_BYTES, BlockSums, writeAll } from './image-blocks.ts'
import { damaged, failed, isMissing, receptionEnded } from './snapshot-errors.ts'
import { encodeManifest, encodeMeta, METADATA_BYTES_MAX, sha256Of } from './snapshot-manifest.ts'
import type { SnapshotReception } from './snapshot-store.ts'

export interface ReceivedImage {
  readonly sizeBytes: number
  /** SHA-256, hex. */
  readonly digest: string
}

export interface ReceptionPlaces {
  /** Of the unfinished image. */
  readonly partial: string
  /** Of the finished one, in the same parent directory. */
  readonly final: string
}

export class FileReception implements SnapshotReception {
  readonly #places: ReceptionPlaces
  readonly #metaText: Uint8Array
  readonly #image: ReceivedImage
  readonly #sums: BlockSums
  /** Null once nothing more is taken. */
  #file: FileHandle | null

  private constructor(
    places: ReceptionPlaces,
    facts: { readonly metaText: Uint8Array; readonly image: ReceivedImage },
    begun: { readonly file: FileHandle; readonly sums: BlockSums },
  ) {
    this.#places = places
    this.#metaText = facts.metaText
    this.#image = facts.image
    this.#file = begun.file
    this.#sums = begun.sums
  }

  /** Continues what `places.partial` holds of exactly this image, else starts with nothing. */
  static async begin(
    places: ReceptionPlaces,
    meta: SnapshotMeta,
    image: ReceivedImage,
  ): Promise<FileReception> {
    const metaText = encodeMeta(meta)
    const facts = encodeFacts(metaText, image)
    try {
      const begun = (await resume(places.partial, facts, image)) ?? (await fresh(places, facts))
      return new FileReception(places, { metaText, image }, begun)
    } catch (cause) {
      throw failed('receive', places.final, cause)
    }
  }

  get received(): number {
    return this.#sums.sizeBytes
  }

  async write(bytes: Uint8Array): Promise<void> {
    const file = this.#open()
    const position = this.#sums.sizeBytes
    if (position + bytes.length > this.#image.sizeBytes) {
      throw await this.#discarded(`more than the announced ${this.#image.sizeBytes} bytes came`)
    }
    this.#sums.add(bytes)
    try {
      await writeAll(file, bytes, position)
    } catch (cause) {
      await this.#discard()
      throw failed('receive', this.#places.final, cause)
    }
  }

  async finish(): Promise<void> {
    const file = this.#open()
    const { partial, final } = this.#places
    const { sizeBytes } = this.#sums
    const { blocks, digest } = this.#sums.finish()
    if (sizeBytes !== this.#image.sizeBytes) {
      throw await this.#discarded(`it ends after ${sizeBytes} of ${this.#image.sizeBytes} bytes`)
    }
    if (digest !== this.#image.digest) throw await this.#discarded('its digest is another one')
    this.#file = null
    try {
      await file.sync()
      await file.close()
      await writeSynced(join(partial, 'meta.json'), this.#metaText)
      const manifest = { metaSha256: sha256Of(this.#metaText), imageSha256: digest, blocks }
      await writeSynced(join(partial, 'manifest.json'), encodeManifest(manifest))
      await rm(join(partial, 'facts.json'))
      await syncDirectory(partial)
      await rm(final, { recursive: true, force: true })
      await rename(partial, final)
      await syncDirectory(dirname(final))
    } catch (cause) {
      throw failed('receive', final, cause)
    }
  }

  async pause(): Promise<void> {
    const file = this.#file
    if (file === null) return
    this.#file = null
    try {
      await file.datasync()
      await file.close()
    } catch (cause) {
      throw failed('receive', this.#places.final, cause)
    }
  }

  #open(): FileHandle {
    if (this.#file === null) throw receptionEnded(this.#places.final)
    return this.#file
  }

  async #discarded(what: string): Promise<FairleadError> {
    await this.#discard()
    return new FairleadError(
      'STORAGE_CORRUPT',
      `Received snapshot "${this.#places.final}" is not the one that was announced: ${what}; discarded`,
    )
  }

  async #discard(): Promise<void> {
    const file = this.#file
    this.#file = null
    await file?.close()
    await rm(this.#places.partial, { recursive: true, force: true })
  }
}

/** A new private file with this content, durable but for its name. */
export async function writeSynced(path: string, content: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** A small file, whole. @throws what `damaged` says when it is longer than any that we write */
export async function readSmall(directory: string, file: string): Promise<Buffer> {
  const path = join(directory, file)
  const { size } = await stat(path)
  if (size > METADATA_BYTES_MAX) throw damaged(directory, file)
  return await readFile(path)
}

function encodeFacts(metaText: Uint8Array, image: ReceivedImage): Uint8Array {
  const { sizeBytes, digest } = image
  return Buffer.from(JSON.stringify({ metaSha256: sha256Of(metaText), sizeBytes, digest }))
}

async function fresh(
  places: ReceptionPlaces,
  facts: Uint8Array,
): Promise<{ file: FileHandle; sums: BlockSums }> {
  const { partial } = places
  await rm(partial, { recursive: true, force: true })
  await makeDurableDirectory(partial)
  // First the facts: bytes without them are never continued.
  await writeSynced(join(partial, 'facts.json'), facts)
  await syncDirectory(partial)
  return { file: await open(join(partial, 'image'), 'wx', 0o600), sums: new BlockSums() }
}

/** @returns null when there is nothing to continue */
async function resume(
  partial: string,
  facts: Uint8Array,
  image: ReceivedImage,
): Promise<{ file: FileHandle; sums: BlockSums } | null> {
  let file: FileHandle
  try {
    if (Buffer.compare(await readSmall(partial, 'facts.json'), facts) !== 0) return null
    file = await open(join(partial, 'image'), 'r+')
  } catch (cause) {
    if (isMissing(cause) || cause instanceof FairleadError) return null
    throw cause
  }
  const sums = new BlockSums()
  try {
    if ((await file.stat()).size <= image.sizeBytes && (await readInto(sums, file))) {
      return { file, sums }
    }
  } catch (cause) {
    await file.close()
    throw cause
  }
  await file.close()
  return null
}

/** @returns false when a part of the file cannot be read any more */
async function readInto(sums: BlockSums, file: FileHandle): Promise<boolean> {
  const piece = Buffer.allocUnsafe(BLOCK_BYTES)
  for (;;) {
    let bytesRead: number
    try {
      const read = await file.read(piece, 0, piece.length, sums.sizeBytes)
      bytesRead = read.bytesRead
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && cause.code === 'EIO') return false
      throw cause
    }
    if (bytesRead === 0) return true
    sums.add(piece.subarray(0, bytesRead))
  }
}
