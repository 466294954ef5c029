/**
 * Health, promotion and removal of servers (Raft specification 12).
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AUTOPILOT_DEFAULTS } from '../../../../core/autopilot/defaults.ts'
import { promotions } from '../../../../core/autopilot/promotions.ts'
import { removals } from '../../../../core/autopilot/removals.ts'
import { autopilotState } from '../../../../core/autopilot/state.ts'
import type { AutopilotConfig, AutopilotInput } from '../../../../core/autopilot/types.ts'
import type { MemberStatus } from '../../../../core/membership.ts'
import { EMPTY_CONFIGURATION } from '../../../../core/raft/configuration.ts'
import { serverId } from '../../../../core/raft/types.ts'

const HOUR = 3_600_000

interface Given {
  readonly voters: readonly string[]
  readonly learners?: readonly string[]
  /** Not named: alive. `none`: gossip does not know it. */
  readonly status?: Readonly<Record<string, MemberStatus>>
  readonly stats?: Readonly<
    Record<string, { lastContactMs?: number | null; lastTerm?: number; lastIndex?: number }>
  >
  readonly config?: Partial<AutopilotConfig>
  readonly now?: number
  readonly runningSince?: number
  readonly previous?: AutopilotInput['previous']
}

/** The first voter leads in term 3 with 1,000 entries. */
function input(given: Given): AutopilotInput {
  const learners = given.learners ?? []
  const ids = [...given.voters, ...learners].sort()
  const statusOf = (id: string): MemberStatus => given.status?.[id] ?? 'alive'
  return {
    now: given.now ?? 0,
    runningSince: given.runningSince ?? 0,
    config: { ...AUTOPILOT_DEFAULTS, createIndex: 1, modifyIndex: 1, ...given.config },
    raft: {
      leaderId: given.voters[0] ?? '',
      term: 3,
      lastIndex: 1000,
      configuration: {
        ...EMPTY_CONFIGURATION,
        incoming: [...given.voters].sort().map(serverId),
        learners: [...learners].sort().map(serverId),
        addresses: ids.map((id) => ({ id: serverId(id), address: `${id}:8300` })),
      },
    },
    known: ids
      .filter((id) => statusOf(id) !== 'none')
      .map((id) => ({
        id,
        name: `node-${id}`,
        address: `${id}:8300`,
        status: statusOf(id),
        version: '1.0.0',
        meta: {},
      })),
    stats: new Map(
      ids
        .filter((id) => statusOf(id) === 'alive')
        .map((id) => [
          id,
          { lastContactMs: 20, lastTerm: 3, lastIndex: 990, ...given.stats?.[id] },
        ]),
    ),
    previous: given.previous ?? null,
  }
}

/** What autopilot does at each of the times, each seeing the state before it. */
function at(times: readonly number[], given: Given) {
  let previous = given.previous ?? null
  let promoted: readonly string[] = []
  let removed: readonly string[] = []
  for (const now of times) {
    const facts = input({ ...given, now, previous })
    const state = autopilotState(facts)
    promoted = promotions(state, facts)
    removed = removals(state, facts)
    previous = state
  }
  assert(previous !== null)
  return { state: previous, promoted, removed }
}

test('a cluster in order is healthy and can lose one of three', () => {
  const { state } = at([5], { voters: ['a', 'b', 'c'] })
  assert.equal(state.isHealthy, true)
  assert.equal(state.failureTolerance, 1)
  assert.equal(state.leader, 'a')
  assert.deepEqual(state.voters, ['a', 'b', 'c'])
})

test('each rule of health alone makes a server unhealthy', () => {
  const cases: readonly Given[] = [
    { voters: ['a', 'b', 'c'], status: { b: 'failed' } },
    { voters: ['a', 'b', 'c'], status: { b: 'leaving' } },
    { voters: ['a', 'b', 'c'], status: { b: 'none' } },
    { voters: ['a', 'b', 'c'], stats: { b: { lastContactMs: 201 } } },
    { voters: ['a', 'b', 'c'], stats: { b: { lastContactMs: null } } },
    { voters: ['a', 'b', 'c'], stats: { b: { lastContactMs: -1 } } },
    { voters: ['a', 'b', 'c'], stats: { b: { lastTerm: 2 } } },
    { voters: ['a', 'b', 'c'], stats: { b: { lastIndex: 749 } } },
  ]
  for (const given of cases) {
    const { state } = at([5], given)
    const unhealthy = state.servers.filter((server) => !server.isHealthy).map(({ id }) => id)
    assert.deepEqual(unhealthy, ['b'], JSON.stringify(given))
    assert.equal(state.failureTolerance, 0)
    assert.equal(state.isHealthy, false)
  }
})

test('just at the limits a server is healthy', () => {
  const { state } = at([5], {
    voters: ['a', 'b', 'c'],
    stats: { b: { lastContactMs: 200, lastIndex: 750 } },
  })
  assert.equal(state.isHealthy, true)
})

test('the leader is judged by its own log, not by a call to itself', () => {
  const { state } = at([5], { voters: ['a'], stats: { a: { lastContactMs: null, lastTerm: 0 } } })
  assert.equal(state.servers[0]?.isHealthy, true)
  assert.equal(state.servers[0]?.lastIndex, 1000)
})

test('stable since moves only when health changes', () => {
  const first = at([100], { voters: ['a', 'b', 'c'] }).state
  const second = at([200], { voters: ['a', 'b', 'c'], previous: first }).state
  assert.equal(second.servers[1]?.stableSince, 100)
  const third = at([300], { voters: ['a', 'b', 'c'], status: { b: 'failed' }, previous: second })
  assert.equal(third.state.servers[1]?.stableSince, 300)
  assert.equal(third.state.servers[1]?.notAliveSince, 300)
})

test('a learner is promoted once it was healthy for the stabilisation time', () => {
  const given: Given = { voters: ['a', 'b', 'c'], learners: ['d'], runningSince: -HOUR }
  assert.deepEqual(at([0], given).promoted, [])
  assert.deepEqual(at([0, 9_999], given).promoted, [])
  assert.deepEqual(at([0, 10_000], given).promoted, ['d'])
})

test('a new leader does not ask for time that it could not have seen', () => {
  const given: Given = { voters: ['a', 'b', 'c'], learners: ['d'], runningSince: 0 }
  assert.deepEqual(at([1], given).promoted, ['d'])
})

test('a learner that is behind is not promoted', () => {
  const given: Given = { voters: ['a'], learners: ['d'], stats: { d: { lastIndex: 700 } } }
  assert.deepEqual(at([0, 60_000], given).promoted, [])
})

test('nothing happens in a joint configuration', () => {
  const facts = input({ voters: ['a', 'b', 'c'], learners: ['d', 'e'], status: { e: 'failed' } })
  const joint = {
    ...facts,
    raft: {
      ...facts.raft,
      configuration: { ...facts.raft.configuration, outgoing: [serverId('a')] },
    },
  }
  const state = autopilotState(joint)
  assert.deepEqual(promotions(state, joint), [])
  assert.deepEqual(removals(state, joint), [])
})

test('dead servers go in the order: unknown learner, unknown voter, failed learner, failed voter', () => {
  const given: Given = {
    voters: ['a', 'b', 'c', 'd', 'e', 'f'],
    learners: ['l', 'm', 'n'],
    status: { f: 'none', e: 'failed', m: 'none', l: 'failed' },
  }
  // One voter a round: the unknown one comes first.
  assert.deepEqual(at([0, 30_000], given).removed, ['m', 'f', 'l'])
})

test('a failed voter stays for 30 s, and until its place is taken', () => {
  const alone: Given = { voters: ['a', 'b', 'c'], status: { c: 'failed' } }
  assert.deepEqual(at([0, 30_000], alone).removed, [])
  const replaced: Given = { ...alone, learners: ['d'] }
  assert.deepEqual(at([0, 29_999], replaced).removed, [])
  const later = at([0, 30_000], replaced)
  assert.deepEqual(later.removed, ['c'])
  assert.deepEqual(later.promoted, [], 'no promotion in a round of removals')
})

test('a replacement that votes already counts', () => {
  const given: Given = { voters: ['a', 'b', 'c', 'd'], status: { c: 'failed' } }
  assert.deepEqual(at([0, 30_000], given).removed, ['c'])
})

test('after 72 hours a failed voter goes without a replacement', () => {
  const given: Given = { voters: ['a', 'b', 'c'], status: { c: 'failed' } }
  assert.deepEqual(at([0, 72 * HOUR - 1], given).removed, [])
  assert.deepEqual(at([0, 72 * HOUR], given).removed, ['c'])
})

test('a voter that came back starts its time anew', () => {
  const dead: Given = { voters: ['a', 'b', 'c', 'd'], status: { c: 'failed' } }
  const back = at([20_000], { ...dead, status: {}, previous: at([0], dead).state }).state
  assert.deepEqual(at([25_000, 40_000], { ...dead, previous: back }).removed, [])
})

test('the healthy voters that stay must be a quorum of what results', () => {
  const given: Given = {
    voters: ['a', 'b', 'c', 'd'],
    status: { c: 'failed' },
    stats: { b: { lastIndex: 0 }, d: { lastIndex: 0 } },
  }
  assert.deepEqual(at([0, 100 * HOUR], given).removed, [])
})

test('never fewer potential voters than the minimum, and never a majority', () => {
  const given: Given = { voters: ['a', 'b', 'c', 'd'], status: { c: 'failed' } }
  assert.deepEqual(at([0, HOUR], { ...given, config: { minQuorum: 4 } }).removed, [])
  assert.deepEqual(at([0, HOUR], { ...given, config: { minQuorum: 3 } }).removed, ['c'])
  assert.deepEqual(at([0, 100 * HOUR], { voters: ['a', 'b'], status: { b: 'failed' } }).removed, [])
})

test('a server that is leaving is not dead', () => {
  const given: Given = { voters: ['a', 'b', 'c', 'd'], status: { c: 'leaving' } }
  assert.deepEqual(at([0, 100 * HOUR], given).removed, [])
})

test('cleanup can be switched off', () => {
  const given: Given = {
    voters: ['a', 'b', 'c'],
    learners: ['d'],
    status: { d: 'failed' },
    config: { cleanupDeadServers: false },
  }
  assert.deepEqual(at([0, HOUR], given).removed, [])
})

test('whatever the facts, a removal leaves a healthy quorum and the leader', () => {
  const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
  const status = fc.constantFrom<MemberStatus>('alive', 'failed', 'left', 'none', 'leaving')
  const facts = fc.record({
    voters: fc.integer({ min: 1, max: 5 }),
    learners: fc.integer({ min: 0, max: 2 }),
    status: fc.dictionary(fc.constantFrom(...ids.slice(1)), status),
    minQuorum: fc.integer({ min: 0, max: 6 }),
    waitedMs: fc.constantFrom(0, 30_000, 73 * HOUR),
  })
  fc.assert(
    fc.property(facts, ({ voters, learners, status, minQuorum, waitedMs }) => {
      const { state, removed, promoted } = at([0, waitedMs], {
        voters: ids.slice(0, voters),
        learners: ids.slice(voters, voters + learners),
        status,
        config: { minQuorum },
      })
      const staying = state.servers.filter((server) => !removed.includes(server.id))
      const stayingVoters = staying.filter((server) => server.isVoter)
      const lostVoters = state.voters.length - stayingVoters.length
      assert(lostVoters <= 1)
      assert(staying.some((server) => server.isLeader))
      if (removed.length > 0) {
        assert(staying.length >= minQuorum)
        assert.deepEqual(promoted, [])
      }
      if (lostVoters > 0) {
        const healthy = stayingVoters.filter((server) => server.isHealthy).length
        assert(healthy >= Math.floor(stayingVoters.length / 2) + 1)
      }
    }),
  )
})
