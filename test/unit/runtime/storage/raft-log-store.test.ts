/**
 * Start-up verification (raft.md 14.5) against every kind of damage, and fail-stop after a failed write.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { crc32 } from 'node:zlib'
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
import {
  encodeEntry,
  encodeHardState,
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
  return { token: appendToken(1), truncateFrom: null, entries, hardState, last }
}

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
        assert.equal(verdict.lastGood.index, index - 1)
        assert.equal(verdict.damagedTo, 5)
        assert.equal(verdict.isVoteLost, false)
      }
    }
  })

  it('finds an entry that is gone, in the middle and at the end', async () => {
    for (const index of [1, 3, 5]) {
      const memory = await filled()
      memory.lose(entryKey(0, index))
      const verdict = await verdictOf(memory)
      assert.ok(verdict.kind === 'recovering')
      assert.equal(verdict.lastGood.index, index - 1)
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
      const verdict = await verdictOf(memory)
      assert.ok(verdict.kind === 'recovering' && verdict.isVoteLost)
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

  it('finds damage in each of the small records', async () => {
    for (const name of ['identity', 'logStart', 'snapshot', 'commitHint'] as const) {
      const memory = await filled()
      const store = new RaftLogStore(memory)
      await store.load()
      await store.saveSnapshotPointer({ index: logIndex(3), term: term(2) })
      await store.compact(ENTRIES[1] as Entry)
      await store.saveCommitHint(logIndex(3))
      memory.rot(recordKey(name), 40)
      assert.equal((await verdictOf(memory)).kind, 'corrupt', name)
    }
  })

  it('refuses a log whose prefix is gone without a snapshot', async () => {
    const memory = await filled()
    const store = new RaftLogStore(memory)
    await store.load()
    await store.compact(ENTRIES[1] as Entry)
    const verdict = await verdictOf(memory)
    assert.ok(verdict.kind === 'corrupt')
    assert.match(verdict.reason, /no snapshot covers/)
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
