/**
 * The two small files of a snapshot, `meta.json` and `manifest.json` (format 1), as bytes and back.
 *
 * The manifest proves the meta file and the image; the meta file says what the image is of. Decoders
 * return null for anything that is not exactly such a file, and never throw. Bounds: METADATA_BYTES_MAX.
 */

import { createHash } from 'node:crypto'
import { AssertionError } from '../../core/assert.ts'
import { decodeConfiguration, encodeConfiguration } from '../../core/raft/configuration.ts'
import { chain, logIndex, type SnapshotMeta, term } from '../../core/raft/types.ts'
import { BLOCK_BYTES_MAX, type BlockTable } from './image-blocks.ts'

export interface Manifest {
  readonly metaSha256: string
  readonly imageSha256: string
  readonly blocks: BlockTable
}

const FORMAT_VERSION = 1
/** Files longer than this are not read at all; enough for the manifest of an image of 500 GiB. */
export const METADATA_BYTES_MAX = 16 * 1_048_576
const SHA256_HEX = /^[0-9a-f]{64}$/

export function encodeMeta(meta: SnapshotMeta): Uint8Array {
  const document = {
    index: meta.index,
    term: meta.term,
    chain: meta.chain,
    configurationIndex: meta.configurationIndex,
    configuration: new TextDecoder().decode(encodeConfiguration(meta.configuration)),
  }
  return Buffer.from(JSON.stringify(document))
}

export function decodeMeta(text: Uint8Array): SnapshotMeta | null {
  const document = parseObject(text)
  if (document === null) return null
  const { index, term: ofTerm, chain: sum, configurationIndex, configuration } = document
  if (!isCount(index) || !isCount(ofTerm) || !isCount(sum) || !isCount(configurationIndex)) {
    return null
  }
  if (typeof configuration !== 'string') return null
  try {
    return {
      index: logIndex(index),
      term: term(ofTerm),
      chain: chain(sum),
      configurationIndex: logIndex(configurationIndex),
      configuration: decodeConfiguration(Buffer.from(configuration)),
    }
  } catch (cause) {
    if (cause instanceof AssertionError || cause instanceof SyntaxError) return null
    throw cause
  }
}

export function encodeManifest(manifest: Manifest): Uint8Array {
  const { metaSha256, imageSha256, blocks } = manifest
  const document = { format: FORMAT_VERSION, metaSha256, imageSha256, chunks: blocks }
  return Buffer.from(JSON.stringify(document))
}

export function decodeManifest(text: Uint8Array): Manifest | null {
  const document = parseObject(text)
  if (document === null || document['format'] !== FORMAT_VERSION) return null
  const { metaSha256, imageSha256, chunks } = document
  if (!isDigest(metaSha256) || !isDigest(imageSha256) || !isBlockTable(chunks)) return null
  return { metaSha256, imageSha256, blocks: chunks }
}

/** SHA-256 as 64 hex digits. */
export function isDigest(value: unknown): value is string {
  return typeof value === 'string' && SHA256_HEX.test(value)
}

export function sha256Of(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

/** A JSON object, or null for any other bytes. */
export function parseObject(text: Uint8Array): Record<string, unknown> | null {
  if (text.length > METADATA_BYTES_MAX) return null
  try {
    const document: unknown = JSON.parse(new TextDecoder().decode(text))
    return typeof document === 'object' && document !== null
      ? (document as Record<string, unknown>)
      : null
  } catch (cause) {
    if (cause instanceof SyntaxError) return null
    throw cause
  }
}

export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isBlockTable(value: unknown): value is BlockTable {
  return (
    Array.isArray(value) &&
    value.every((row: unknown) => {
      if (!Array.isArray(row) || row.length !== 2) return false
      const [bytes, crc]: unknown[] = row
      return isCount(bytes) && bytes <= BLOCK_BYTES_MAX && isCount(crc)
    })
  )
}
