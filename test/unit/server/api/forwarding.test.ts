/**
 * A server that does not lead: what it sends on, how often, and that nothing is done twice (raft.md 16).
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ErrorCode, FairleadError } from '../../../../core/errors.ts'
import type { PeerCalls } from '../../../../core/rpc/peer-calls.ts'
import type { RaftNodeApi, RaftStatus } from '../../../../server/raft/types.ts'
import { pass, RaftAndStore, session, set, settle } from '../raft-and-store.ts'
import { apiOf, HOLD_MS } from './server-apis.ts'

/** The same Raft seen from a server that follows `leaderId`. */
function following(base: RaftAndStore, leaderId: () => string | null): RaftNodeApi {
  return new Proxy<RaftNodeApi>(base.raft, {
    get: (raft, name) => {
      if (name === 'onLeadership') return () => () => {}
      const contact = () => ({ role: 'follower', leaderId: leaderId(), lastContactMs: 40 }) as const
      if (name === 'contact') return contact
      if (name === 'status') return (): RaftStatus => ({ ...raft.status(), ...contact() })
      const value: unknown = Reflect.get(raft, name)
      return typeof value === 'function' ? value.bind(raft) : value
    },
  })
}

interface Cluster {
  readonly base: RaftAndStore
  readonly leader: ReturnType<typeof apiOf>
  readonly follower: ReturnType<typeof apiOf>
  readonly forwards: { address: string; method: string }[]
  /** One for each coming call; 'lost' executes it and loses the answer. */
  readonly faults: (ErrorCode | 'lost')[]
  readonly touched: string[]
}

async function cluster(leaderId: () => string | null = () => 's1'): Promise<Cluster> {
  const base = await new RaftAndStore().start()
  const touched: string[] = []
  const leader = apiOf(base, { touchSession: ({ id }) => void touched.push(id) })
  const forwards: Cluster['forwards'] = []
  const faults: Cluster['faults'] = []
  const forward: PeerCalls['forward'] = async (address, method, message, signal) => {
    forwards.push({ address, method })
    const fault = faults.shift()
    if (fault !== undefined && fault !== 'lost') throw new FairleadError(fault, 'a fault')
    const reply = await leader.forwarded(method, message as never, signal)
    if (fault === 'lost') throw new FairleadError('OUTCOME_UNKNOWN', 'the answer was lost')
    return reply
  }
  const raft = following(base, leaderId)
  const follower = apiOf(base, { nodeId: 's2', raft, forward })
  return { base, leader, follower, forwards, faults, touched }
}

test('a write is sent to the leader, at the address that gossip knows', async () => {
  const { base, follower, forwards } = await cluster()
  await using _base = base
  const result = await follower.write(set('a', '1'))
  assert.equal(result.ok, true)
  assert.deepEqual(forwards, [{ address: 's1:8300', method: 'write' }])
  assert.equal(base.store.read('kv.get', { key: 'a' }).found, true)
})

test('a leader that is shutting down is as good as none: the next one gets the call', async () => {
  const { base, follower, forwards, faults } = await cluster()
  await using _base = base
  faults.push('SHUTTING_DOWN', 'SHUTTING_DOWN')
  const written = follower.write(set('a', '1'))
  await pass(base.clock, 2000, 50)
  assert.equal((await written).ok, true)
  assert.equal(forwards.length, 3)
})

test('a write whose answer was lost is repeated and done once', async () => {
  const { base, follower, forwards, faults } = await cluster()
  await using _base = base
  faults.push('lost', 'NO_LEADER', 'lost')
  const written = follower.write({
    kind: 'kv',
    op: {
      verb: 'cas',
      entry: { key: 'a', value: Buffer.from('1'), flags: 0n, session: '' },
      index: 0,
    },
    now: base.clock.wall(),
  })
  await pass(base.clock, 2000, 50)
  const result = await written
  assert.equal(forwards.length, 4)
  assert(result.ok)
  assert.equal(result.value, true, 'the first attempt set it; the others got to know that')
  const entry = base.store.read('kv.get', { key: 'a' }).value
  assert.equal(entry?.createIndex, entry?.modifyIndex)
  assert.equal(result.index, entry?.modifyIndex, 'the index of the one time it was done')
})

test('when every answer is lost, the outcome is said to be unknown', async () => {
  const { base, follower, faults } = await cluster()
  await using _base = base
  faults.push('OUTCOME_UNKNOWN', ...Array.from({ length: 1000 }, (): ErrorCode => 'NO_LEADER'))
  const refused = assert.rejects(follower.write(set('a', '1')), { code: 'OUTCOME_UNKNOWN' })
  await pass(base.clock, HOLD_MS + 1000, 100)
  await refused
})

test('while nobody leads, a write is held and certainly not done', async () => {
  const { base, follower, forwards } = await cluster(() => null)
  await using _base = base
  const refused = assert.rejects(follower.write(set('a', '1')), {
    code: 'NO_LEADER',
    message: 'No cluster leader',
  })
  await pass(base.clock, HOLD_MS + 1000, 100)
  await refused
  assert.deepEqual(forwards, [])
})

test('a new leader is found in the middle of a hold', async () => {
  let leaderId: string | null = null
  const { base, follower } = await cluster(() => leaderId)
  await using _base = base
  const written = follower.write(set('a', '1'))
  await pass(base.clock, 1000, 100)
  leaderId = 's1'
  await pass(base.clock, 1000, 100)
  assert.equal((await written).ok, true)
})

test('a call that was sent on goes no further', async () => {
  const { base, follower, forwards } = await cluster()
  await using _base = base
  const message = { id: 'x' }
  await assert.rejects(follower.forwarded('renewSession', message), { code: 'NO_LEADER' })
  assert.deepEqual(forwards, [])
})

test('sessions are renewed where their timers are', async () => {
  const { base, follower, touched } = await cluster()
  await using _base = base
  await base.write({
    kind: 'register',
    request: {
      id: '',
      node: 'n1',
      address: '10.0.0.1',
      taggedAddresses: null,
      meta: null,
      skipNodeUpdate: false,
      checks: [],
    },
  })
  await base.write(session('11111111-1111-1111-1111-111111111111', 10_000))
  const renewed = await follower.renewSession('11111111-1111-1111-1111-111111111111')
  assert.equal(renewed?.node, 'n1')
  assert.deepEqual(touched, ['11111111-1111-1111-1111-111111111111'])
  assert.equal(await follower.renewSession('22222222-2222-2222-2222-222222222222'), null)
})

test('what agents may not write is refused here and by the leader', async () => {
  const { base, follower, forwards } = await cluster()
  await using _base = base
  await assert.rejects(follower.write({ kind: 'noop' }), { code: 'PERMISSION_DENIED' })
  assert.deepEqual(forwards, [])
})

test('a stale read says how old it may be; others are as good as the leader’s', async () => {
  const { base, follower } = await cluster()
  await using _base = base
  await base.write(set('a', '1'))
  const stale = await follower.read('kv.get', { key: 'a' }, { consistency: 'stale' })
  assert.equal(stale.lastContactMs, 40)
  assert.equal(stale.knownLeader, true)
  for (const consistency of ['default', 'consistent'] as const) {
    const fresh = await follower.read('kv.get', { key: 'a' }, { consistency })
    assert.equal(fresh.lastContactMs, 0)
  }
  const bounded = { consistency: 'stale', maxStaleMs: 39 } as const
  assert.equal((await follower.read('kv.get', { key: 'a' }, bounded)).lastContactMs, 0)
})

test('operators’ wishes go to the leader, except a look at this server’s own view', async () => {
  const { base, follower, forwards } = await cluster()
  await using _base = base
  const own = await follower.operate('raft.configuration', { stale: true })
  assert.equal(own.servers[0]?.node, 'node-s1')
  assert.deepEqual(forwards, [])
  await follower.operate('raft.configuration', { stale: false })
  assert.deepEqual(forwards, [{ address: 's1:8300', method: 'operator' }])
  await assert.rejects(follower.operate('raft.remove-peer', { address: '10.9.9.9:8300' }), {
    code: 'REJECTED',
    message: 'address "10.9.9.9:8300" was not found in the Raft configuration',
  })
  await settle()
})
