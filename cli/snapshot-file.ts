/**
 * Snapshot files on disk, read for people: proven first, then line by line (runtime/archive/).
 *
 * Holds one line at a time. A state has one record a line (core/catalog/image-format.ts).
 */

import { createReadStream } from 'node:fs'
import { IMAGE_LINE_SIZE_MAX } from '../core/catalog/image-format.ts'
import { FairleadError } from '../core/errors.ts'
import { type ArchiveMeta, readArchive } from '../runtime/archive/snapshot-archive.ts'

const NEWLINE = 10

/** @throws FairleadError REJECTED when the file is no whole snapshot, NOT_FOUND when there is none */
export async function proveSnapshot(path: string): Promise<ArchiveMeta> {
  return readSnapshot(path, () => {})
}

/** @param onRecord gets each record as JSON text `["kind",…]`, and its size with the line's end */
export async function readSnapshot(
  path: string,
  onRecord: (json: string, sizeBytes: number) => void,
): Promise<ArchiveMeta> {
  let parts: Uint8Array[] = []
  let size = 0
  let isFirst = true
  return readArchive(opened(path), (bytes) => {
    for (let from = 0; from < bytes.length; ) {
      const newline = bytes.indexOf(NEWLINE, from)
      const to = newline < 0 ? bytes.length : newline
      parts.push(bytes.slice(from, to))
      size += to - from
      if (size > IMAGE_LINE_SIZE_MAX) throw new FairleadError('REJECTED', 'a record is too long')
      from = to + 1
      if (newline < 0) return
      // The first line names format and version.
      if (!isFirst) onRecord(Buffer.concat(parts).toString(), size + 1)
      isFirst = false
      parts = []
      size = 0
    }
  })
}

async function* opened(path: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of createReadStream(path)) yield chunk as Uint8Array
  } catch (cause) {
    throw new FairleadError(
      'NOT_FOUND',
      `Error opening snapshot file: ${(cause as Error).message}`,
      {
        cause,
      },
    )
  }
}
