/**
 * Snapshots as directories `<term>-<index>/` of three files: image, meta.json, manifest.json (format 1).
 *
 * Guarantees: a directory of that name is complete, because it is written under a temporary name, each
 * file synced, then renamed, then the parent synced. The manifest holds size and crc32 of every chunk, the
 * SHA-256 of the image, and the SHA-256 of meta.json; all are verified by `open`. Same state, same bytes.
 * Does not decide when to take one. Bounds: a chunk is at most 16 MiB; memory holds one chunk at a time.
 */

import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { FairleadError } from '../../core/errors.ts'
import { decodeConfiguration, encodeConfiguration } from '../../core/raft/configuration.ts'
import { chain, logIndex, type SnapshotMeta, term } from '../../core/raft/types.ts'
import { syncDirectory } from './level-store.ts'
import { type OpenedSnapshot, SNAPSHOTS_KEPT, type SnapshotStore } from './snapshot-store.ts'

const FORMAT_VERSION = 1
const CHUNK_BYTES_MAX = 16 * 1_048_576
const NAME = /^(\d+)-(\d+)$/
const TEMPORARY_PREFIX = '.writing-'

interface Manifest {
  readonly format: number
  readonly metaSha256: string
  readonly imageSha256: string
  readonly chunks: readonly (readonly [bytes: number, crc: number])[]
}

type Name = Pick<SnapshotMeta, 'index' | 'term'>

export class SnapshotFiles implements SnapshotStore {
  readonly #directory: string

  /** @param directory created, with its parents, by the first write */
  constructor(directory: string) {
    this.#directory = directory
  }

  async write(meta: SnapshotMeta, image: Iterable<Uint8Array>): Promise<void> {
    const name = directoryName(meta)
    const temporary = join(this.#directory, `${TEMPORARY_PREFIX}${name}`)
    const final = join(this.#directory, name)
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 })
      await rm(temporary, { recursive: true, force: true })
      await mkdir(temporary, { mode: 0o700 })
      const { chunks, sha256 } = await writeImage(join(temporary, 'image'), image)
      const metaText = encodeMeta(meta)
      await writeSynced(join(temporary, 'meta.json'), metaText)
      const manifest: Manifest = {
        format: FORMAT_VERSION,
        metaSha256: sha256Of(metaText),
        imageSha256: sha256,
        chunks,
      }
      await writeSynced(join(temporary, 'manifest.json'), Buffer.from(JSON.stringify(manifest)))
      await syncDirectory(temporary)
      await rm(final, { recursive: true, force: true })
      await rename(temporary, final)
      await syncDirectory(this.#directory)
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause)
      throw new FairleadError('STORAGE_FAILED', `Failed to write snapshot "${final}": ${text}`, {
        cause,
      })
    }
  }

  async list(): Promise<readonly Name[]> {
    const names: Name[] = []
    for (const name of await this.#names()) {
      const match = NAME.exec(name)
      if (match === null) continue
      names.push({ term: term(Number(match[1])), index: logIndex(Number(match[2])) })
    }
    return names.sort((x, y) => y.index - x.index || y.term - x.term)
  }

  async open(name: Name): Promise<OpenedSnapshot> {
    const directory = join(this.#directory, directoryName(name))
    const metaText = await readWhole(directory, 'meta.json')
    const manifest = parseManifest(directory, await readWhole(directory, 'manifest.json'))
    if (sha256Of(metaText) !== manifest.metaSha256) throw damaged(directory, 'meta.json')
    const meta = decodeMeta(directory, metaText)
    if (meta.index !== name.index || meta.term !== name.term) throw damaged(directory, 'meta.json')
    const digest = createHash('sha256')
    for (const chunk of readChunks(directory, manifest)) digest.update(chunk)
    if (digest.digest('hex') !== manifest.imageSha256) throw damaged(directory, 'image')
    return { meta, image: () => readChunks(directory, manifest) }
  }

  async prune(): Promise<void> {
    const kept = new Set((await this.list()).slice(0, SNAPSHOTS_KEPT).map(directoryName))
    for (const name of await this.#names()) {
      const isOurs = NAME.test(name) || name.startsWith(TEMPORARY_PREFIX)
      if (!isOurs || kept.has(name)) continue
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

async function writeImage(
  path: string,
  image: Iterable<Uint8Array>,
): Promise<{ chunks: [number, number][]; sha256: string }> {
  const chunks: [number, number][] = []
  const digest = createHash('sha256')
  const file = await open(path, 'wx', 0o600)
  try {
    for (const chunk of image) {
      if (chunk.length > CHUNK_BYTES_MAX) throw new Error(`chunk of ${chunk.length} bytes`)
      await file.writeFile(chunk)
      chunks.push([chunk.length, crc32(chunk)])
      digest.update(chunk)
    }
    await file.sync()
  } finally {
    await file.close()
  }
  return { chunks, sha256: digest.digest('hex') }
}

async function writeSynced(path: string, content: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Synchronous: used at start only, before anything is served. */
function* readChunks(directory: string, manifest: Manifest): Iterable<Uint8Array> {
  const descriptor = openImage(directory)
  try {
    for (const [bytes, crc] of manifest.chunks) {
      const chunk = Buffer.allocUnsafe(bytes)
      let filled = 0
      while (filled < bytes) {
        const read = readSync(descriptor, chunk, filled, bytes - filled, null)
        if (read === 0) throw damaged(directory, 'image')
        filled += read
      }
      if (crc32(chunk) !== crc) throw damaged(directory, 'image')
      yield chunk
    }
  } finally {
    closeSync(descriptor)
  }
}

function openImage(directory: string): number {
  try {
    return openSync(join(directory, 'image'), 'r')
  } catch (cause) {
    throw damaged(directory, 'image', cause)
  }
}

async function readWhole(directory: string, file: string): Promise<Buffer> {
  try {
    return await readFile(join(directory, file))
  } catch (cause) {
    if (!isMissing(cause)) throw damaged(directory, file, cause)
    throw new FairleadError('NOT_FOUND', `Snapshot "${directory}" has no "${file}"`, { cause })
  }
}

function encodeMeta(meta: SnapshotMeta): Uint8Array {
  const document = {
    index: meta.index,
    term: meta.term,
    chain: meta.chain,
    configurationIndex: meta.configurationIndex,
    configuration: new TextDecoder().decode(encodeConfiguration(meta.configuration)),
  }
  return Buffer.from(JSON.stringify(document))
}

function decodeMeta(directory: string, text: Buffer): SnapshotMeta {
  const document = parseObject(directory, 'meta.json', text)
  return {
    index: logIndex(Number(document['index'])),
    term: term(Number(document['term'])),
    chain: chain(Number(document['chain'])),
    configurationIndex: logIndex(Number(document['configurationIndex'])),
    configuration: decodeConfiguration(Buffer.from(String(document['configuration']))),
  }
}

function parseManifest(directory: string, text: Buffer): Manifest {
  const { format, metaSha256, imageSha256, chunks } = parseObject(directory, 'manifest.json', text)
  if (format !== FORMAT_VERSION) throw damaged(directory, 'manifest.json')
  if (typeof metaSha256 !== 'string' || typeof imageSha256 !== 'string' || !isChunkTable(chunks)) {
    throw damaged(directory, 'manifest.json')
  }
  return { format, metaSha256, imageSha256, chunks }
}

function isChunkTable(value: unknown): value is Manifest['chunks'] {
  return (
    Array.isArray(value) &&
    value.every((row: unknown) => {
      if (!Array.isArray(row) || row.length !== 2) return false
      const [bytes, crc]: unknown[] = row
      return (
        typeof bytes === 'number' &&
        Number.isInteger(bytes) &&
        bytes >= 0 &&
        bytes <= CHUNK_BYTES_MAX &&
        typeof crc === 'number'
      )
    })
  )
}

function parseObject(directory: string, file: string, text: Buffer): Record<string, unknown> {
  try {
    const document: unknown = JSON.parse(text.toString('utf8'))
    if (typeof document === 'object' && document !== null) {
      return document as Record<string, unknown>
    }
  } catch (cause) {
    throw damaged(directory, file, cause)
  }
  throw damaged(directory, file)
}

function sha256Of(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

function damaged(directory: string, file: string, cause?: unknown): FairleadError {
  return new FairleadError(
    'STORAGE_CORRUPT',
    `Snapshot "${directory}" is damaged: "${file}" cannot be read or fails its checksum`,
    { cause, facts: { directory, file } },
  )
}

function isMissing(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
}
