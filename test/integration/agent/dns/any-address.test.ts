/**
 * DNS on all addresses of the host: replies leave from the address that was asked.
 */

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { describe, it } from 'node:test'
import { WEB } from '../../../unit/core/dns/example-catalog.ts'
import { answered, ask, query } from './dns-client.ts'
import { startServer } from './running-server.ts'

const outer = Object.values(networkInterfaces())
  .flatMap((list) => list ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address

describe('DNS on all addresses', () => {
  it('answers over both transports on loopback of both families with one port', async () => {
    await using running = await startServer({ addresses: ['::'] })
    running.catalog.register(...WEB)
    assert.deepEqual(
      running.server.addresses.map(({ address }) => address),
      ['::', '0.0.0.0'],
    )
    for (const host of ['127.0.0.1', '::1']) {
      for (const transport of ['udp', 'tcp'] as const) {
        const reply = await ask(running.port, 'web.service.consul', 'A', { host, transport })
        assert.equal(reply.answers.length, 2, `${host} ${transport}`)
      }
    }
  })

  it('answers from the address that was asked, whatever the way back', async (t) => {
    if (outer === undefined) return t.skip('this host has no address but loopback')
    await using running = await startServer({ addresses: ['0.0.0.0'] })
    running.catalog.register(...WEB)
    const socket = createSocket('udp4')
    t.after(() => socket.close())
    // The way back to 127.0.0.1 has 127.0.0.1 for its own address; a connected client takes no reply from there.
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    socket.connect(running.port, outer)
    await once(socket, 'connect')
    const reply = once(socket, 'message', { signal: AbortSignal.timeout(8000) })
    socket.send(query('web.service.consul', 'A'))
    const [message] = await reply
    assert.equal(answered(message).answers.length, 2)
  })

  it('cannot start where another server has the port', async () => {
    await using running = await startServer({ addresses: ['0.0.0.0'] })
    const second = startServer({ addresses: ['0.0.0.0'], port: running.port })
    await assert.rejects(second, { code: 'INVALID_CONFIG', message: /EADDRINUSE/ })
    assert.equal((await ask(running.port, 'consul', 'SOA')).rcode, 'NOERROR')
  })
})
