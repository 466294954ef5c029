/**
 * The second witness: what it writes and when, what it survives, and what a log is called that it contradicts.
 */

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { FairleadError } from '../../../../core/errors.ts'
import { CHAIN_START, chainedEntry } from '../../../../core/raft/chain.ts'
import {
  type AppendJob,
  appendToken,
  type Entry,
  logIndex,
  serverId,
  term,
} from '../../../../core/raft/types.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import type { LogVerdict } from '../../../../runtime/storage/log-store.ts'
import { MemoryStore } from '../../../../runtime/storage/memory-store.ts'
import { RaftLogStore } from '../../../../runtime/storage/raft-log-store.ts'
import {
  decodeSlot,
  encodeSlot,
  type Testimony,
  WITNESS_SLOT_BYTES,
  WitnessFile,
} from '../../../../runtime/storage/witness-file.ts'

let root = ''
let counter = 0
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'fairlead-witness-'))
})
after(async () => {
  await rm(root, { recursive: true, force: true })
})
const freshPath = (): string => join(root, `witness-${++counter}`)

const OWNER = serverId('a')
const at = (seq: number, fields: Partial<Testimony> = {}): Testimony => ({
  serverId: OWNER,
  seq,
  term: term(2),
  vote: serverId('b'),
  lastIndex: logIndex(seq * 10),
  ...fields,
})

async function readBack(path: string): Promise<Testimony | null> {
  const file = new WitnessFile(path, new ManualClock())
  const found = await file.read()
  await file.close()
  return found
}

describe('a witness file', () => {
  it('is nothing at first, then gives back the newest testimony', async () => {
    const path = freshPath()
    assert.equal(await readBack(path), null)
    for (let life = 1; life <= 5; life++) {
      const file = new WitnessFile(path, new ManualClock())
      await file.read()
      await file.write(at(life))
      await file.close()
      assert.deepEqual(await readBack(path), at(life))
    }
    assert.equal((await readFile(path)).length, 2 * WITNESS_SLOT_BYTES)
  })

  it('keeps the testimony before when a write is torn', async () => {
    const path = freshPath()
    const file = new WitnessFile(path, new ManualClock())
    await file.read()
    for (let seq = 1; seq <= 4; seq++) await file.write(at(seq))
    await file.close()
    const content = await readFile(path)
    const [first, second] = [0, 1].map((slot) => {
      const begin = slot * WITNESS_SLOT_BYTES
      return decodeSlot(content.subarray(begin, begin + WITNESS_SLOT_BYTES))?.testimony
    })
    const newest = first?.seq === 4 ? 0 : 1
    assert.deepEqual([first?.seq, second?.seq].sort(), [3, 4])
    content.fill(0, newest * WITNESS_SLOT_BYTES + 20, newest * WITNESS_SLOT_BYTES + 600)
    await writeFile(path, content)
    assert.equal((await readBack(path))?.seq, 3)
    // The slot that is still good is not the next to be written.
    const again = new WitnessFile(path, new ManualClock())
    await again.read()
    await again.write(at(5))
    await again.close()
    content.fill(0)
    const after = await readFile(path)
    const survivor = after
      .subarray((1 - newest) * WITNESS_SLOT_BYTES)
      .subarray(0, WITNESS_SLOT_BYTES)
    assert.equal(decodeSlot(survivor)?.testimony.seq, 3)
  })

  it('writes notes at most every 100 ms, the newest of them', async () => {
    const path = freshPath()
    const clock = new ManualClock()
    const file = new WitnessFile(path, clock)
    await file.read()
    await file.write(at(1))
    for (let seq = 2; seq <= 50; seq++) {
      file.note(at(seq))
      clock.advance(1)
    }
    assert.equal((await readBack(path))?.seq, 1)
    clock.advance(51)
    await file.write(at(51))
    file.note(at(52))
    assert.equal((await readBack(path))?.seq, 51)
    await file.close()
    assert.equal((await readBack(path))?.seq, 52, 'closing writes what waits')
  })

  it('fails for good with its first failed write', async () => {
    const file = new WitnessFile(join(root, 'no-such-directory', 'witness'), new ManualClock())
    const isFailure = (err: unknown): boolean =>
      err instanceof FairleadError && err.code === 'STORAGE_FAILED'
    await assert.rejects(file.write(at(1)), isFailure)
    assert.ok(file.failure !== null)
    await assert.rejects(file.write(at(2)), isFailure)
    await file.close()
  })

  it('gives back any testimony, and refuses any other bytes without an exception', () => {
    const id = fc.string({ minLength: 1, maxLength: 255 })
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), id, fc.option(id), (x, y, owner, vote) => {
        const testimony = at(1, {
          seq: x,
          serverId: serverId(owner),
          term: term(y),
          vote: vote === null ? null : serverId(vote),
          lastIndex: logIndex(y),
        })
        const slot = encodeSlot(testimony, x % 1_000)
        assert.deepEqual(decodeSlot(slot), { testimony, count: x % 1_000 })
        slot[x % WITNESS_SLOT_BYTES] = (slot[x % WITNESS_SLOT_BYTES] as number) ^ (1 + (y % 255))
        assert.equal(decodeSlot(slot), null)
      }),
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2 * WITNESS_SLOT_BYTES }), (bytes) => {
        assert.equal(decodeSlot(bytes), null)
      }),
    )
  })
})

const IDENTITY = { serverId: OWNER, clusterId: 'c', epoch: 0 }

function entriesAfter(log: readonly Entry[], t: number, count: number): Entry[] {
  const out: Entry[] = []
  for (let i = 0; i < count; i++) {
    const previous = out.at(-1) ?? log.at(-1)
    out.push(
      chainedEntry(previous?.chain ?? CHAIN_START, {
        index: logIndex((previous?.index ?? 0) + 1),
        term: term(t),
        type: 'normal',
        data: Buffer.from(`${t}.${i}`),
      }),
    )
  }
  return out
}

function jobOf(entries: readonly Entry[], last: Entry, t: number, vote: string | null): AppendJob {
  return {
    token: appendToken(1),
    truncateFrom: null,
    entries,
    hardState: { term: term(t), vote: vote === null ? null : serverId(vote), commit: logIndex(0) },
    last,
    snapshot: null,
  }
}

describe('a log with a witness', () => {
  /** Three writes of two entries each in term 2; the last of them unknown to `lost`. */
  async function written(
    path: string,
    last: { readonly term: number; readonly vote: string | null },
  ): Promise<{ whole: MemoryStore; lost: MemoryStore }> {
    const entries = entriesAfter([], 2, 6)
    const whole = new MemoryStore()
    const lost = new MemoryStore()
    const run = async (memory: MemoryStore, jobs: number): Promise<void> => {
      const file = new WitnessFile(path, new ManualClock())
      const store = new RaftLogStore(memory, jobs === 3 ? { file, owner: OWNER } : null)
      await store.load()
      const [first, second, third] = [2, 4, 6].map((to) => entries.slice(to - 2, to))
      assert.ok(first !== undefined && second !== undefined && third !== undefined)
      await store.initialize(IDENTITY, jobOf(first, first[1] as Entry, 2, null))
      await store.append([jobOf(second, second[1] as Entry, 2, null)])
      if (jobs === 3) {
        await store.append([jobOf(third, third[1] as Entry, last.term, last.vote)])
      }
      await store.close()
    }
    await run(lost, 2)
    await run(whole, 3)
    return { whole, lost }
  }

  async function verdictOf(
    memory: MemoryStore,
    path: string,
    owner = OWNER,
  ): Promise<{ verdict: LogVerdict; store: RaftLogStore }> {
    const file = new WitnessFile(path, new ManualClock())
    const store = new RaftLogStore(memory, { file, owner })
    return { verdict: await store.load(), store }
  }

  it('is believed when nothing is missing', async () => {
    const path = freshPath()
    const { whole } = await written(path, { term: 2, vote: null })
    const { verdict, store } = await verdictOf(whole, path)
    assert.equal(verdict.kind, 'consistent')
    await store.close()
  })

  it('is recovering when its last writes vanished, until they are back', async () => {
    const path = freshPath()
    const { lost } = await written(path, { term: 2, vote: null })
    const first = await verdictOf(lost, path)
    assert.ok(first.verdict.kind === 'recovering', JSON.stringify(first.verdict))
    assert.equal(first.verdict.damagedTo, 6)
    assert.equal(first.verdict.log.entries.length, 4)
    assert.match(first.verdict.reason, /ends with write 2, write 3 was acknowledged/)
    const [fifth] = entriesAfter(first.verdict.log.entries, 2, 1)
    assert.ok(fifth !== undefined)
    await first.store.append([jobOf([fifth], fifth, 2, null)])
    await first.store.close()
    const second = await verdictOf(lost, path)
    assert.ok(second.verdict.kind === 'recovering', 'the loss was forgotten')
    assert.equal(second.verdict.damagedTo, 6)
    await second.store.recovered()
    await second.store.close()
    const third = await verdictOf(lost, path)
    assert.equal(third.verdict.kind, 'consistent')
    await third.store.close()
  })

  it('retires its server when a vote or a term vanished', async () => {
    for (const last of [
      { term: 2, vote: 'b' },
      { term: 3, vote: null },
    ]) {
      const path = freshPath()
      const { lost } = await written(path, last)
      const { verdict, store } = await verdictOf(lost, path)
      assert.equal(verdict.kind, 'retired', JSON.stringify(verdict))
      await store.close()
    }
  })

  it('retires its server when it was wiped under the old id, and not under a new one', async () => {
    const path = freshPath()
    await written(path, { term: 2, vote: null })
    const wiped = await verdictOf(new MemoryStore(), path)
    assert.ok(wiped.verdict.kind === 'retired')
    assert.match(wiped.verdict.reason, /the log is empty, yet entries up to 6/)
    await wiped.store.close()
    const fresh = await verdictOf(new MemoryStore(), path, serverId('z'))
    assert.equal(fresh.verdict.kind, 'empty')
    const [entry] = entriesAfter([], 1, 1)
    assert.ok(entry !== undefined)
    const identity = { ...IDENTITY, serverId: serverId('z') }
    await fresh.store.initialize(identity, jobOf([entry], entry, 1, null))
    await fresh.store.close()
    assert.equal((await readBack(path))?.serverId, 'z')
  })

  it('may begin again when it was adopted and nothing more', async () => {
    const path = freshPath()
    const { store } = await verdictOf(new MemoryStore(), path)
    await store.saveIdentity(IDENTITY)
    await store.close()
    const again = await verdictOf(new MemoryStore(), path)
    assert.equal(again.verdict.kind, 'empty')
    await again.store.close()
  })

  it('witnesses a vote before the write of it is over', async () => {
    const path = freshPath()
    const { store } = await verdictOf(new MemoryStore(), path)
    const [first] = entriesAfter([], 1, 1)
    assert.ok(first !== undefined)
    await store.initialize(IDENTITY, jobOf([first], first, 1, null))
    await store.append([jobOf([], first, 9, 'c')])
    const found = await readBack(path)
    assert.deepEqual([found?.term, found?.vote, found?.seq], [9, 'c', 2])
    await store.close()
  })

  it('takes nothing more once the witness cannot be written', async () => {
    const directory = join(root, `gone-${++counter}`)
    const file = new WitnessFile(join(directory, 'raft.seq'), new ManualClock())
    const memory = new MemoryStore()
    const store = new RaftLogStore(memory, { file, owner: OWNER })
    const [first] = entriesAfter([], 1, 1)
    assert.ok(first !== undefined)
    await assert.rejects(store.initialize(IDENTITY, jobOf([first], first, 1, null)), {
      code: 'STORAGE_FAILED',
    })
    await assert.rejects(store.saveCommitHint(logIndex(1)), { code: 'STORAGE_FAILED' })
  })
})
