/**
 * The UDP side of DNS by a real socket, where a client is one that no socket of ours can be.
 */

import assert from 'node:assert/strict'
import { createSocket, type RemoteInfo, Socket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import { UdpListener } from '../../../../agent/dns/udp-listener.ts'
import { silentLogger } from '../../../../core/log.ts'

test('a query from port 0 gets no answer, and the next one does', async (t) => {
  const bind = t.mock.method(Socket.prototype, 'bind')
  const listener = new UdpListener(
    { family: 4, isShared: false },
    { answer: (packet) => packet, log: silentLogger },
  )
  t.after(() => listener.close())
  const port = await listener.listen('127.0.0.1', 0)
  const socket = bind.mock.calls[0]?.this
  assert.ok(socket instanceof Socket)
  const nobody: RemoteInfo = { address: '127.0.0.1', family: 'IPv4', port: 0, size: 1 }
  socket.emit('message', Buffer.from('a'), nobody)
  const client = createSocket('udp4')
  t.after(() => client.close())
  client.send('b', port, '127.0.0.1')
  const [reply] = await once(client, 'message')
  assert.equal(String(reply), 'b')
})
