/**
 * Packets that a host cannot send, by a real socket: who cannot send takes nobody for failed.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../../../core/log.ts'
import type { NodeAddress } from '../../../../core/swim/types.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { PacketSocket } from '../../../../runtime/gossip/packet-socket.ts'
import { RefusalLog } from '../../../../runtime/gossip/refusal-log.ts'
import { Seal } from '../../../../runtime/gossip/seal.ts'

test('what cannot be sent is counted, and told with whose fault it is', async (t) => {
  const { promise, resolve } = Promise.withResolvers<{ to: NodeAddress; isOurs: boolean }>()
  const socket = new PacketSocket(4, {
    seal: new Seal('dc1'),
    log: silentLogger,
    refusals: new RefusalLog({ clock: systemClock, log: silentLogger }),
    onUnsendable: (to, isOurs) => resolve({ to, isOurs }),
    onPacket: () => {},
  })
  t.after(() => socket.close())
  await socket.bind('127.0.0.1', 0)
  // From the loopback address no other network can be reached.
  const to = { address: '198.51.100.1', port: 8301 }
  socket.send(to, Buffer.from([0]))
  assert.deepEqual(await promise, { to, isOurs: true })
  assert.equal(socket.counters.failed, 1)
})

test('an answer to who sent from port 0 is lost, and harms nobody', async (t) => {
  const socket = new PacketSocket(4, {
    seal: new Seal('dc1'),
    log: silentLogger,
    refusals: new RefusalLog({ clock: systemClock, log: silentLogger }),
    onUnsendable: () => assert.fail('no member is there'),
    onPacket: () => {},
  })
  t.after(() => socket.close())
  await socket.bind('127.0.0.1', 0)
  socket.send({ address: '127.0.0.1', port: 0 }, Buffer.from([0]))
  assert.deepEqual(
    { failed: socket.counters.failed, sent: socket.counters.sent },
    { failed: 1, sent: 0 },
  )
})
