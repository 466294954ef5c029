/**
 * User events in whole pools: they reach everybody who is there, once (G12), and the queues run empty after them (G11).
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
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

function fire(world: SwimWorld, by: SimMember, payload: string): void {
  world.input(by, { kind: 'fire', name: 'deploy', payload: new TextEncoder().encode(payload) })
}

/** The payloads that a member was told; fails when one came twice. */
function payloads(member: SimMember): string[] {
  assert.equal(new Set(member.heard).size, member.heard.length, `${member.name} was told twice`)
  return member.heard.map((line) => line.split(' ')[2] ?? '').sort()
}

forSeeds(
  'events of many members at once reach all, although a third of all packets is lost',
  (seed) => {
    const world = new SwimWorld({ seed, loss: 0.3 })
    const members = world.addPool(20)
    const expected = members.map((member) => member.name).sort()
    for (const member of members) fire(world, member, member.name)
    const ms = world.runUntil(() => members.every((m) => m.heard.length === 20), 20_000)
    assert.ok(ms < 10_000, `${ms} ms`)
    world.run(60_000)
    for (const member of members) assert.deepEqual(payloads(member), expected)
    world.loss = 0
    world.runUntil(() => members.every((m) => m.core.queueLength === 0), 30_000)
  },
)

forSeeds('whoever was cut off hears later what both sides said', (seed) => {
  const world = new SwimWorld({ seed })
  const members = world.addPool(8)
  world.partition(members.slice(0, 3), members.slice(3))
  world.run(60_000)
  for (const i of [0, 1, 2]) fire(world, at(members, i), `left${i}`)
  for (const i of [4, 5]) fire(world, at(members, i), `right${i}`)
  world.run(30_000)
  assert.deepEqual(payloads(at(members, 1)), ['left0', 'left1', 'left2'])
  assert.deepEqual(payloads(at(members, 7)), ['right4', 'right5'])
  world.heal()
  world.runUntil(() => members.every((m) => m.heard.length === 5), 240_000)
  for (const member of members) payloads(member)
})

forSeeds(
  'a newcomer hears what is said after it came; who restarts also what it missed',
  async (seed) => {
    const world = new SwimWorld({ seed })
    const members = world.addPool(6)
    const first = at(members, 0)
    fire(world, first, 'one')
    world.runUntil(() => members.every((m) => m.heard.length === 1), 10_000)

    const absent = at(members, 3)
    const { eventTime } = absent.core
    world.crash(absent)
    world.run(30_000)
    fire(world, first, 'two')
    world.run(5000)
    world.restart(absent, { incarnation: 40, eventTime })
    void world.join(absent, first)
    const newcomer = world.add('new')
    void world.join(newcomer, first)
    world.runUntil(() => world.isWhole, 60_000)
    fire(world, at(members, 2), 'three')
    world.run(60_000)
    assert.deepEqual(payloads(absent), ['one', 'three', 'two'])
    assert.deepEqual(payloads(newcomer), ['three'])
    assert.deepEqual(payloads(first), ['one', 'three', 'two'])
  },
)

forSeeds('a query is answered by all that it is for, although packets are lost', (seed) => {
  const world = new SwimWorld({ seed, loss: 0.1 })
  const members = world.addPool(20)
  const asker = at(members, 4)
  const filters = { nodes: members.slice(0, 12).map(({ name }) => name), tags: [] }
  const wish = { name: 'who', payload: new Uint8Array(0), filters, wantsAck: true, relayFactor: 3 }
  world.input(asker, { kind: 'ask', id: 1, wish })
  world.run(6500)
  assert.deepEqual(asker.closed, [null])
  const expected = filters.nodes.flatMap((name) => [`ack ${name}`, `answer ${name}`]).sort()
  assert.deepEqual([...asker.answers].sort(), expected)
  for (const member of members) {
    assert.deepEqual(member.asked, filters.nodes.includes(member.name) ? ['who'] : [])
  }
  world.loss = 0
  world.runUntil(() => members.every((m) => m.core.queueLength === 0), 30_000)
})
