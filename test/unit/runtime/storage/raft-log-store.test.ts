/**
 * Start-up verification (raft.md 14.5) against every kind of damage, and fail-stop after a failed write.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { crc32 } from 'node:zlib'
import { FairleadError } from '../../../../core/errors.ts'
import { CHAIN_START, chainedEntry } from '../../../../core/raft/chain.ts'
import { votersOnly } from '../../../../core/raft/configuration.ts'
import {
  type AppendJob,
  appendToken,
  type Entry,
  logIndex,
  serverId,
  term,
} from '../../../../core/raft/types.ts'
import {
  encodeEntry,
  encodeHardState,
  encodeIndex,
  entryKey,
  recordKey,
} from '../../../../runtime/storage/log-records.ts'
import type { LogVerdict } from '../../../../runtime/storage/log-store.ts'
import { MemoryStore } from '../../../../runtime/storage/memory-store.ts'
import { RaftLogStore } from '../../../../runtime/storage/raft-log-store.ts'

function makeEntries(terms: readonly number[]): Entry[] {
  const out: Entry[] = []
  for (const [i, t] of terms.entries()) {
    const previous = out.at(-1)?.chain ?? CHAIN_START
    const data = Buffer.from(`entry ${i + 1}`)
    out.push(
      chainedEntry(previous, { index: logIndex(i + 1), term: term(t), type: 'normal', data }),
    )
  }
  return out
}

function jobOf(entries: readonly Entry[], commit = 0): AppendJob {
  const last = entries.at(-1)
  assert.ok(last !== undefined)
  const hardState = { term: last.term, vote: null, commit: logIndex(commit) }
  return { token: appendToken(1), truncateFrom: null, entries, hardState, last, snapshot: null }
}

const configuration = votersOnly([{ id: serverId('a'), address: 'a:1' }])
const IDENTITY = { serverId: serverId('a'), clusterId: 'c', epoch: 0 }
const ENTRIES = makeEntries([1, 1, 2, 2, 3])

async function filled(): Promise<MemoryStore> {
  const memory = new MemoryStore()
  const store = new RaftLogStore(memory)
  await store.load()
  await store.initialize(IDENTITY, jobOf(ENTRIES.slice(0, 2)))
  await store.append([jobOf(ENTRIES.slice(2), 3)])
  return memory
}

const verdictOf = (memory: MemoryStore): Promise<LogVerdict> => new RaftLogStore(memory).load()

async function put(memory: MemoryStore, key: Uint8Array, value: Uint8Array): Promise<void> {
  await memory.batch([{ kind: 'put', key, value }], { sync: true })
}

describe('start-up verification of the log', () => {
  it('finds every flipped bit of every entry, and says how far the log is good', async () => {
    for (let index = 1; index <= ENTRIES.length; index++) {
      for (let bit = 0; bit < 8 * 25; bit += 7) {
        const memory = await filled()
        memory.rot(entryKey(0, index), bit)
        const verdict = await verdictOf(memory)
        assert.equal(verdict.kind, 'recovering')
        assert.ok(verdict.kind === 'recovering')
        assert.equal(verdict.log.entries.length, index - 1)
        assert.equal(verdict.damagedTo, 5)
        assert.ok(verdict.log.hardState.commit <= index - 1)
      }
    }
  })

  it('finds an entry that is gone, in the middle and at the end', async () => {
    for (const index of [1, 3, 5]) {
      const memory = await filled()
      memory.lose(entryKey(0, index))
      const verdict = await verdictOf(memory)
      assert.ok(verdict.kind === 'recovering')
      assert.equal(verdict.log.entries.length, index - 1)
    }
  })

  it('finds an entry under another index', async () => {
    const memory = await filled()
    const value = await memory.get(entryKey(0, 2))
    assert.ok(value !== undefined)
    await put(memory, entryKey(0, 3), value)
    const verdict = await verdictOf(memory)
    assert.ok(verdict.kind === 'recovering')
    assert.match(verdict.reason, /entry 3 fails its checksum/)
  })

  it('finds a well-formed entry that does not continue the log', async () => {
    const memory = await filled()
    const [foreign] = makeEntries([2])
    assert.ok(foreign !== undefined)
    await put(memory, entryKey(0, 3), encodeEntry(entryKey(0, 3), foreign))
    const verdict = await verdictOf(memory)
    assert.ok(verdict.kind === 'recovering')
    assert.match(verdict.reason, /entry 3 does not continue the log/)
  })

  it('retires a server whose vote is lost', async () => {
    const rotten = await filled()
    rotten.rot(recordKey('hardState'), 77)
    const gone = await filled()
    gone.lose(recordKey('hardState'))
    for (const memory of [rotten, gone]) {
      assert.equal((await verdictOf(memory)).kind, 'retired')
    }
  })

  it('calls entries beyond the recorded end corrupt', async () => {
    const memory = await filled()
    const [, , , , , beyond] = makeEntries([1, 1, 2, 2, 3, 3])
    assert.ok(beyond !== undefined)
    await put(memory, entryKey(0, 6), encodeEntry(entryKey(0, 6), beyond))
    const verdict = await verdictOf(memory)
    assert.ok(verdict.kind === 'corrupt')
    assert.match(verdict.reason, /entry 6 lies beyond the recorded end/)
  })

  it('calls a log that ends with another entry than was acknowledged corrupt', async () => {
    const memory = await filled()
    const other = chainedEntry(ENTRIES[3]?.chain ?? CHAIN_START, {
      index: logIndex(5),
      term: term(3),
      type: 'normal',
      data: Buffer.from('other'),
    })
    await put(memory, entryKey(0, 5), encodeEntry(entryKey(0, 5), other))
    assert.equal((await verdictOf(memory)).kind, 'corrupt')
  })

  it('calls falling terms corrupt', async () => {
    const memory = new MemoryStore()
    const store = new RaftLogStore(memory)
    await store.load()
    await store.initialize(IDENTITY, jobOf(makeEntries([1, 2, 1])))
    const verdict = await verdictOf(memory)
    assert.ok(verdict.kind === 'corrupt')
    assert.match(verdict.reason, /falls from 2 to 1 at entry 3/)
  })

  it('takes a commit index beyond the end for proof of loss', async () => {
    const memory = await filled()
    await new RaftLogStore(memory).saveCommitHint(logIndex(9))
    const verdict = await verdictOf(memory)
    assert.ok(verdict.kind === 'recovering')
    assert.match(verdict.reason, /committed to 9, the log ends at 5/)
  })

  it('judges damage of each of the small records by what hangs on it', async () => {
    const expected = {
      identity: 'corrupt',
      logStart: 'recovering',
      damage: 'corrupt',
      // Others prove what these only point at.
      snapshot: 'consistent',
      commitHint: 'consistent',
    } as const
    for (const [name, kind] of Object.entries(expected)) {
      const memory = await filled()
      const store = new RaftLogStore(memory)
      await store.load()
      await store.saveSnapshotPointer({ index: logIndex(3), term: term(2) })
      await store.compact(ENTRIES[1] as Entry)
      await store.saveCommitHint(logIndex(3))
      if (name === 'damage') {
        const damage = encodeIndex('damage', logIndex(5))
        await put(memory, recordKey('damage'), damage)
      }
      memory.rot(recordKey(name as keyof typeof expected), 40)
      const verdict = await verdictOf(memory)
      assert.equal(verdict.kind, kind, name)
      if (verdict.kind === 'consistent') {
        assert.equal(verdict.log.entries.length, 3)
        assert.ok((verdict.log.pointer?.index ?? 0) >= 2)
      }
      if (verdict.kind === 'recovering') {
        assert.deepEqual(verdict.log.entries, [])
        assert.equal(verdict.damagedTo, 5)
      }
    }
  })

  it('gives back nothing of a log whose newer beginning is lost', async () => {
    const memory = await filled()
    const key = entryKey(4, 9)
    await put(memory, key, encodeEntry(key, ENTRIES[2] as Entry))
    const store = new RaftLogStore(memory)
    const verdict = await store.load()
    assert.ok(verdict.kind === 'recovering')
    assert.deepEqual(verdict.log.entries, [])
    // Whatever is written next is not mixed with what lies there.
    await store.append([jobOf(ENTRIES)])
    await store.recovered()
    const after = await verdictOf(memory)
    assert.ok(after.kind === 'consistent')
    assert.equal(after.log.entries.length, 5)
  })

  it('sweeps what an interrupted compaction left', async () => {
    const memory = await filled()
    const store = new RaftLogStore(memory)
    await store.load()
    await store.saveSnapshotPointer({ index: logIndex(3), term: term(2) })
    await store.compact(ENTRIES[2] as Entry)
    await put(memory, entryKey(0, 2), encodeEntry(entryKey(0, 2), ENTRIES[1] as Entry))
    const verdict = await verdictOf(memory)
    assert.ok(verdict.kind === 'consistent')
    assert.deepEqual(
      verdict.log.entries.map((e) => e.index),
      [4, 5],
    )
    assert.equal(await memory.get(entryKey(0, 2)), undefined)
  })

  it('stays recovering over restarts until it is told that all is back', async () => {
    const memory = await filled()
    memory.rot(entryKey(0, 4), 3)
    const first = new RaftLogStore(memory)
    const verdict = await first.load()
    assert.ok(verdict.kind === 'recovering')
    assert.equal(verdict.log.entries.length, 3)
    // One of the two lost entries comes back, then the process ends.
    await first.append([jobOf(ENTRIES.slice(3, 4), 3)])
    const second = new RaftLogStore(memory)
    const half = await second.load()
    assert.ok(half.kind === 'recovering', 'the loss was forgotten')
    assert.equal(half.log.entries.length, 4)
    assert.equal(half.damagedTo, 5)
    await second.append([jobOf(ENTRIES.slice(4), 3)])
    const whole = await verdictOf(memory)
    assert.ok(whole.kind === 'recovering', 'only the caller knows when it is over')
    await second.recovered()
    const third = await verdictOf(memory)
    assert.ok(third.kind === 'consistent')
    assert.equal(third.log.entries.length, 5)
  })

  it('cuts the rotten end off with the first write, so that a shorter log is whole again', async () => {
    const memory = await filled()
    memory.rot(entryKey(0, 3), 3)
    const store = new RaftLogStore(memory)
    await store.load()
    // Another leader's log is shorter than what was damaged.
    const other = chainedEntry(ENTRIES[1]?.chain ?? CHAIN_START, {
      index: logIndex(3),
      term: term(7),
      type: 'noop',
      data: Buffer.alloc(0),
    })
    await store.append([jobOf([other], 3)])
    await store.recovered()
    const verdict = await verdictOf(memory)
    assert.ok(verdict.kind === 'consistent', JSON.stringify(verdict))
    assert.equal(verdict.log.entries.length, 3)
  })

  it('changes nothing on disk by looking at damage', async () => {
    const memory = await filled()
    memory.rot(entryKey(0, 3), 3)
    const syncs = memory.syncCount
    await verdictOf(memory)
    await verdictOf(memory)
    assert.equal(memory.syncCount, syncs)
    assert.notEqual(await memory.get(entryKey(0, 5)), undefined)
  })

  it('starts over when no snapshot reaches down to the log, and remembers what it owes', async () => {
    const memory = await filled()
    const store = new RaftLogStore(memory)
    const loaded = await store.load()
    assert.ok(loaded.kind === 'consistent')
    const verdict = store.startOver('the image is rotten')
    assert.deepEqual(verdict.log.entries, [])
    assert.equal(verdict.log.anchor.index, 0)
    assert.equal(verdict.damagedTo, 5)
    const hardState = { term: term(9), vote: serverId('b'), commit: logIndex(0) }
    const last = verdict.log.anchor
    const vote = { ...jobOf(ENTRIES), entries: [], hardState, last }
    await store.append([vote])
    const again = new RaftLogStore(memory)
    const half = await again.load()
    assert.ok(half.kind === 'recovering')
    assert.equal(half.damagedTo, 5)
    assert.equal(half.log.hardState.term, 9)
    const snapshot = { ...(ENTRIES[4] as Entry), configuration, configurationIndex: logIndex(1) }
    const install = {
      ...vote,
      snapshot,
      last: snapshot,
      hardState: { ...hardState, commit: snapshot.index },
    }
    await again.append([install])
    await again.recovered()
    const whole = await verdictOf(memory)
    assert.ok(whole.kind === 'consistent')
    assert.equal(whole.log.anchor.index, 5)
    assert.equal(whole.log.pointer?.index, 5)
  })

  it('calls an adopted server without a record of its vote retired', async () => {
    const memory = new MemoryStore()
    const store = new RaftLogStore(memory)
    await store.load()
    await store.saveIdentity(IDENTITY)
    memory.lose(recordKey('hardState'))
    assert.equal((await verdictOf(memory)).kind, 'retired')
  })

  it('refuses a format of the future', async () => {
    const memory = await filled()
    const identity = await memory.get(recordKey('identity'))
    assert.ok(identity !== undefined)
    const text = Buffer.from(identity).toString('latin1').replace('"format":1', '"format":2')
    assert.notEqual(text, Buffer.from(identity).toString('latin1'))
    const value = Buffer.from(text, 'latin1')
    value.writeUInt32BE(crc32(value.subarray(4), crc32(recordKey('identity'))), 0)
    await put(memory, recordKey('identity'), value)
    const verdict = await verdictOf(memory)
    assert.ok(verdict.kind === 'corrupt')
    assert.match(verdict.reason, /has format 2, this version reads 1/)
  })
})

describe('a write that fails', () => {
  it('is the last one: the store accepts nothing more', async () => {
    const memory = await filled()
    const store = new RaftLogStore(memory)
    await store.load()
    const job = jobOf(makeEntries([1, 1, 2, 2, 3, 3]).slice(5))
    memory.failWrite(1)
    const isFailure = (err: unknown): boolean =>
      err instanceof FairleadError && err.code === 'STORAGE_FAILED'
    await assert.rejects(store.append([job]), isFailure)
    memory.failWrite(Number.POSITIVE_INFINITY)
    memory.crash()
    await assert.rejects(store.append([job]), isFailure)
    await assert.rejects(store.saveCommitHint(logIndex(1)), isFailure)
  })

  it('leaves the state before it, whole', async () => {
    const memory = await filled()
    const store = new RaftLogStore(memory)
    await store.load()
    memory.failWrite(1)
    await store.append([jobOf(makeEntries([1, 1, 2, 2, 3, 3]).slice(5))]).catch(() => undefined)
    memory.crash()
    const verdict = await verdictOf(memory)
    assert.ok(verdict.kind === 'consistent')
    assert.equal(verdict.log.entries.length, 5)
  })

  it('that was torn looks like the state before it', async () => {
    const memory = await filled()
    memory.crash({ tornLast: true })
    const verdict = await verdictOf(memory)
    assert.ok(verdict.kind === 'consistent')
    assert.equal(verdict.log.entries.length, 2)
  })

  it('is not needed for a commit hint, which a crash may take', async () => {
    const memory = await filled()
    const store = new RaftLogStore(memory)
    await store.load()
    await store.saveCommitHint(logIndex(5))
    memory.crash()
    const verdict = await verdictOf(memory)
    assert.ok(verdict.kind === 'consistent')
    assert.equal(verdict.log.hardState.commit, 3)
  })
})

describe('the hard state record', () => {
  it('grows its sequence with every job', async () => {
    const memory = await filled()
    const before = await memory.get(recordKey('hardState'))
    assert.ok(before !== undefined)
    const last = ENTRIES.at(-1) as Entry
    const hardState = { term: term(3), vote: null, commit: logIndex(3) }
    assert.deepEqual(Buffer.from(before), Buffer.from(encodeHardState({ seq: 2, hardState, last })))
  })
})
