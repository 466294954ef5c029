/**
 * Founding a cluster by agreement: in any order, through crashes at every point, against differing views.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRng } from '../../../../core/rng.ts'
import { FoundingWorld } from './founding-world.ts'

test('three servers found one cluster, whatever the order of their starts', async () => {
  for (const order of ['abc', 'acb', 'bac', 'bca', 'cab', 'cba']) {
    const world = new FoundingWorld()
    for (const id of order) {
      await world.add(id)
      await world.pass(1500)
    }
    await world.pass(3000)
    assert.equal(world.begun.length, 3, order)
    assert.equal(new Set(world.begun.map(({ clusterId }) => clusterId)).size, 1)
    world.assertOneConfiguration()
    for (const host of world.hosts.values()) assert.equal(host.promises.accepted, null, 'forgotten')
    await world.end()
  }
})

test('promises that cannot be removed yet are removed later', async () => {
  const world = new FoundingWorld()
  world.fixedRecords.add('b')
  for (const id of 'abc') await world.add(id)
  await world.pass(5000)
  assert.equal(world.begun.length, 3)
  assert.notEqual(world.hosts.get('b')?.promises.accepted, null)
  world.fixedRecords.clear()
  await world.pass(1000)
  assert.equal(world.hosts.get('b')?.promises.accepted, null)
  await world.end()
})

test('two of three wait', async () => {
  const world = new FoundingWorld()
  await world.add('a')
  await world.add('b')
  await world.pass(20_000)
  assert.deepEqual(world.begun, [])
  await world.end()
})

test('servers that expect different numbers found nothing', async () => {
  const world = new FoundingWorld()
  for (const id of 'abc') await world.add(id)
  world.kill('c')
  world.hosts.delete('c')
  await world.add('c', { expect: 5 })
  await world.add('d')
  await world.pass(20_000)
  assert.deepEqual(world.begun, [])
  await world.end()
})

test('a server that elects itself stops the founding', async () => {
  const world = new FoundingWorld()
  await world.add('d', { expect: 1, isBootstrap: true })
  for (const id of 'abc') await world.add(id)
  await world.pass(20_000)
  assert.deepEqual(world.begun, [])
  await world.end()
})

test('where a cluster exists, no second one is founded beside it', async () => {
  const world = new FoundingWorld()
  for (const id of 'cde') await world.add(id)
  await world.pass(5000)
  assert.equal(world.begun.length, 3)
  // The smallest ids come late, and see one member of the cluster only.
  await world.add('a')
  await world.add('b')
  world.look('a', ['b', 'c'])
  world.look('b', ['a', 'c'])
  await world.pass(20_000)
  assert.deepEqual(
    world.begun.map(({ id }) => id),
    ['c', 'd', 'e'],
  )
  await world.end()
})

test('proposals that block each other are withdrawn once everybody sees everybody', async () => {
  const world = new FoundingWorld()
  for (const id of 'abcde') await world.add(id)
  // Three proposers want the same two, and each has got one of them at most.
  world.look('a', ['d', 'e'])
  world.look('b', ['d', 'e'])
  world.look('c', ['d', 'e'])
  await world.pass(5000)
  world.assertOneConfiguration()
  for (const id of 'abcde') world.look(id, null)
  await world.pass(20_000)
  world.assertOneConfiguration()
  assert.equal(new Set(world.begun.map(({ clusterId }) => clusterId)).size, 1)
  assert.equal(world.begun.length, 3)
  await world.end()
})

test('a crash at any point is resumed, and there is still one cluster', async () => {
  const points = [
    'before save',
    'after save',
    'before call',
    'after call',
    'before bootstrap',
    'after bootstrap',
  ]
  for (const victim of 'abc') {
    for (const point of points) {
      for (let nth = 1; nth <= 6; nth++) {
        const world = new FoundingWorld()
        let count = 0
        world.crashAt = (id, at) => id === victim && at === point && ++count === nth
        for (const id of 'abc') await world.add(id)
        await world.pass(3000)
        world.assertOneConfiguration()
        if (world.hosts.get(victim)?.running === null) await world.start(victim)
        await world.pass(6000)
        const what = `${victim} crashed ${point} for the ${nth}th time`
        world.assertOneConfiguration()
        // Raft brings in one that was not told: it has promised itself to no other cluster.
        assert(world.begun.length >= 2, what)
        const names = world.begun.map(({ clusterId }) => clusterId)
        for (const { begun, promises } of world.hosts.values()) {
          if (begun === null) names.push(promises.accepted?.clusterId ?? 'none')
        }
        assert.equal(new Set(names).size, 1, what)
        await world.end()
        if (count < nth) break
      }
    }
  }
})

test('random views, crashes and restarts of five never make two configurations of one cluster', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const rng = seededRng(seed)
    const world = new FoundingWorld()
    const ids = [...'abcde']
    for (const id of ids) await world.add(id)
    world.crashAt = () => rng.range(0, 40) === 0
    for (let step = 0; step < 12; step++) {
      const id = rng.pick(ids) ?? 'a'
      if (world.hosts.get(id)?.running === null) await world.start(id)
      else world.look(id, rng.range(0, 3) === 0 ? null : ids.filter(() => rng.range(0, 3) > 0))
      await world.pass(rng.range(1, 12) * 100)
      world.assertOneConfiguration()
    }
    world.crashAt = () => false
    for (const id of ids) world.look(id, null)
    for (const id of ids) if (world.hosts.get(id)?.running === null) await world.start(id)
    await world.pass(15_000)
    world.assertOneConfiguration()
    assert(world.begun.length >= 3, `seed ${seed}: a cluster in the end`)
    await world.end()
  }
})
