/**
 * Pools of 3 to 100 members under a simulator: they come together, find who fails, and nobody else.
 *
 * Each turn of each member is checked by the world; a failure names the seed, which replays it.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeTags } from '../../../core/swim/tags.ts'
import type { JoinOutcome } from '../../../core/swim/types.ts'
import type { SimMember } from './sim-member.ts'
import { SwimWorld } from './swim-world.ts'

const SEEDS = [1, 2, 3]

function forSeeds(name: string, body: (seed: number) => void | Promise<void>): void {
  for (const seed of SEEDS) test(`${name} (seed ${seed})`, () => body(seed))
}

function at(members: readonly SimMember[], index: number): SimMember {
  const member = members[index]
  assert.ok(member !== undefined)
  return member
}

function failuresSeen(world: SwimWorld, of?: SimMember): number {
  return world.events.filter(
    ({ change, name }) => change === 'fail' && (of === undefined || name === of.name),
  ).length
}

for (const [size, limitMs] of [
  [3, 2000],
  [10, 2000],
  [100, 6000],
] as const) {
  forSeeds(`${size} members that join at once all see each other`, (seed) => {
    const world = new SwimWorld({ seed })
    world.checksAll = size <= 10
    const members = world.addMany(size)
    for (const member of members.slice(1)) void world.join(member, at(members, 0))
    world.runUntil(() => world.isWhole, limitMs)
    world.run(30_000)
    assert.ok(world.isWhole)
    assert.equal(failuresSeen(world), 0)
    for (const { core } of members) assert.equal(core.queueLength, 0, 'G11: the queues run empty')
  })
}

forSeeds(
  'a crashed member is seen as failed by all within the time that the formulas promise',
  (seed) => {
    const world = new SwimWorld({ seed })
    const members = world.addPool(10)
    world.run(10_000)
    const victim = at(members, 4)
    world.crash(victim)
    // gossip.md 13.2: 1.58 + 1 probe intervals, then suspicion from 4 s (confirmed) to 24 s, then spreading.
    const took = world.runUntil(() => world.allSee(victim, 'failed'), 30_000)
    assert.ok(took > 4000, `${took} ms is sooner than any suspicion ends`)
    assert.equal(failuresSeen(world), 9, 'each of the others saw it fail, once, and nobody else')
  },
)

test('detection takes about 10 s in a pool of 30, on average', () => {
  const times: number[] = []
  for (let seed = 1; seed <= 10; seed++) {
    const world = new SwimWorld({ seed })
    world.checksAll = false
    const members = world.addPool(30)
    world.run(5000)
    world.crash(at(members, 7))
    times.push(world.runUntil(() => world.allSee(at(members, 7), 'failed'), 60_000))
  }
  const mean = times.reduce((sum, ms) => sum + ms, 0) / times.length
  assert.ok(mean > 6000 && mean < 13_000, `mean ${mean} ms of ${times.join(', ')}`)
})

forSeeds('nobody is falsely seen as failed with a tenth of all packets lost', (seed) => {
  const world = new SwimWorld({ seed, loss: 0.1 })
  world.checksAll = false
  world.addPool(30)
  world.run(10 * 60_000)
  assert.equal(failuresSeen(world), 0)
  assert.ok(world.isWhole)
})

test('a member whose UDP does not get through is kept alive by TCP', () => {
  const world = new SwimWorld({ seed: 5 })
  const members = world.addPool(3)
  world.loss = 1
  world.run(60_000)
  assert.equal(failuresSeen(world), 0)
  assert.ok(members.every(({ core }) => core.counters.probesFailed === 0))
})

forSeeds('new tags reach all within the time of the epidemic model', (seed) => {
  const world = new SwimWorld({ seed })
  world.checksAll = false
  const members = world.addPool(100)
  world.run(30_000)
  world.input(at(members, 3), { kind: 'set-meta', meta: new Uint8Array([1, 1, 97, 1, 98]) })
  const took = world.runUntil(
    () => world.running().every((m) => world.view(m, 'm3')?.tags['a'] === 'b'),
    60_000,
    10,
  )
  assert.ok(took <= 2000, `${took} ms; gossip.md 7.3 says 2.0 s for 99.99 % of 100`)
})

forSeeds('a member that stops for a moment is suspected, objects and stays', (seed) => {
  const world = new SwimWorld({ seed })
  const members = world.addPool(10)
  const slow = at(members, 2)
  world.run(5000)
  world.pause(slow, 3500)
  world.run(60_000)
  assert.equal(failuresSeen(world), 0)
  assert.ok(world.isWhole)
})

forSeeds('a member that stops for a minute fails and comes back by itself', (seed) => {
  const world = new SwimWorld({ seed })
  const members = world.addPool(10)
  const slow = at(members, 2)
  world.pause(slow, 60_000)
  world.run(50_000)
  assert.ok(members.every((m) => m === slow || world.view(m, slow)?.status === 'failed'))
  world.runUntil(() => world.isWhole, 180_000)
})

forSeeds('a split pool sees two halves, and is whole again after healing', (seed) => {
  const world = new SwimWorld({ seed })
  const members = world.addPool(10)
  world.partition(members.slice(0, 4), members.slice(4))
  world.run(120_000)
  for (const member of members.slice(0, 4)) {
    assert.equal(member.core.members().filter((view) => view.status === 'failed').length, 6)
  }
  world.heal()
  // Each side tries each failed member of the other about once in 30 s.
  world.runUntil(() => world.isWhole, 180_000)
  world.run(90_000)
  assertSameTables(world)
})

forSeeds('who is cut off from one other only is not seen as failed: helpers reach it', (seed) => {
  const world = new SwimWorld({ seed })
  const members = world.addPool(6)
  world.cut(at(members, 0), at(members, 1))
  world.run(120_000)
  assert.equal(failuresSeen(world), 0)
})

forSeeds('leaving is seen as leaving by all, also when packets are lost (G9)', (seed) => {
  const world = new SwimWorld({ seed, loss: 0.1 })
  const members = world.addPool(30)
  const leaver = at(members, 9)
  world.input(leaver, { kind: 'leave' })
  world.runUntil(() => leaver.hasLeft, 15_000)
  world.runUntil(() => world.allSee(leaver, 'left'), 30_000)
  world.run(60_000)
  assert.ok(world.allSee(leaver, 'left'))
  assert.equal(failuresSeen(world, leaver), 0)
})

forSeeds('who left may come back at once, whatever it remembers', async (seed) => {
  for (const incarnation of [1, 40]) {
    const world = new SwimWorld({ seed })
    const members = world.addPool(5)
    const leaver = at(members, 1)
    world.input(leaver, { kind: 'leave' })
    world.runUntil(() => leaver.hasLeft, 15_000)
    world.restart(leaver, { incarnation })
    const joined = world.join(leaver, at(members, 3))
    world.runUntil(() => world.isWhole, 10_000)
    assert.deepEqual(await joined, { kind: 'joined' })
    world.run(60_000)
    assert.ok(world.isWhole)
  }
})

forSeeds('all restart at once and find each other again', (seed) => {
  const world = new SwimWorld({ seed })
  const members = world.addPool(30)
  world.run(20_000)
  for (const member of members) world.crash(member)
  for (const [i, member] of members.entries()) {
    world.restart(member)
    void world.join(member, at(members, (i + 1) % members.length))
  }
  world.runUntil(() => world.isWhole, 60_000)
})

forSeeds('force-leave makes a failed member left for all; with prune it is forgotten', (seed) => {
  const world = new SwimWorld({ seed })
  const members = world.addPool(10)
  const [gone, pruned] = [at(members, 8), at(members, 9)]
  world.crash(gone)
  world.crash(pruned)
  world.runUntil(() => world.allSee(gone, 'failed') && world.allSee(pruned, 'failed'), 60_000)
  world.input(at(members, 0), { kind: 'force-leave', name: gone.name, prune: false })
  world.input(at(members, 0), { kind: 'force-leave', name: pruned.name, prune: true })
  world.runUntil(() => world.allSee(gone, 'left'), 10_000)
  world.runUntil(() => world.running().every((m) => world.view(m, pruned) === undefined), 10_000)
  world.run(120_000)
  assert.ok(
    world.running().every((m) => world.view(m, pruned) === undefined),
    'it stays forgotten',
  )
})

forSeeds(
  'who missed that a failed member was made to leave learns it when tables are compared',
  (seed) => {
    const world = new SwimWorld({ seed })
    const members = world.addPool(5)
    const gone = at(members, 4)
    world.crash(gone)
    world.runUntil(() => world.allSee(gone, 'failed'), 60_000)
    world.run(60_000)
    world.loss = 1
    world.input(at(members, 0), { kind: 'force-leave', name: gone.name, prune: false })
    world.run(4000)
    assert.equal(world.view(at(members, 1), gone)?.status, 'failed', 'the word was lost')
    world.loss = 0
    world.runUntil(() => world.allSee(gone, 'left'), 120_000)
  },
)

forSeeds('a live member that is forced to leave objects and stays', (seed) => {
  const world = new SwimWorld({ seed })
  const members = world.addPool(10)
  world.input(at(members, 0), { kind: 'force-leave', name: 'm5', prune: true })
  world.run(20_000)
  assert.ok(world.isWhole)
})

test('failed members are reaped after their time, left ones after theirs', () => {
  const world = new SwimWorld({ seed: 4 })
  const members = world.addPool(3)
  const reaped = (of: SimMember): boolean =>
    world.running().every((m) => m === of || world.view(m, of) === undefined)
  world.crash(at(members, 1))
  world.input(at(members, 2), { kind: 'leave' })
  world.run(23.9 * 3_600_000)
  assert.ok(world.allSee(at(members, 1), 'failed') && world.allSee(at(members, 2), 'left'))
  world.run(3_600_000)
  assert.ok(reaped(at(members, 2)))
  assert.ok(world.allSee(at(members, 1), 'failed'))
  world.run(48 * 3_600_000)
  assert.ok(reaped(at(members, 1)))
})

test('a failed member that asked for it is forgotten sooner, but never at once', () => {
  const world = new SwimWorld({ seed: 4 })
  const members = world.addPool(5)
  const asks = (member: SimMember, text: string): void =>
    world.input(member, { kind: 'set-meta', meta: encodeTags({ rc_tm: text }) })
  const times: readonly (readonly [SimMember, string, number])[] = [
    [at(members, 1), '10m', 10 * 60_000],
    [at(members, 2), '0s', 60_000],
    [at(members, 3), 'soon', Number.POSITIVE_INFINITY],
  ]
  for (const [member, text] of times) asks(member, text)
  world.run(5000)
  for (const [member] of times) world.crash(member)
  world.runUntil(() => times.every(([member]) => world.allSee(member, 'failed')), 60_000)
  const observers = [at(members, 0), at(members, 4)]
  let passedMs = 0
  for (const [member, , ms] of [...times].sort((a, b) => a[2] - b[2])) {
    if (ms === Number.POSITIVE_INFINITY) break // it asked for nothing that can be understood
    world.run(ms - passedMs - 15_000)
    assert.ok(observers.every((m) => world.view(m, member)?.status === 'failed'))
    world.run(60_000)
    assert.ok(observers.every((m) => world.view(m, member) === undefined))
    passedMs = ms + 45_000
  }
  assert.ok(observers.every((m) => world.view(m, at(members, 3))?.status === 'failed'))
})

forSeeds('a name belongs to one host while that lives, and is free later', async (seed) => {
  const world = new SwimWorld({ seed })
  const members = world.addPool(3)
  const impostor = world.add('m1x')
  const rename = (id: string): SimMember => world.addNamesake('m1', id)
  const other = rename('another host')
  const outcome = world.join(other, at(members, 0))
  world.run(5000)
  const refused: JoinOutcome = await outcome
  assert.ok(
    refused.kind === 'failed' && /is in use by/.test(refused.reason),
    JSON.stringify(refused),
  )
  for (const m of members) assert.equal(world.view(m, 'm1')?.id, 'id-m1')
  world.crash(at(members, 1))
  world.runUntil(() => world.view(at(members, 0), 'm1')?.status === 'failed', 60_000)
  world.run(31_000)
  const second = world.join(other, at(members, 0))
  world.run(5000)
  assert.deepEqual(await second, { kind: 'joined' })
  for (const m of [at(members, 0), at(members, 2)]) {
    assert.equal(world.view(m, 'm1')?.id, 'another host')
    assert.equal(world.view(m, 'm1')?.status, 'alive')
  }
  assert.ok(impostor.isRunning)
})

test('a pool at rest sends less than a kilobyte a second and member', () => {
  const world = new SwimWorld({ seed: 9 })
  world.checksAll = false
  const members = world.addPool(30)
  world.run(30_000)
  for (const member of members) member.bytesSent = 0
  world.run(600_000)
  const mean = members.reduce((sum, { bytesSent }) => sum + bytesSent, 0) / members.length / 600
  assert.ok(mean < 800, `${Math.round(mean)} bytes a second`)
})

/** G5, for all that are alive. */
function assertSameTables(world: SwimWorld): void {
  const tables = world.running().map(({ core }) =>
    core
      .members()
      .filter(({ state }) => state === 'alive')
      .map(({ name, incarnation, state }) => `${name} ${incarnation} ${state}`)
      .sort()
      .join('\n'),
  )
  assert.equal(new Set(tables).size, 1, tables.join('\n\n'))
}
