/**
 * Three agents that find out how far they are from each other, and what operators see of it.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCluster, type TestNode } from './harness/cluster.ts'
import { eventually } from './harness/program.ts'

interface Place {
  readonly Node: string
  readonly Coord: { readonly Vec: readonly number[]; readonly Error: number }
}

/** An interval to the first word of each agent, and the batch of the leader. */
const PLACED_MS = 60_000

test('agents place each other: near, rtt and the coordinates agree', async () => {
  await using cluster = await createCluster(['n1'])
  const c1 = await cluster.addClient('c1')
  const c2 = await cluster.addClient('c2')
  await cluster.startAll()
  await cluster.leader()

  const placesAt = async (agent: TestNode): Promise<readonly Place[]> =>
    await agent.json<readonly Place[]>('/v1/coordinate/nodes')
  const places = await eventually(
    'all three are placed',
    async () => {
      const found = await placesAt(c1)
      return found.length === 3 && found
    },
    PLACED_MS,
  )
  assert.deepEqual(
    places.map(({ Node }) => Node),
    ['c1', 'c2', 'n1'],
  )
  for (const { Coord } of places) assert.equal(Coord.Vec.length, 8)

  const self = await c2.json<{ Coord: Place['Coord'] }>('/v1/agent/self')
  assert.ok(self.Coord.Error < 1.5, 'its probes have been answered')

  const between = await c1.command('rtt', 'n1', 'c2')
  assert.match(
    between.stdout,
    /^Estimated n1 <-> c2 rtt: \d+\.\d{3} ms \(using LAN coordinates\)\n$/,
  )
  const own = await c1.command('rtt', 'n1')
  assert.match(own.stdout, /^Estimated n1 <-> c1 rtt: /)
  const wan = await c1.command('rtt', '-wan', 'n1.dc1', 'n1.dc1')
  assert.match(wan.stdout, /\(using WAN coordinates\)\n$/)
  for (const [argv, message] of [
    [['rtt', 'n1', 'nobody'], /Could not find a coordinate for node "nobody"/],
    [['rtt', '-wan', 'n1', 'n1.dc1'], /must be specified as <node name>\.<datacenter> with -wan/],
    [['rtt'], /One or two node names must be specified/],
  ] as const) {
    const failed = await c1.command(...argv)
    assert.equal(failed.code, 1)
    assert.match(failed.stderr, message)
  }

  const near = await c2.json<readonly { Node: string }[]>('/v1/catalog/nodes?near=_agent')
  assert.equal(near[0]?.Node, 'c2')
  assert.equal(near.length, 3)
})
