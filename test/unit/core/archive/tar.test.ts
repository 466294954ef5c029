/**
 * Tar blocks and the reader of them (core/archive/tar.ts): reversal, damage, and the system's tar as witness.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { TAR_END, TarReader, tarHeader, tarPadding } from '../../../../core/archive/tar.ts'
import { FairleadError } from '../../../../core/errors.ts'

interface Content {
  readonly name: string
  readonly bytes: Uint8Array
}

function archiveOf(files: readonly Content[]): Buffer {
  const parts = files.flatMap(({ name, bytes }) => [
    tarHeader({ name, sizeBytes: bytes.length }, 1_700_000_000_000),
    bytes,
    tarPadding(bytes.length),
  ])
  return Buffer.concat([...parts, TAR_END])
}

function filesIn(archive: Uint8Array, pieceSize: number): Content[] {
  const reader = new TarReader()
  const files: { name: string; parts: Uint8Array[]; isWhole: boolean }[] = []
  for (let at = 0; at < archive.length; at += pieceSize) {
    for (const part of reader.push(archive.subarray(at, at + pieceSize))) {
      if (part.kind === 'file') files.push({ name: part.file.name, parts: [], isWhole: false })
      const last = files.at(-1)
      if (part.kind === 'data') last?.parts.push(part.bytes.slice())
      if (part.kind === 'file-end' && last !== undefined) last.isWhole = true
    }
  }
  reader.end()
  assert.ok(files.every(({ isWhole }) => isWhole))
  return files.map(({ name, parts }) => ({ name, bytes: Uint8Array.from(Buffer.concat(parts)) }))
}

const content = fc
  .tuple(fc.stringMatching(/^[a-zA-Z0-9._-]{1,60}$/), fc.uint8Array({ maxLength: 1500 }))
  .map(([name, bytes]) => ({ name, bytes }))

describe('tar', () => {
  it('gives back the files, whatever the cut of the pieces', () => {
    fc.assert(
      fc.property(
        fc.array(content, { maxLength: 4 }),
        fc.integer({ min: 1, max: 2000 }),
        (files, size) => {
          assert.deepEqual(filesIn(archiveOf(files), size), files)
        },
      ),
    )
  })

  it('is what the system calls a tar archive', () => {
    const archive = archiveOf([
      { name: 'meta.json', bytes: Buffer.from('{}') },
      { name: 'state.bin', bytes: new Uint8Array(1024) },
    ])
    const listed = spawnSync('tar', ['-tvf', '-'], { input: archive, encoding: 'utf8' })
    assert.equal(listed.status, 0, listed.stderr)
    assert.match(
      listed.stdout,
      /-rw------- \S+ +2 .* meta\.json\n-rw------- \S+ +1024 .* state\.bin\n/,
    )
  })

  it('refuses what is cut, foreign or no file', () => {
    const archive = archiveOf([{ name: 'a', bytes: new Uint8Array(700) }])
    for (const size of [100, 600, 1100, 1500]) {
      assert.throws(() => filesIn(archive.subarray(0, size), 512), { code: 'BAD_REQUEST' })
    }
    const link = Buffer.from(archive)
    link[156] = 0x32
    assert.throws(() => filesIn(link, 512), { code: 'BAD_REQUEST' })
    assert.throws(() => filesIn(Buffer.alloc(2048, 'x'), 512), { code: 'BAD_REQUEST' })
  })

  it('never throws anything undocumented', () => {
    const archive = archiveOf([{ name: 'a', bytes: new Uint8Array(700) }])
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(archive.length - 1), fc.integer({ min: 0, max: 255 }))),
        (edits) => {
          const damaged = Buffer.from(archive)
          for (const [at, byte] of edits) damaged[at] = byte
          try {
            filesIn(damaged, 333)
          } catch (thrown) {
            assert.ok(thrown instanceof FairleadError && thrown.code === 'BAD_REQUEST')
          }
        },
      ),
    )
  })
})
