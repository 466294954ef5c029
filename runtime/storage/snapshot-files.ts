/**
 * Snapshots as directories of checksummed files (Raft specification 9.2, 9.3); format 1.
 *
 *   <term>-<index>/{meta.json, image, manifest.json}
 *   .receiving-<term>-<index>/   an image on its way (snapshot-reception.ts)
 *
 * Guarantees: a listed snapshot is complete, because it is written under a temporary name, each file
 * synced, then renamed, then the parent synced. The manifest holds size and crc32 of every block, the
 * SHA-256 of the image, and the SHA-256 of meta.json; all are verified by `open`. Same state, same bytes.
 * Does not decide when to take one. Never holds the event loop longer than one chunk of the writer or one
 * block of the reader takes to be checksummed. Bounds: memory holds one chunk and one block at a time.
 */

import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { FairleadError } from '../../core/errors.ts'
import { logIndex, type SnapshotMeta, term } from '../../core/raft/types.ts'
import { makeDurableDirectory, syncDirectory } from '../host/sync-directory.ts'
import { BlockSums, type BlockTable, readBlocks, writeAll } from './image-blocks.ts'
import { damaged, failed, isMissing, readFailure } from './snapshot-errors.ts'
import {
  decodeManifest,
  decodeMeta,
  encodeManifest,
  encodeMeta,
  type Manifest,
  sha256Of,
} from './snapshot-manifest.ts'
import { FileReception, type ReceivedImage, readSmall, writeSynced } from './snapshot-reception.ts'
import {
  type OpenedSnapshot,
  SNAPSHOTS_KEPT,
  type SnapshotReception,
  type SnapshotStore,
} from './snapshot-store.ts'

const NAME = /^(\d{1,15})-(\d{1,15})$/
const WRITING_PREFIX = '.writing-'
const RECEIVING_PREFIX = '.receiving-'

type Name = Pick<SnapshotMeta, 'index' | 'term'>

export class SnapshotFiles implements SnapshotStore {
  readonly #directory: string
  readonly #writing = new Set<string>()
  /** Of images that came, or are coming, in this process; those that the log has passed are forgotten. */
  #received: readonly string[] = []
  #reception: Promise<FileReception | null> = Promise.resolve(null)

  /** @param directory created, with its parents, by the first write */
  constructor(directory: string) {
    this.#directory = directory
  }

  async write(meta: SnapshotMeta, image: Iterable<Uint8Array>): Promise<void> {
    const name = directoryName(meta)
    const temporary = join(this.#directory, `${WRITING_PREFIX}${name}`)
    const final = join(this.#directory, name)
    this.#writing.add(`${WRITING_PREFIX}${name}`)
    try {
      await makeDurableDirectory(this.#directory)
      await rm(temporary, { recursive: true, force: true })
      await mkdir(temporary, { mode: 0o700 })
      const { blocks, digest } = await writeImage(join(temporary, 'image'), image)
      const metaText = encodeMeta(meta)
      await writeSynced(join(temporary, 'meta.json'), metaText)
      const manifest: Manifest = { metaSha256: sha256Of(metaText), imageSha256: digest, blocks }
      await writeSynced(join(temporary, 'manifest.json'), encodeManifest(manifest))
      await syncDirectory(temporary)
      await rm(final, { recursive: true, force: true })
      await rename(temporary, final)
      await syncDirectory(this.#directory)
    } catch (cause) {
      throw failed('write', final, cause)
    } finally {
      this.#writing.delete(`${WRITING_PREFIX}${name}`)
    }
  }

  receive(meta: SnapshotMeta, image: ReceivedImage): Promise<SnapshotReception> {
    const begun = this.#reception.then(async (former) => {
      await former?.pause()
      const name = directoryName(meta)
      await this.#removeReceptions(`${RECEIVING_PREFIX}${name}`)
      const partial = join(this.#directory, `${RECEIVING_PREFIX}${name}`)
      const final = join(this.#directory, name)
      this.#received = [...this.#received, name]
      return await FileReception.begin({ partial, final }, meta, image)
    })
    this.#reception = begun.catch(() => null)
    return begun
  }

  async list(): Promise<readonly Name[]> {
    const names: Name[] = []
    for (const name of await this.#names()) {
      const parsed = parseName(name)
      if (parsed !== null) names.push(parsed)
    }
    return names.sort((x, y) => y.index - x.index || y.term - x.term)
  }

  async open(name: Name, pace?: (bytes: number) => Promise<void>): Promise<OpenedSnapshot> {
    const directory = join(this.#directory, directoryName(name))
    const metaText = await readFileOf(directory, 'meta.json')
    const manifest = decodeManifest(await readFileOf(directory, 'manifest.json'))
    if (manifest === null) throw damaged(directory, 'manifest.json')
    const meta = sha256Of(metaText) === manifest.metaSha256 ? decodeMeta(metaText) : null
    if (meta === null || meta.index !== name.index || meta.term !== name.term) {
      throw damaged(directory, 'meta.json')
    }
    const sums = new BlockSums()
    for await (const piece of readImage(directory, manifest.blocks, 0)) {
      sums.add(piece)
      await pace?.(piece.length)
    }
    const { sizeBytes } = sums
    if (sums.finish().digest !== manifest.imageSha256) throw damaged(directory, 'image')
    return {
      meta,
      sizeBytes,
      digest: manifest.imageSha256,
      image: (offset = 0) => readImage(directory, manifest.blocks, offset),
    }
  }

  async prune(pointer: Name): Promise<void> {
    const isNewer = (name: string): boolean => (parseName(name)?.index ?? 0) > pointer.index
    this.#received = this.#received.filter(isNewer)
    const others = (await this.list()).filter(({ index }) => index < pointer.index)
    const kept = new Set([pointer, ...others.slice(0, SNAPSHOTS_KEPT - 1)].map(directoryName))
    for (const name of this.#received) kept.add(name)
    for (const name of await this.#names()) {
      const isOld = NAME.test(name) && !kept.has(name)
      const isLeftOver = name.startsWith(WRITING_PREFIX) && !this.#writing.has(name)
      if (!isOld && !isLeftOver && !isOvertaken(name, pointer.index)) continue
      await rm(join(this.#directory, name), { recursive: true, force: true })
    }
  }

  /** Of the largest image; 0 when there is none. */
  async largestBytes(): Promise<number> {
    let largest = 0
    for (const name of await this.list()) {
      const path = join(this.#directory, directoryName(name), 'image')
      // One that was pruned meanwhile takes no space.
      const size = await stat(path).then(
        (found) => found.size,
        () => 0,
      )
      largest = Math.max(largest, size)
    }
    return largest
  }

  async close(): Promise<void> {
    await (await this.#reception)?.pause()
  }

  async #removeReceptions(except: string): Promise<void> {
    for (const name of await this.#names()) {
      if (!name.startsWith(RECEIVING_PREFIX) || name === except) continue
      await rm(join(this.#directory, name), { recursive: true, force: true })
    }
  }

  async #names(): Promise<readonly string[]> {
    try {
      return await readdir(this.#directory)
    } catch (cause) {
      if (isMissing(cause)) return []
      throw new FairleadError('STORAGE_FAILED', `Failed to list "${this.#directory}"`, { cause })
    }
  }
}

function directoryName(name: Name): string {
  return `${name.term}-${name.index}`
}

function parseName(name: string): Name | null {
  const match = NAME.exec(name)
  if (match === null) return null
  return { term: term(Number(match[1])), index: logIndex(Number(match[2])) }
}

/** A paused reception of an image that is of no use any more. */
function isOvertaken(name: string, pointerIndex: number): boolean {
  if (!name.startsWith(RECEIVING_PREFIX)) return false
  const parsed = parseName(name.slice(RECEIVING_PREFIX.length))
  return parsed === null || parsed.index <= pointerIndex
}

async function writeImage(
  path: string,
  image: Iterable<Uint8Array>,
): Promise<{ readonly blocks: BlockTable; readonly digest: string }> {
  const sums = new BlockSums()
  const file = await open(path, 'wx', 0o600)
  try {
    for (const chunk of image) {
      const position = sums.sizeBytes
      sums.add(chunk)
      await writeAll(file, chunk, position)
    }
    await file.sync()
  } finally {
    await file.close()
  }
  return sums.finish()
}

async function* readImage(
  directory: string,
  blocks: BlockTable,
  offset: number,
): AsyncIterable<Uint8Array> {
  const path = join(directory, 'image')
  try {
    yield* readBlocks(path, blocks, offset, () => damaged(directory, 'image'))
  } catch (cause) {
    throw readFailure(directory, 'image', cause)
  }
}

async function readFileOf(directory: string, file: string): Promise<Buffer> {
  try {
    return await readSmall(directory, file)
  } catch (cause) {
    if (!isMissing(cause)) throw readFailure(directory, file, cause)
    throw new FairleadError('NOT_FOUND', `Snapshot "${directory}" has no "${file}"`, { cause })
  }
}
