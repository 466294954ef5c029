/**
 * Three hosts in one process over the in-memory network: the same RaftNode that runs alone.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FairleadError } from '../../../../core/errors.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import {
  memoryRaftStorage,
  type RaftStorageOpener,
} from '../../../../runtime/storage/raft-storage.ts'
import { MemoryNetwork } from '../../../../server/raft/memory-transport.ts'
import { makeNode, never, type TestNode } from './node-bench.ts'

const IDS = ['a', 'b', 'c']
const TICK_MS = 10

class Trio {
  readonly clock = new ManualClock()
  readonly network = new MemoryNetwork()
  readonly storages = new Map<string, RaftStorageOpener>(IDS.map((id) => [id, memoryRaftStorage()]))
  readonly nodes = new Map<string, TestNode>()

  async start(id: string): Promise<TestNode> {
    const members = IDS.map((member) => ({ id: member, address: `${member}:1` }))
    const made = makeNode(this.storages.get(id) as RaftStorageOpener, {
      id,
      clock: this.clock,
      network: this.network,
      tickMs: TICK_MS,
      seed: id.charCodeAt(0),
      bootstrap: { clusterId: 'trio', members },
    })
    this.nodes.set(id, made)
    await made.node.start(never())
    return made
  }

  /** Virtual time passes until the condition holds. */
  async until(condition: () => boolean, what: string): Promise<void> {
    for (let i = 0; i < 2_000; i++) {
      if (condition()) return
      this.clock.advance(TICK_MS)
      // Lets queued messages and writes of this tick run; bounded by the loop.
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
    }
    assert.fail(`never happened: ${what}`)
  }

  leader(except = ''): TestNode | undefined {
    const leaders = [...this.nodes].filter(([id]) => id !== except).map(([, made]) => made)
    return leaders.find((made) => made.node.status().role === 'leader')
  }

  async stop(): Promise<void> {
    for (const made of this.nodes.values()) await made.node.stop()
  }
}

async function openTrio(): Promise<{ trio: Trio; leader: TestNode }> {
  const trio = new Trio()
  for (const id of IDS) await trio.start(id)
  await trio.until(() => trio.leader() !== undefined, 'a leader')
  const leader = trio.leader()
  assert.ok(leader !== undefined)
  return { trio, leader }
}

async function settle<T>(trio: Trio, promise: Promise<T>): Promise<T> {
  let isDone = false
  const watched = promise.finally(() => {
    isDone = true
  })
  watched.catch(() => undefined)
  await trio.until(() => isDone, 'an answer')
  return await watched
}

const idOf = (trio: Trio, made: TestNode): string =>
  [...trio.nodes].find(([, other]) => other === made)?.[0] ?? ''

describe('three servers', () => {
  it('elect one leader, replicate, and read from everywhere', async () => {
    const { trio, leader } = await openTrio()
    const { index } = await settle(trio, leader.node.propose(Buffer.from('hello')))
    for (const made of trio.nodes.values()) {
      assert.ok((await settle(trio, made.node.readIndex())) >= index)
      assert.deepEqual(made.machine.texts, ['hello'])
    }
    await trio.stop()
  })

  it('send writes away from followers with the name of the leader', async () => {
    const { trio, leader } = await openTrio()
    const follower = [...trio.nodes.values()].find((made) => made !== leader)
    await trio.until(() => follower?.node.status().leaderId !== null, 'a known leader')
    const err = await follower?.node.propose(Buffer.from('x')).catch((e: unknown) => e)
    assert.ok(err instanceof FairleadError)
    assert.deepEqual([err.code, err.facts['leader']], ['BUSY', idOf(trio, leader)])
    await trio.stop()
  })

  it('go on without their leader, whose writes in flight become of unknown outcome', async () => {
    const { trio, leader } = await openTrio()
    const old = idOf(trio, leader)
    await settle(trio, leader.node.propose(Buffer.from('before')))
    trio.network.disconnect(old)
    const inFlight = leader.node.propose(Buffer.from('in flight'))
    const outcome = await settle(trio, inFlight).catch((e: unknown) => e)
    assert.ok(outcome instanceof FairleadError)
    assert.equal(outcome.code, 'OUTCOME_UNKNOWN')
    await trio.until(() => trio.leader(old) !== undefined, 'another leader')
    const next = trio.leader(old)
    assert.ok(next !== undefined)
    await settle(trio, next.node.propose(Buffer.from('after')))
    trio.network.reconnect(old)
    await trio.until(() => leader.machine.texts.includes('after'), 'the old leader to catch up')
    assert.deepEqual(leader.machine.texts, next.machine.texts)
    await trio.stop()
  })

  it('take a restarted server back with all it missed', async () => {
    const { trio, leader } = await openTrio()
    const away = IDS.find((id) => trio.nodes.get(id) !== leader) ?? ''
    await settle(trio, leader.node.propose(Buffer.from('one')))
    await trio.nodes.get(away)?.node.stop()
    for (const text of ['two', 'three']) await settle(trio, leader.node.propose(Buffer.from(text)))
    const back = await trio.start(away)
    await trio.until(() => back.machine.texts.length === 3, 'the restarted server to catch up')
    assert.deepEqual(back.machine.texts, ['one', 'two', 'three'])
    assert.equal(leader.node.status().role, 'leader', 'and it disturbs nobody')
    await trio.stop()
  })
})
