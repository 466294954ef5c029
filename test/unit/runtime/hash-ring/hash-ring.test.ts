/**
 * Consistent hashing: even shares, few moves, no surprises at the edges.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HashRing } from '../../../../runtime/hash-ring/hash-ring.ts'

const KEYS = Array.from({ length: 4000 }, (_, i) => `node-${i}`)
const SERVERS = ['10.0.0.1:8300', '10.0.0.2:8300', '10.0.0.3:8300', '[::1]:8300', '[::2]:8300']

test('nobody owns anything where there is nobody', () => {
  assert.equal(new HashRing([]).owner('x'), undefined)
})

test('owners depend on the set of members alone, not on its order', () => {
  const forward = new HashRing(SERVERS)
  const backward = new HashRing([...SERVERS, ...SERVERS].reverse())
  assert.deepEqual(backward.members, forward.members)
  for (const key of KEYS.slice(0, 200)) assert.equal(forward.owner(key), backward.owner(key))
})

test('shares are within a third of even', () => {
  const ring = new HashRing(SERVERS)
  const counts = new Map(SERVERS.map((server) => [server, 0]))
  for (const key of KEYS) {
    const owner = ring.owner(key) ?? ''
    counts.set(owner, (counts.get(owner) ?? 0) + 1)
  }
  const even = KEYS.length / SERVERS.length
  for (const count of counts.values())
    assert.ok(Math.abs(count - even) < even / 3, String([...counts]))
})

test('a member that goes gives its keys away and moves no other', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 30 }), fc.nat(), (size, pick) => {
      const members = Array.from({ length: size }, (_, i) => `server-${i}`)
      const gone = members[pick % size]
      const before = new HashRing(members)
      const after = new HashRing(members.filter((member) => member !== gone))
      for (const key of KEYS.slice(0, 100)) {
        const owner = before.owner(key)
        if (owner !== gone) assert.equal(after.owner(key), owner)
        else assert.notEqual(after.owner(key), gone)
      }
    }),
    { numRuns: 30 },
  )
})

test('a ring of a size is finer, and the same while its members are about as many', () => {
  const worst = (ring: HashRing): number => {
    const counts = new Map(SERVERS.map((server) => [server, 0]))
    for (const key of KEYS) {
      const owner = ring.owner(key) ?? ''
      counts.set(owner, (counts.get(owner) ?? 0) + 1)
    }
    return Math.max(...counts.values()) / (KEYS.length / SERVERS.length)
  }
  const fine = { min: 32_768, max: 65_536 }
  assert.ok(worst(new HashRing(SERVERS, fine)) < worst(new HashRing(SERVERS)))
  assert.ok(worst(new HashRing(SERVERS, { min: 1, max: 20 })) > worst(new HashRing(SERVERS)))
  const gone = SERVERS[0]
  const before = new HashRing(SERVERS, { min: 1024, max: 65_536 })
  const after = new HashRing(SERVERS.slice(1), { min: 1024, max: 65_536 })
  const stayed = KEYS.filter((key) => before.owner(key) !== gone)
  const moved = stayed.filter((key) => before.owner(key) !== after.owner(key))
  assert.ok(moved.length < stayed.length / 3, `${moved.length} of ${stayed.length}`)
})
