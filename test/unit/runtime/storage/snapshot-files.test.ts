/**
 * Snapshots on disk and in memory: whole or not at all, and proved before use.
 */

import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { FairleadError } from '../../../../core/errors.ts'
import { votersOnly } from '../../../../core/raft/configuration.ts'
import { chain, logIndex, type SnapshotMeta, serverId, term } from '../../../../core/raft/types.ts'
import { MemorySnapshots } from '../../../../runtime/storage/memory-snapshots.ts'
import { SnapshotFiles } from '../../../../runtime/storage/snapshot-files.ts'
import type { SnapshotStore } from '../../../../runtime/storage/snapshot-store.ts'

const metaAt = (index: number, t = 2): SnapshotMeta => ({
  index: logIndex(index),
  term: term(t),
  chain: chain(123_456_789_012),
  configuration: votersOnly([{ id: serverId('a'), address: 'a:1' }]),
  configurationIndex: logIndex(1),
})

const CHUNKS = [
  Buffer.from('first'),
  Buffer.alloc(0),
  Buffer.alloc(300_000, 7),
  Buffer.from('last'),
]

const isCorrupt = (err: unknown): boolean =>
  err instanceof FairleadError && err.code === 'STORAGE_CORRUPT'

let root = ''
let counter = 0
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'fairlead-snapshots-'))
})
after(async () => {
  await rm(root, { recursive: true, force: true })
})
const fresh = (): string => join(root, `case-${++counter}`, 'snapshots')

const STORES: [string, () => SnapshotStore][] = [
  ['files', () => new SnapshotFiles(fresh())],
  ['memory', () => new MemorySnapshots()],
]

for (const [name, make] of STORES) {
  describe(`a snapshot store on ${name}`, () => {
    it('gives back the image and what it is of, more than once', async () => {
      const store = make()
      await store.write(metaAt(10), CHUNKS)
      const opened = await store.open(metaAt(10))
      assert.deepEqual(opened.meta, metaAt(10))
      for (let i = 0; i < 2; i++) {
        assert.deepEqual(Buffer.concat([...opened.image()]), Buffer.concat(CHUNKS))
      }
    })

    it('lists the newest first, replaces, and keeps two', async () => {
      const store = make()
      assert.deepEqual(await store.list(), [])
      for (const index of [10, 30, 20]) await store.write(metaAt(index), CHUNKS)
      await store.write(metaAt(30), [Buffer.from('again')])
      await store.prune()
      assert.deepEqual(
        (await store.list()).map((s) => s.index),
        [30, 20],
      )
      const image = (await store.open(metaAt(30))).image()
      assert.equal(Buffer.concat([...image]).toString(), 'again')
    })

    it('says when there is none of that name', async () => {
      const err = await make()
        .open(metaAt(5))
        .catch((thrown: unknown) => thrown)
      assert.ok(err instanceof FairleadError)
      assert.equal(err.code, 'NOT_FOUND')
    })
  })
}

describe('snapshot files', () => {
  it('are the same bytes for the same state', async () => {
    const directories = [fresh(), fresh()]
    for (const directory of directories)
      await new SnapshotFiles(directory).write(metaAt(10), CHUNKS)
    for (const file of ['image', 'meta.json', 'manifest.json']) {
      const [one, other] = await Promise.all(
        directories.map((directory) => readFile(join(directory, '2-10', file))),
      )
      assert.deepEqual(one, other)
    }
  })

  it('are refused when any byte of any file differs', async () => {
    for (const file of ['image', 'meta.json', 'manifest.json']) {
      const directory = fresh()
      const store = new SnapshotFiles(directory)
      await store.write(metaAt(10), CHUNKS)
      const path = join(directory, '2-10', file)
      const good = await readFile(path)
      for (let i = 0; i < 12; i++) {
        const at = Math.floor((i * (good.length - 1)) / 11)
        const bad = Buffer.from(good)
        bad[at] = (bad[at] as number) ^ 1
        await writeFile(path, bad)
        await assert.rejects(store.open(metaAt(10)), isCorrupt, `${file} at ${at}`)
      }
    }
  })

  it('are refused when they were cut short', async () => {
    for (const file of ['image', 'meta.json', 'manifest.json']) {
      const directory = fresh()
      const store = new SnapshotFiles(directory)
      await store.write(metaAt(10), CHUNKS)
      await truncate(join(directory, '2-10', file), 3)
      await assert.rejects(store.open(metaAt(10)), isCorrupt, file)
    }
  })

  it('of an interrupted write are not shown, and removed by the next prune', async () => {
    const directory = fresh()
    const store = new SnapshotFiles(directory)
    await mkdir(join(directory, '.writing-2-9'), { recursive: true })
    await mkdir(join(directory, 'something-else'))
    await store.write(metaAt(10), CHUNKS)
    assert.deepEqual(
      (await store.list()).map((s) => s.index),
      [10],
    )
    await store.prune()
    assert.deepEqual((await readdir(directory)).sort(), ['2-10', 'something-else'])
  })

  it('that fail leave nothing that would be shown', async () => {
    const store = new SnapshotFiles(fresh())
    function* broken(): Iterable<Uint8Array> {
      yield Buffer.from('half')
      throw new Error('the state machine broke')
    }
    const err = await store.write(metaAt(10), broken()).catch((thrown: unknown) => thrown)
    assert.ok(err instanceof FairleadError)
    assert.match(err.message, /the state machine broke/)
    assert.deepEqual(await store.list(), [])
  })
})
