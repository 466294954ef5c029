/**
 * Who the servers are: as gossip knows them, and this one as it knows itself.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Member } from '../../../../core/membership.ts'
import { ServerDirectory } from '../../../../server/cluster/server-directory.ts'

function member(id: string, port: string, status: Member['status'] = 'alive'): Member {
  return {
    name: `node-${id}`,
    address: '10.0.0.1',
    port: 8301,
    status,
    tags: { role: 'consul', dc: 'dc1', id, port },
  }
}

test('keeps up with the pool, and knows itself before gossip does', () => {
  const listeners = new Set<(members: readonly Member[]) => void>()
  let members: readonly Member[] = [member('a', '0'), member('b', '8300')]
  const directory = new ServerDirectory(
    { datacenter: 'dc1' },
    {
      membership: {
        members: () => members,
        onChange: (listener) => {
          listeners.add(listener)
          return () => void listeners.delete(listener)
        },
      },
      self: () => ({
        id: 'a',
        name: 'node-a',
        address: '10.0.0.9:4000',
        status: 'alive',
        version: '1',
        meta: {},
        isBootstrap: false,
        expect: 3,
      }),
    },
  )
  const stop = directory.follow()
  const addresses = (): readonly string[] => directory.servers().map(({ address }) => address)
  assert.deepEqual(addresses(), ['10.0.0.9:4000', '10.0.0.1:8300'])
  members = [member('a', '8300'), member('b', '8400'), member('c', '8500', 'left')]
  for (const listener of listeners) listener(members)
  assert.deepEqual(addresses(), ['10.0.0.9:4000', '10.0.0.1:8400', '10.0.0.1:8500'])
  assert.equal(directory.addressOf('a'), '10.0.0.9:4000')
  assert.equal(directory.addressOf('c'), undefined, 'it has left')
  stop()
  assert.equal(listeners.size, 0)
})
