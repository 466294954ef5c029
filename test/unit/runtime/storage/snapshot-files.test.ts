/**
 * Snapshots on disk and in memory: whole or not at all, and proved before use.
 */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { FairleadError } from '../../../../core/errors.ts'
import { votersOnly } from '../../../../core/raft/configuration.ts'
import { chain, logIndex, type SnapshotMeta, serverId, term } from '../../../../core/raft/types.ts'
import { MemorySnapshots } from '../../../../runtime/storage/memory-snapshots.ts'
import { SnapshotFiles } from '../../../../runtime/storage/snapshot-files.ts'
import type { OpenedSnapshot, SnapshotStore } from '../../../../runtime/storage/snapshot-store.ts'

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

const hasCode = (code: string) => (err: unknown) =>
  err instanceof FairleadError && err.code === code

const isCorrupt = (err: unknown): boolean =>
  err instanceof FairleadError && err.code === 'STORAGE_CORRUPT'

let root = ''
let counter = 0
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'fairlead-snapshots-'))
})
const opened: SnapshotStore[] = []
after(async () => {
  for (const store of opened) await store.close()
  await rm(root, { recursive: true, force: true })
})
const fresh = (): string => join(root, `case-${++counter}`, 'snapshots')

function filesIn(directory: string): SnapshotFiles {
  const store = new SnapshotFiles(directory)
  opened.push(store)
  return store
}

const STORES: [string, () => SnapshotStore][] = [
  ['files', () => filesIn(fresh())],
  ['memory', () => new MemorySnapshots()],
]

async function contentOf(opened: OpenedSnapshot, offset?: number): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of opened.image(offset)) {
    assert.ok(piece.length <= 1_048_576)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

/** Two blocks and a bit, none like the other. */
const LARGE = Buffer.alloc(2_500_000, 'a few words that do not repeat at a round number of bytes')
const factsOf = (image: Uint8Array): { sizeBytes: number; digest: string } => ({
  sizeBytes: image.length,
  digest: createHash('sha256').update(image).digest('hex'),
})

for (const [name, make] of STORES) {
  describe(`a snapshot store on ${name}`, () => {
    it('gives back the image and what it is of, more than once', async () => {
      const store = make()
      await store.write(metaAt(10), CHUNKS)
      const opened = await store.open(metaAt(10))
      assert.deepEqual(opened.meta, metaAt(10))
      for (let i = 0; i < 2; i++) {
        assert.deepEqual(await contentOf(opened), Buffer.concat(CHUNKS))
      }
    })

    it('knows size and digest, and reads from any byte on', async () => {
      const store = make()
      await store.write(metaAt(10), [LARGE.subarray(0, 1_200_000), LARGE.subarray(1_200_000)])
      const opened = await store.open(metaAt(10))
      assert.deepEqual({ sizeBytes: opened.sizeBytes, digest: opened.digest }, factsOf(LARGE))
      for (const offset of [0, 1, 1_048_575, 1_048_576, 1_300_000, 2_499_999, 2_500_000]) {
        const read = await contentOf(opened, offset)
        assert.equal(Buffer.compare(read, LARGE.subarray(offset)), 0, `from ${offset}`)
      }
    })

    it('receives an image in pieces and lists it when it is proven', async () => {
      const store = make()
      const reception = await store.receive(metaAt(40), factsOf(LARGE))
      assert.equal(reception.received, 0)
      for (let at = 0; at < LARGE.length; at += 700_000) {
        await reception.write(LARGE.subarray(at, at + 700_000))
      }
      assert.deepEqual(await store.list(), [])
      await reception.finish()
      assert.deepEqual(await store.list(), [{ index: 40, term: 2 }])
      const opened = await store.open(metaAt(40))
      assert.deepEqual(opened.meta, metaAt(40))
      assert.equal(Buffer.compare(await contentOf(opened), LARGE), 0)
    })

    it('goes on with the same image where it broke off, and with no other', async () => {
      const store = make()
      const first = await store.receive(metaAt(40), factsOf(LARGE))
      await first.write(LARGE.subarray(0, 1_500_000))
      await first.pause()
      const second = await store.receive(metaAt(40), factsOf(LARGE))
      assert.equal(second.received, 1_500_000)
      // The stream of the first attempt was only believed dead.
      await assert.rejects(first.write(LARGE.subarray(0, 10)), hasCode('BUSY'))
      const third = await store.receive(metaAt(40), factsOf(LARGE))
      assert.equal(third.received, 1_500_000)
      await third.write(LARGE.subarray(1_500_000))
      await third.finish()
      assert.equal(Buffer.compare(await contentOf(await store.open(metaAt(40))), LARGE), 0)

      const other = Buffer.from(LARGE).fill('b', 0, 1)
      const begun = await store.receive(metaAt(50), factsOf(LARGE))
      await begun.write(LARGE.subarray(0, 1_500_000))
      const replaced = await store.receive(metaAt(50), factsOf(other))
      assert.equal(replaced.received, 0)
    })

    it('discards an image that is not the announced one', async () => {
      const store = make()
      const wrong = Buffer.from(LARGE).fill('b', 1_000, 1_001)
      const attempts: [string, readonly Uint8Array[]][] = [
        ['other bytes', [wrong]],
        ['too few bytes', [LARGE.subarray(0, 2_000_000)]],
        ['too many bytes', [LARGE, LARGE.subarray(0, 1)]],
      ]
      for (const [what, pieces] of attempts) {
        const reception = await store.receive(metaAt(40), factsOf(LARGE))
        assert.equal(reception.received, 0, what)
        const received = async (): Promise<void> => {
          for (const piece of pieces) await reception.write(piece)
          await reception.finish()
        }
        await assert.rejects(received(), isCorrupt, what)
        await assert.rejects(reception.finish(), hasCode('BUSY'), what)
        assert.deepEqual(await store.list(), [])
      }
      assert.equal((await store.receive(metaAt(40), factsOf(LARGE))).received, 0)
    })

    it('keeps the one that the log relies on, whatever was received and never installed', async () => {
      const store = make()
      const receive = async (index: number): Promise<void> => {
        const reception = await store.receive(metaAt(index), factsOf(LARGE))
        await reception.write(LARGE)
        await reception.finish()
      }
      await store.write(metaAt(10), CHUNKS)
      for (const index of [60, 70]) await receive(index)
      await store.write(metaAt(20), CHUNKS)
      await store.prune(metaAt(20))
      const indexes = async (): Promise<number[]> => (await store.list()).map((s) => s.index)
      assert.deepEqual(await indexes(), [70, 60, 20, 10])
      // One of an older leader arrives; what lies there of newer ones is not in its way.
      const reception = await store.receive(metaAt(50), factsOf(LARGE))
      await store.prune(metaAt(20))
      await reception.write(LARGE)
      await reception.finish()
      await store.prune(metaAt(50))
      assert.deepEqual(await indexes(), [70, 60, 50, 20])
      await store.write(metaAt(80), CHUNKS)
      await store.prune(metaAt(80))
      assert.deepEqual(await indexes(), [80, 70])
    })

    it('lists the newest first, replaces, and keeps two', async () => {
      const store = make()
      assert.deepEqual(await store.list(), [])
      for (const index of [10, 30, 20]) await store.write(metaAt(index), CHUNKS)
      await store.write(metaAt(30), [Buffer.from('again')])
      await store.prune(metaAt(30))
      assert.deepEqual(
        (await store.list()).map((s) => s.index),
        [30, 20],
      )
      assert.equal((await contentOf(await store.open(metaAt(30)))).toString(), 'again')
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
    for (const directory of directories) await filesIn(directory).write(metaAt(10), CHUNKS)
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
      const store = filesIn(directory)
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
      const store = filesIn(directory)
      await store.write(metaAt(10), CHUNKS)
      await truncate(join(directory, '2-10', file), 3)
      await assert.rejects(store.open(metaAt(10)), isCorrupt, file)
    }
  })

  it('that were half received when the process ended are continued by the next', async () => {
    const directory = fresh()
    const reception = await filesIn(directory).receive(metaAt(40), factsOf(LARGE))
    await reception.write(LARGE.subarray(0, 1_300_000))
    const later = filesIn(directory)
    await later.prune(metaAt(30))
    const resumed = await later.receive(metaAt(40), factsOf(LARGE))
    assert.equal(resumed.received, 1_300_000)
    await resumed.write(LARGE.subarray(1_300_000))
    await resumed.finish()
    assert.equal(Buffer.compare(await contentOf(await later.open(metaAt(40))), LARGE), 0)
    assert.deepEqual((await readdir(join(directory, '2-40'))).sort(), [
      'image',
      'manifest.json',
      'meta.json',
    ])
  })

  it('that rotted while half received are found at the end, and begun anew', async () => {
    const directory = fresh()
    const store = filesIn(directory)
    const reception = await store.receive(metaAt(40), factsOf(LARGE))
    await reception.write(LARGE.subarray(0, 1_300_000))
    await reception.pause()
    const path = join(directory, '.receiving-2-40', 'image')
    const content = await readFile(path)
    content[7] = (content[7] as number) ^ 1
    await writeFile(path, content)
    const resumed = await store.receive(metaAt(40), factsOf(LARGE))
    await resumed.write(LARGE.subarray(1_300_000))
    await assert.rejects(resumed.finish(), isCorrupt)
    assert.equal((await store.receive(metaAt(40), factsOf(LARGE))).received, 0)
  })

  it('half received are removed once a newer one is there', async () => {
    const directory = fresh()
    const store = filesIn(directory)
    await (await store.receive(metaAt(40), factsOf(LARGE))).pause()
    await store.write(metaAt(30), CHUNKS)
    await store.prune(metaAt(30))
    assert.deepEqual((await readdir(directory)).sort(), ['.receiving-2-40', '2-30'])
    await store.write(metaAt(50), CHUNKS)
    await store.prune(metaAt(50))
    assert.deepEqual((await readdir(directory)).sort(), ['2-30', '2-50'])
  })

  it('have the same blocks however the image was cut', async () => {
    const texts: string[] = []
    for (const size of [1_000_003, 4_096, LARGE.length]) {
      const directory = fresh()
      const chunks: Buffer[] = []
      for (let at = 0; at < LARGE.length; at += size) chunks.push(LARGE.subarray(at, at + size))
      await filesIn(directory).write(metaAt(10), chunks)
      texts.push(await readFile(join(directory, '2-10', 'manifest.json'), 'utf8'))
    }
    assert.equal(new Set(texts).size, 1)
  })

  it('of an interrupted write are not shown, and removed by the next prune', async () => {
    const directory = fresh()
    const store = filesIn(directory)
    await mkdir(join(directory, '.writing-2-9'), { recursive: true })
    await mkdir(join(directory, 'something-else'))
    await store.write(metaAt(10), CHUNKS)
    assert.deepEqual(
      (await store.list()).map((s) => s.index),
      [10],
    )
    await store.prune(metaAt(10))
    assert.deepEqual((await readdir(directory)).sort(), ['2-10', 'something-else'])
  })

  it('that an earlier process received and never installed are removed', async () => {
    const directory = fresh()
    const reception = await filesIn(directory).receive(metaAt(60), factsOf(LARGE))
    await reception.write(LARGE)
    await reception.finish()
    const later = filesIn(directory)
    await later.write(metaAt(20), CHUNKS)
    await later.prune(metaAt(20))
    assert.deepEqual((await readdir(directory)).sort(), ['2-20'])
  })

  it('that fail leave nothing that would be shown', async () => {
    const store = filesIn(fresh())
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
