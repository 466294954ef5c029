/**
 * Snapshot files as operators keep them: gzip over tar with meta.json, state.bin, SHA256SUMS (http-api.md 21).
 *
 * Both ways as streams, in bounded memory. Guarantees: an archive that `readArchive` accepted has exactly
 * the three files and both digests are right; what it gave to the sink before may be anything until then,
 * so callers hold it back. Bounds: STATE_SIZE_MAX bytes of state, META_SIZE_MAX and SUMS_SIZE_MAX of the others.
 */

import { createHash, type Hash } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { TAR_END, type TarFile, TarReader, tarHeader, tarPadding } from '../../core/archive/tar.ts'
import { FairleadError, toFairleadError } from '../../core/errors.ts'

export const STATE_SIZE_MAX = 1024 * 1024 * 1024
export const META_SIZE_MAX = 1024 * 1024
export const SUMS_SIZE_MAX = 64 * 1024

/** meta.json: the spelling is the reference's. */
export interface ArchiveMeta {
  readonly Version: number
  readonly ID: string
  readonly Index: number
  readonly Term: number
  /** Of no use today; kept for readers that expect the field. */
  readonly Peers: string | null
  readonly Configuration: {
    readonly Servers: readonly {
      /** 0 for a voter, 1 for a non-voter. */
      readonly Suffrage: number
      readonly ID: string
      readonly Address: string
    }[]
  }
  readonly ConfigurationIndex: number
  readonly Size: number
}

export interface ArchiveState {
  readonly sizeBytes: number
  /** From the beginning at each call. */
  read(): AsyncIterable<Uint8Array>
}

/** The archive's bytes. @param modifiedAt epoch ms */
export async function* writeArchive(
  meta: ArchiveMeta,
  state: ArchiveState,
  modifiedAt: number,
): AsyncGenerator<Uint8Array> {
  const gzip = createGzip({ level: 1 })
  const packing = pipeline(Readable.from(tarOf(meta, state, modifiedAt)), gzip)
  // Told through the iteration of `gzip`.
  packing.catch(() => undefined)
  for await (const chunk of gzip) yield chunk as Uint8Array
  await packing
}

async function* tarOf(
  meta: ArchiveMeta,
  state: ArchiveState,
  modifiedAt: number,
): AsyncGenerator<Uint8Array> {
  const metaBytes = Buffer.from(JSON.stringify(meta))
  yield* memberOf('meta.json', metaBytes, modifiedAt)
  yield tarHeader({ name: 'state.bin', sizeBytes: state.sizeBytes }, modifiedAt)
  const digest = createHash('sha256')
  for await (const chunk of state.read()) {
    digest.update(chunk)
    yield chunk
  }
  yield tarPadding(state.sizeBytes)
  const metaDigest = createHash('sha256').update(metaBytes).digest('hex')
  const sums = `${metaDigest}  meta.json\n${digest.digest('hex')}  state.bin\n`
  yield* memberOf('SHA256SUMS', Buffer.from(sums), modifiedAt)
  yield TAR_END
}

function* memberOf(name: string, bytes: Buffer, modifiedAt: number): Generator<Uint8Array> {
  yield tarHeader({ name, sizeBytes: bytes.length }, modifiedAt)
  yield bytes
  yield tarPadding(bytes.length)
}

/**
 * Reads an archive to its end and proves it.
 *
 * @param onState gets the bytes of state.bin in order, before they are proven
 * @throws FairleadError REJECTED: `failed to read snapshot file: …`, `failed checking integrity of snapshot: …`
 */
export async function readArchive(
  source: AsyncIterable<Uint8Array>,
  onState: (bytes: Uint8Array) => void | Promise<void>,
): Promise<ArchiveMeta> {
  const members = new Members(onState)
  const tar = new TarReader()
  try {
    await pipeline(
      Readable.from(source),
      createGunzip(),
      async (unpacked: AsyncIterable<Buffer>) => {
        for await (const chunk of unpacked) {
          for (const part of tar.push(chunk)) {
            if (part.kind === 'file') members.begin(part.file)
            else if (part.kind === 'data') await members.take(part.bytes)
            else members.finish()
          }
        }
        tar.end()
      },
    )
  } catch (thrown) {
    throw unreadable(reasonOf(thrown), thrown)
  }
  return members.proven()
}

type MemberName = 'meta.json' | 'state.bin' | 'SHA256SUMS'

const SIZES_MAX: Readonly<Record<MemberName, number>> = {
  'meta.json': META_SIZE_MAX,
  'state.bin': STATE_SIZE_MAX,
  SHA256SUMS: SUMS_SIZE_MAX,
}

/** The files of one archive as they come. */
class Members {
  readonly #onState: (bytes: Uint8Array) => void | Promise<void>
  readonly #digests = new Map<MemberName, string>()
  readonly #texts = new Map<MemberName, Uint8Array[]>()
  #present: MemberName | undefined
  #hash: Hash = createHash('sha256')

  constructor(onState: (bytes: Uint8Array) => void | Promise<void>) {
    this.#onState = onState
  }

  begin({ name, sizeBytes }: TarFile): void {
    if (!isMember(name)) throw unreadable(`unexpected file "${name.slice(0, 64)}" in snapshot`)
    if (this.#digests.has(name)) throw unreadable(`"${name}" is there twice`)
    if (sizeBytes > SIZES_MAX[name]) {
      throw unreadable(`"${name}" has ${sizeBytes} bytes, at most ${SIZES_MAX[name]} are allowed`)
    }
    this.#present = name
    this.#hash = createHash('sha256')
    this.#texts.set(name, [])
  }

  async take(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes)
    if (this.#present === 'state.bin') await this.#onState(bytes)
    else if (this.#present !== undefined) this.#texts.get(this.#present)?.push(bytes.slice())
  }

  finish(): void {
    if (this.#present !== undefined) this.#digests.set(this.#present, this.#hash.digest('hex'))
    this.#present = undefined
  }

  proven(): ArchiveMeta {
    for (const name of ['meta.json', 'state.bin', 'SHA256SUMS'] as const) {
      if (!this.#digests.has(name)) throw unreadable(`"${name}" is missing`)
    }
    const wanted = sumsIn(this.#textOf('SHA256SUMS'))
    for (const name of ['meta.json', 'state.bin'] as const) {
      const digest = wanted.get(name)
      if (digest === undefined) throw doubtful(`list missing hash for "${name}"`)
      if (digest !== this.#digests.get(name)) throw doubtful(`hash check failed for "${name}"`)
    }
    return metaIn(this.#textOf('meta.json'))
  }

  #textOf(name: MemberName): string {
    return Buffer.concat(this.#texts.get(name) ?? []).toString()
  }
}

function isMember(name: string): name is MemberName {
  return Object.hasOwn(SIZES_MAX, name)
}

function sumsIn(text: string): ReadonlyMap<string, string> {
  const sums = new Map<string, string>()
  for (const line of text.split('\n')) {
    if (line === '') continue
    const found = /^([0-9a-f]{64}) [ *](\S+)$/.exec(line)
    if (found === null) throw doubtful('SHA256SUMS has a line that is no digest')
    sums.set(found[2] as string, found[1] as string)
  }
  return sums
}

function metaIn(text: string): ArchiveMeta {
  let meta: unknown
  try {
    meta = JSON.parse(text)
  } catch (cause) {
    throw unreadable('meta.json is not JSON', cause)
  }
  const { ID, Index, Term } = (meta ?? {}) as Partial<ArchiveMeta>
  const isMeta = typeof ID === 'string' && Number.isSafeInteger(Index) && Number.isSafeInteger(Term)
  if (!isMeta) throw unreadable('meta.json does not describe a snapshot')
  return meta as ArchiveMeta
}

function reasonOf(thrown: unknown): string {
  const { code, message } = thrown as NodeJS.ErrnoException
  if (code?.startsWith('Z_')) return `failed to decompress snapshot: ${message}`
  return toFairleadError(thrown).message.replace(READ_PREFIX, '')
}

const READ_PREFIX = 'failed to read snapshot file: '

function unreadable(reason: string, cause?: unknown): FairleadError {
  return new FairleadError('REJECTED', READ_PREFIX + reason, { cause })
}

function doubtful(reason: string): FairleadError {
  return new FairleadError('REJECTED', `failed checking integrity of snapshot: ${reason}`)
}
