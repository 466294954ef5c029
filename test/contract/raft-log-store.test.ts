/**
 * What every Raft log store must do, run on LevelDB and on memory.
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { CHAIN_START, chainedEntry } from '../../core/raft/chain.ts'
import { votersOnly } from '../../core/raft/configuration.ts'
import {
  type AppendJob,
  appendToken,
  chain,
  type Entry,
  type LogPosition,
  logIndex,
  type SnapshotMeta,
  serverId,
  term,
} from '../../core/raft/types.ts'
import type { KeyValueStore } from '../../runtime/storage/key-value-store.ts'
import { openLevelStore } from '../../runtime/storage/level-store.ts'
import type { StoredLog } from '../../runtime/storage/log-store.ts'
import { MemoryStore } from '../../runtime/storage/memory-store.ts'
import { RaftLogStore } from '../../runtime/storage/raft-log-store.ts'

interface Backend {
  readonly name: string
  /** Opens the same contents each time. */
  make(): Promise<{ open: () => Promise<KeyValueStore>; remove: () => Promise<void> }>
}

const BACKENDS: readonly Backend[] = [
  {
    name: 'level',
    make: async () => {
      const directory = await mkdtemp(join(tmpdir(), 'fairlead-log-'))
      return {
        open: () => openLevelStore({ directory: join(directory, 'log') }),
        remove: () => rm(directory, { recursive: true, force: true }),
      }
    },
  },
  {
    name: 'memory',
    make: async () => {
      const store = new MemoryStore()
      return { open: async () => store, remove: async () => undefined }
    },
  },
]

const ORIGIN: LogPosition = { index: logIndex(0), term: term(0), chain: CHAIN_START }
function snapshotAt(index: number, t: number): SnapshotMeta {
  return {
    index: logIndex(index),
    term: term(t),
    chain: chain(index * 1_000 + t),
    configuration: votersOnly([{ id: serverId('a'), address: 'a:1' }]),
    configurationIndex: logIndex(1),
  }
}

const IDENTITY = { serverId: serverId('a'), clusterId: 'cluster', epoch: 0 }

function follow(previous: LogPosition, t: number, text: string): Entry {
  const index = logIndex(previous.index + 1)
  return chainedEntry(previous.chain, {
    index,
    term: term(t),
    type: 'normal',
    data: Buffer.from(text),
  })
}

function entriesAfter(previous: LogPosition, t: number, count: number): Entry[] {
  const out: Entry[] = []
  for (let i = 0; i < count; i++) out.push(follow(out.at(-1) ?? previous, t, `${t}.${i}`))
  return out
}

let tokens = 0
function job(
  entries: readonly Entry[],
  fields: {
    previous?: LogPosition
    truncateFrom?: number
    commit?: number
    term?: number
    vote?: string
    snapshot?: SnapshotMeta
  } = {},
): AppendJob {
  tokens++
  const last = entries.at(-1) ?? fields.previous ?? ORIGIN
  return {
    token: appendToken(tokens),
    truncateFrom: fields.truncateFrom === undefined ? null : logIndex(fields.truncateFrom),
    entries,
    hardState: {
      term: term(fields.term ?? last.term),
      vote: fields.vote === undefined ? null : serverId(fields.vote),
      commit: logIndex(fields.commit ?? 0),
    },
    last,
    snapshot: fields.snapshot ?? null,
  }
}

async function loaded(store: RaftLogStore): Promise<StoredLog> {
  const verdict = await store.load()
  assert.equal(verdict.kind, 'consistent', JSON.stringify(verdict))
  assert.ok(verdict.kind === 'consistent')
  return verdict.log
}

const asText = (log: StoredLog): string[] => {
  return log.entries.map((e) => `${e.index}/${e.term} ${Buffer.from(e.data).toString()}`)
}

for (const backend of BACKENDS) {
  describe(`a raft log store on ${backend.name}`, () => {
    async function withStore(
      run: (reopen: () => Promise<RaftLogStore>) => Promise<void>,
    ): Promise<void> {
      const { open, remove } = await backend.make()
      let current: RaftLogStore | null = null
      try {
        await run(async () => {
          await current?.close()
          current = new RaftLogStore(await open())
          return current
        })
      } finally {
        await (current as RaftLogStore | null)?.close()
        await remove()
      }
    }

    it('is empty at first', async () => {
      await withStore(async (reopen) => {
        const store = await reopen()
        assert.deepEqual(await store.load(), { kind: 'empty', identity: null })
      })
    })

    it('gives back identity, hard state and entries', async () => {
      await withStore(async (reopen) => {
        const store = await reopen()
        await store.load()
        const entries = entriesAfter(ORIGIN, 1, 3)
        await store.initialize(IDENTITY, job(entries.slice(0, 1)))
        await store.append([job(entries.slice(1), { term: 4, vote: 'b', commit: 2 })])
        const log = await loaded(await reopen())
        assert.deepEqual({ ...log.identity }, { ...IDENTITY, format: 1 })
        assert.deepEqual(log.hardState, { term: 4, vote: 'b', commit: 2 })
        assert.deepEqual(
          log.entries.map((e) => ({ ...e, data: Buffer.from(e.data) })),
          entries,
        )
        assert.equal(log.pointer, null)
      })
    })

    it('writes a vote without entries', async () => {
      await withStore(async (reopen) => {
        const store = await reopen()
        await store.load()
        const [first] = entriesAfter(ORIGIN, 1, 1)
        assert.ok(first !== undefined)
        await store.initialize(IDENTITY, job([first]))
        await store.append([job([], { previous: first, term: 9, vote: 'c' })])
        assert.deepEqual((await loaded(await reopen())).hardState, {
          term: 9,
          vote: 'c',
          commit: 0,
        })
      })
    })

    it('replaces a tail by a shorter one', async () => {
      await withStore(async (reopen) => {
        const store = await reopen()
        await store.load()
        const old = entriesAfter(ORIGIN, 1, 6)
        await store.initialize(IDENTITY, job(old))
        const base = old[2]
        assert.ok(base !== undefined)
        await store.append([job(entriesAfter(base, 2, 1), { truncateFrom: 4 })])
        const log = await loaded(await reopen())
        assert.deepEqual(asText(log), ['1/1 1.0', '2/1 1.1', '3/1 1.2', '4/2 2.0'])
      })
    })

    it('executes several jobs in one write as if one after the other', async () => {
      await withStore(async (reopen) => {
        const store = await reopen()
        await store.load()
        const first = entriesAfter(ORIGIN, 1, 4)
        const base = first[1]
        assert.ok(base !== undefined)
        const second = entriesAfter(base, 2, 3)
        const third = entriesAfter(base, 3, 1)
        await store.initialize(IDENTITY, job(first.slice(0, 1)))
        await store.append([
          job(first.slice(1)),
          job(second, { truncateFrom: 3 }),
          job(third, { truncateFrom: 3 }),
        ])
        assert.deepEqual(asText(await loaded(await reopen())), ['1/1 1.0', '2/1 1.1', '3/3 3.0'])
      })
    })

    it('drops the prefix behind a snapshot and remembers what it ended with', async () => {
      await withStore(async (reopen) => {
        const store = await reopen()
        await store.load()
        const entries = entriesAfter(ORIGIN, 1, 2_500)
        await store.initialize(IDENTITY, job(entries))
        const anchor = entries[2_299]
        assert.ok(anchor !== undefined)
        await store.saveSnapshotPointer({ index: logIndex(2_400), term: term(1) })
        await store.compact(anchor)
        await store.append([job(entriesAfter(entries.at(-1) ?? ORIGIN, 1, 1))])
        const log = await loaded(await reopen())
        assert.deepEqual(log.anchor, { index: 2_300, term: 1, chain: anchor.chain })
        assert.deepEqual([log.entries[0]?.index, log.entries.at(-1)?.index], [2_301, 2_501])
        assert.deepEqual(log.pointer, { index: 2_400, term: 1 })
      })
    })

    it('takes the newer of commit hint and hard state', async () => {
      await withStore(async (reopen) => {
        const store = await reopen()
        await store.load()
        await store.initialize(IDENTITY, job(entriesAfter(ORIGIN, 1, 5), { commit: 2 }))
        await store.saveCommitHint(logIndex(4))
        assert.equal((await loaded(await reopen())).hardState.commit, 4)
        await (await reopen()).saveCommitHint(logIndex(1))
        assert.equal((await loaded(await reopen())).hardState.commit, 2)
      })
    })

    it('replaces the whole log by what follows a snapshot', async () => {
      await withStore(async (reopen) => {
        const store = await reopen()
        await store.load()
        const old = entriesAfter(ORIGIN, 1, 2_500)
        await store.initialize(IDENTITY, job(old, { commit: 5 }))
        const snapshot = snapshotAt(5_000, 3)
        const [first] = entriesAfter(snapshot, 3, 1)
        assert.ok(first !== undefined)
        await store.append([
          job([], { previous: snapshot, snapshot, term: 4, vote: 'b', commit: 5_000 }),
          job([first], { term: 4, vote: 'b', commit: 5_000 }),
        ])
        // Steps of a snapshot that was under way change nothing any more.
        await store.saveSnapshotPointer({ index: logIndex(2_000), term: term(1) })
        await store.compact(old[1_999] as Entry)
        for (let i = 0; i < 2; i++) {
          const again = await reopen()
          const log = await loaded(again)
          const { index, term: ofTerm, chain } = snapshot
          assert.deepEqual(log.anchor, { index, term: ofTerm, chain })
          assert.deepEqual(log.pointer, { index: 5_000, term: 3 })
          assert.deepEqual(asText(log), ['5001/3 3.0'])
          assert.deepEqual(log.hardState, { term: 4, vote: 'b', commit: 5_000 })
        }
      })
    })

    it('takes shorter and longer logs after a replacement', async () => {
      await withStore(async (reopen) => {
        const store = await reopen()
        await store.load()
        await store.initialize(IDENTITY, job(entriesAfter(ORIGIN, 1, 30)))
        const snapshot = snapshotAt(20, 2)
        const tail = entriesAfter(snapshot, 2, 5)
        await store.append([job(tail, { snapshot, commit: 20 })])
        const cut = tail[1] as Entry
        const other = entriesAfter(cut, 3, 2)
        await store.append([job(other, { truncateFrom: 23, commit: 20 })])
        assert.deepEqual(asText(await loaded(await reopen())), [
          '21/2 2.0',
          '22/2 2.1',
          '23/3 3.0',
          '24/3 3.1',
        ])
      })
    })

    it('remembers the cluster that adopted an empty server', async () => {
      await withStore(async (reopen) => {
        const store = await reopen()
        await store.load()
        await store.saveIdentity(IDENTITY)
        const again = await reopen()
        const verdict = await again.load()
        assert.ok(verdict.kind === 'empty')
        assert.deepEqual({ ...verdict.identity }, { ...IDENTITY, format: 1 })
        await again.append([job([], { previous: ORIGIN, term: 3, vote: 'b' })])
        const log = await loaded(await reopen())
        assert.deepEqual(log.hardState, { term: 3, vote: 'b', commit: 0 })
        assert.deepEqual(log.entries, [])
      })
    })

    it('moves to a later epoch with its entries', async () => {
      await withStore(async (reopen) => {
        const store = await reopen()
        await store.load()
        await store.initialize(IDENTITY, job(entriesAfter(ORIGIN, 1, 3), { vote: 'b' }))
        await store.saveIdentity({ ...IDENTITY, epoch: 1 })
        const log = await loaded(await reopen())
        assert.equal(log.identity.epoch, 1)
        assert.equal(log.entries.length, 3)
        assert.equal(log.hardState.vote, 'b')
      })
    })

    it('begins another epoch with a snapshot', async () => {
      await withStore(async (reopen) => {
        const store = await reopen()
        await store.load()
        await store.initialize(IDENTITY, job(entriesAfter(ORIGIN, 1, 30), { commit: 20 }))
        const again = await reopen()
        await loaded(again)
        const snapshot = snapshotAt(30, 1)
        await again.initialize(
          { ...IDENTITY, epoch: 1 },
          job([], { previous: snapshot, snapshot, term: 1_001, commit: 30 }),
        )
        const log = await loaded(await reopen())
        assert.equal(log.identity.epoch, 1)
        assert.equal(log.anchor.index, 30)
        assert.deepEqual(log.entries, [])
        assert.deepEqual(log.hardState, { term: 1_001, vote: null, commit: 30 })
      })
    })

    it('equals a plain list under any sequence of appends, truncations and restarts', async () => {
      const act = fc.record({
        keep: fc.double({ min: 0, max: 1, noNaN: true }),
        count: fc.integer({ min: 1, max: 4 }),
        truncates: fc.boolean(),
        restarts: fc.boolean(),
      })
      await fc.assert(
        fc.asyncProperty(fc.array(act, { maxLength: 12 }), async (acts) => {
          await withStore(async (reopen) => {
            let store = await reopen()
            await store.load()
            let model = entriesAfter(ORIGIN, 1, 1)
            await store.initialize(IDENTITY, job(model))
            let t = 1
            for (const { keep, count, truncates, restarts } of acts) {
              t++
              const kept = truncates ? Math.max(1, Math.floor(keep * model.length)) : model.length
              const isCut = kept < model.length
              model = model.slice(0, kept)
              const fresh = entriesAfter(model.at(-1) ?? ORIGIN, t, count)
              await store.append([job(fresh, isCut ? { truncateFrom: kept + 1 } : {})])
              model = [...model, ...fresh]
              if (!restarts) continue
              store = await reopen()
              await loaded(store)
            }
            const log = await loaded(await reopen())
            assert.deepEqual(
              log.entries.map((e) => e.chain),
              model.map((e) => e.chain),
            )
          })
        }),
        { numRuns: backend.name === 'level' ? 12 : 100 },
      )
    })
  })
}
