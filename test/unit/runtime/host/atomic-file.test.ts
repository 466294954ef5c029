/**
 * Atomic files: whole or absent, private, nothing left behind.
 */

import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import {
  ensurePrivateDirectory,
  removeFile,
  writeFileAtomic,
} from '../../../../runtime/host/atomic-file.ts'

let folder = ''

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fairlead-file-'))
})
after(async () => {
  await rm(folder, { recursive: true, force: true })
})

describe('an atomic file', () => {
  it('replaces the old content and is private, also over a left-over of a crash', async () => {
    const path = join(folder, 'a')
    await writeFile(`${path}.tmp`, 'half of something long', { mode: 0o644 })
    for (const durable of [true, false]) {
      await writeFileAtomic(path, `durable ${durable}`, { durable })
      assert.equal(await readFile(path, 'utf8'), `durable ${durable}`)
      assert.equal((await stat(path)).mode & 0o777, 0o600)
    }
    assert.deepEqual(await readdir(folder), ['a'])
  })

  it('that cannot be written is an error and leaves nothing', async () => {
    const path = join(folder, 'missing', 'b')
    await assert.rejects(writeFileAtomic(path, 'x', { durable: true }), {
      code: 'STORAGE_FAILED',
      message: new RegExp(`^Cannot write "${path}"`),
    })
  })

  it('may be removed twice', async () => {
    const path = join(folder, 'c')
    await writeFileAtomic(path, 'x', { durable: false })
    await removeFile(path)
    await removeFile(path)
    await ensurePrivateDirectory(join(folder, 'd', 'e'))
    assert.equal((await stat(join(folder, 'd', 'e'))).mode & 0o777, 0o700)
  })
})
