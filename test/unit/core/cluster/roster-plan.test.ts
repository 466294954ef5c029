/**
 * What gossip makes of Raft's configuration: who comes, goes and moves; and who may leave.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { leaveRefusal } from '../../../../core/cluster/leave-rule.ts'
import { nextRosterChange } from '../../../../core/cluster/roster-plan.ts'
import { type ServerMember, serverMembers } from '../../../../core/cluster/server-members.ts'
import type { Member } from '../../../../core/membership.ts'
import { type Configuration, votersOnly } from '../../../../core/raft/configuration.ts'
import { serverId } from '../../../../core/raft/types.ts'

function configuration(...ids: readonly string[]): Configuration {
  return votersOnly(ids.map((id) => ({ id: serverId(id), address: `${id}:8300` })))
}

function server(id: string, change: Partial<ServerMember> = {}): ServerMember {
  return {
    id,
    name: `node-${id}`,
    address: `${id}:8300`,
    status: 'alive',
    version: '1',
    meta: {},
    isBootstrap: false,
    expect: 3,
    ...change,
  }
}

function next(servers: readonly ServerMember[], foreign: readonly string[] = []) {
  return nextRosterChange({
    selfId: 'a',
    configuration: configuration('a', 'b', 'c'),
    servers,
    isForeign: (id) => foreign.includes(id),
  })
}

test('nothing changes when the pool and the configuration agree, or gossip knows less', () => {
  assert.equal(next([server('a'), server('b'), server('c')]), null)
  assert.equal(next([server('a')]), null)
  assert.equal(next([server('a'), server('b', { status: 'failed' }), server('c')]), null)
})

test('a newcomer becomes a learner, unless it belongs elsewhere', () => {
  const servers = [server('a'), server('b'), server('c'), server('d')]
  assert.deepEqual(next(servers), { kind: 'learner', id: 'd', address: 'd:8300' })
  assert.equal(next(servers, ['d']), null)
  assert.equal(next([server('d', { status: 'failed' })]), null)
})

test('who left goes, before anybody comes; this server never removes itself', () => {
  const servers = [server('a', { status: 'left' }), server('b', { status: 'left' }), server('d')]
  assert.deepEqual(next(servers), { kind: 'remove', id: 'b' })
})

test('who moved gets the new address; one that another member still has must wait', () => {
  assert.deepEqual(next([server('b', { address: 'x:8300' })]), {
    kind: 'address',
    id: 'b',
    address: 'x:8300',
  })
  assert.equal(next([server('b', { address: 'c:8300' }), server('c')]), null)
})

test('a server with an empty disk at the address of its former self replaces it', () => {
  const servers = [server('a'), server('d', { address: 'c:8300' })]
  assert.deepEqual(next(servers), { kind: 'remove', id: 'c' })
  assert.equal(next([...servers, server('c')]), null, 'two that are alive: nobody is removed')
})

test('nothing is begun while a joint change runs', () => {
  const change = nextRosterChange({
    selfId: 'a',
    configuration: { ...configuration('a', 'b', 'c'), outgoing: [serverId('a')] },
    servers: [server('d')],
    isForeign: () => false,
  })
  assert.equal(change, null)
})

test('servers are read from the tags of members', () => {
  const member = (name: string, tags: Record<string, string>): Member => ({
    name,
    address: name === 'six' ? 'fd00::1' : '10.0.0.1',
    port: 8301,
    status: 'alive',
    tags: { role: 'consul', dc: 'dc1', id: name, port: '8300', build: '1.2.3:abc', ...tags },
  })
  const found = serverMembers(
    [
      member('one', { expect: '3' }),
      member('six', { bootstrap: '1' }),
      member('agent', { role: 'node' }),
      member('elsewhere', { dc: 'dc2' }),
      member('no-port', { port: '0' }),
      member('odd', { port: '8300x' }),
      member('nameless', { id: '' }),
      { ...member('one', {}), name: 'one-before', status: 'left' },
    ],
    'dc1',
  )
  assert.deepEqual(
    found.map(({ name, address, version, expect, isBootstrap }) => {
      return [name, address, version, expect, isBootstrap]
    }),
    [
      ['one', '10.0.0.1:8300', '1.2.3', 3, false],
      ['six', '[fd00::1]:8300', '1.2.3', 0, true],
    ],
  )
})

test('a server may leave while the others can go on', () => {
  const alive =
    (...ids: readonly string[]) =>
    (id: string) =>
      ids.includes(id)
  assert.equal(leaveRefusal(configuration('a', 'b', 'c'), 'a', alive('b', 'c')), null)
  assert.match(
    leaveRefusal(configuration('a', 'b', 'c'), 'a', alive('b')) ?? '',
    /1 is alive, and 2/,
  )
  assert.equal(leaveRefusal(configuration('a'), 'a', alive()), null)
  assert.equal(leaveRefusal(configuration('a', 'b'), 'z', alive()), null, 'it has no vote')
  assert.equal(leaveRefusal(configuration('a', 'b'), 'a', alive('b')), null)
})
