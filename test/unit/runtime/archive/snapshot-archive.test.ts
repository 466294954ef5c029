/**
 * Snapshot archives: written, read, damaged (runtime/archive/).
 */

import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import {
  type ArchiveMeta,
  readArchive,
  writeArchive,
} from '../../../../runtime/archive/snapshot-archive.ts'
import { SpoolFile } from '../../../../runtime/archive/spool-file.ts'

const META: ArchiveMeta = {
  Version: 1,
  ID: '2-8419-1700000000000',
  Index: 8419,
  Term: 2,
  Peers: null,
  Configuration: { Servers: [{ Suffrage: 0, ID: 'a', Address: '10.0.0.1:8300' }] },
  ConfigurationIndex: 1,
  Size: 6,
}

const STATE = Buffer.from('state\n')

async function* piecesOf(bytes: Uint8Array, size = 100): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function archiveOf(state: Buffer, meta: ArchiveMeta = META): Promise<Buffer> {
  const parts: Uint8Array[] = []
  const source = { sizeBytes: state.length, read: () => piecesOf(state, 60_000) }
  for await (const part of writeArchive(meta, source, 1_700_000_000_000)) parts.push(part)
  return Buffer.concat(parts)
}

async function opened(archive: Uint8Array): Promise<{ meta: ArchiveMeta; state: Buffer }> {
  const parts: Uint8Array[] = []
  const meta = await readArchive(piecesOf(archive), (bytes) => {
    parts.push(Uint8Array.from(bytes))
  })
  return { meta, state: Buffer.concat(parts) }
}

describe('a snapshot archive', () => {
  it('gives back what was written, large ones too', async () => {
    for (const state of [STATE, Buffer.alloc(0), Buffer.alloc(3_000_001, 'abc')]) {
      assert.deepEqual(await opened(await archiveOf(state)), { meta: META, state })
    }
  })

  it('is refused when anything of it is missing, damaged or of another kind', async () => {
    const archive = await archiveOf(STATE)
    const tar = gunzipSync(archive)
    const edited = (from: string, to: string): Buffer => {
      const copy = Buffer.from(tar)
      copy.write(to, copy.indexOf(from))
      return gzipSync(copy)
    }
    const read = 'failed to read snapshot file: '
    const doubt = 'failed checking integrity of snapshot: '
    const cases: readonly (readonly [Buffer, string])[] = [
      [Buffer.from('no archive'), `${read}failed to decompress snapshot: incorrect header check`],
      [Buffer.alloc(0), `${read}failed to decompress snapshot: unexpected end of file`],
      [
        archive.subarray(0, archive.length - 20),
        `${read}failed to decompress snapshot: unexpected end of file`,
      ],
      [gzipSync(Buffer.from('no tar')), `${read}not a tar archive of files: it is cut`],
      [gzipSync(tar.subarray(0, 1024)), `${read}"state.bin" is missing`],
      [edited('state\n', 'other\n'), `${doubt}hash check failed for "state.bin"`],
      [edited('8419', '8418'), `${doubt}hash check failed for "meta.json"`],
      [edited('  state.bin', '  other.bin'), `${doubt}list missing hash for "state.bin"`],
      [edited('  state.bin', ' ? tate.bin'), `${doubt}SHA256SUMS has a line that is no digest`],
    ]
    for (const [bad, message] of cases) {
      await assert.rejects(opened(bad), { code: 'REJECTED', message })
    }
  })

  it('passes on what its source throws', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield Buffer.from([0x1f, 0x8b])
      throw new Error('gone')
    }
    await assert.rejects(
      readArchive(failing(), () => undefined),
      { message: 'failed to read snapshot file: gone' },
    )
    const broken = { sizeBytes: 10, read: failing }
    await assert.rejects(
      async () => {
        for await (const part of writeArchive(META, broken, 0)) assert.ok(part.length > 0)
      },
      { message: 'gone' },
    )
  })
})

describe('a spool file', () => {
  it('gives back its bytes and leaves no name', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'spool-'))
    try {
      await using spool = await SpoolFile.create(folder, 'x')
      assert.deepEqual(await readdir(folder), [])
      const bytes = Buffer.alloc(700_000, 'abcdefg')
      for await (const piece of piecesOf(bytes, 99_999)) await spool.write(piece)
      assert.equal(spool.sizeBytes, bytes.length)
      for (let round = 0; round < 2; round++) {
        const parts: Uint8Array[] = []
        for await (const part of spool.read()) parts.push(part)
        assert.deepEqual(Buffer.concat(parts), bytes)
      }
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('says where it cannot be', async () => {
    await assert.rejects(SpoolFile.create(join(tmpdir(), 'no', 'such', 'folder'), 'x'), {
      code: 'STORAGE_FAILED',
    })
  })
})
