/**
 * What the transport is told of the members: gossip first, and those that leave for a while longer.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { votersOnly } from '../../../../core/raft/configuration.ts'
import { serverId } from '../../../../core/raft/types.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { PeerAddresses } from '../../../../server/raft/peer-addresses.ts'

const of = (...ids: readonly string[]) =>
  votersOnly(ids.map((id) => ({ id: serverId(id), address: `${id}:1` })))

class Rig {
  readonly clock = new ManualClock()
  readonly told: string[] = []
  readonly known = new Map<string, string>()
  readonly listeners = new Set<() => void>()
  readonly peers = new PeerAddresses(
    { self: serverId('a'), farewellMs: 2_000 },
    {
      clock: this.clock,
      transport: {
        setPeers: (peers) => this.told.push(peers.map((p) => `${p.id}=${p.address}`).join(' ')),
      },
      addresses: {
        of: (id) => this.known.get(id),
        onChange: (listener) => {
          this.listeners.add(listener)
          return () => this.listeners.delete(listener)
        },
      },
    },
  )
}

describe('the addresses of peers', () => {
  it('are those of the configuration, without this server', () => {
    const { peers, told } = new Rig()
    peers.follow(of('a', 'b', 'c'))
    assert.deepEqual(told, ['b=b:1 c=c:1'])
  })

  it('are those of gossip where it knows them, also when it learns them later', () => {
    const { peers, told, known, listeners } = new Rig()
    peers.open()
    known.set('c', 'moved:9')
    peers.follow(of('a', 'b', 'c'))
    known.set('b', 'moved:8')
    for (const listener of listeners) listener()
    assert.deepEqual(told, ['b=b:1 c=moved:9', 'b=moved:8 c=moved:9'])
    peers.close()
    assert.equal(listeners.size, 0)
  })

  it('keep a member that was taken out for a while, so that it can be told', () => {
    const { peers, told, clock } = new Rig()
    peers.follow(of('a', 'b', 'c'))
    peers.follow(of('a', 'b'))
    assert.equal(told.at(-1), 'b=b:1 c=c:1')
    clock.advance(2_000)
    assert.equal(told.at(-1), 'b=b:1')
    assert.equal(clock.armed, 0)
  })

  it('leave no timer behind, and none for a member that comes back', () => {
    const { peers, told, clock } = new Rig()
    peers.follow(of('a', 'b', 'c'))
    peers.follow(of('a'))
    peers.follow(of('a', 'b'))
    assert.equal(told.at(-1), 'b=b:1 c=c:1')
    assert.equal(clock.armed, 1)
    peers.close()
    assert.equal(clock.armed, 0)
  })
})
