/**
 * DNS over TCP on real sockets: order, backpressure, slow and idle clients, and what happens at the bounds.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import {
  CONNECTIONS_MAX,
  IDLE_MS,
  QUERY_SIZE_MAX,
  TcpListener,
} from '../../../../agent/dns/tcp-listener.ts'
import { silentLogger } from '../../../../core/log.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { manyInstances, WEB } from '../../../unit/core/dns/example-catalog.ts'
import { answered, exchangeTcp, query } from './dns-client.ts'
import { startServer } from './running-server.ts'

/** Lets everything that is due now run once. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('DNS over TCP', { timeout: 120_000 }, () => {
  it('answers queries of one TCP connection in order', async () => {
    await using running = await startServer()
    running.catalog.register(...WEB)
    const names = ['vm-b.node.consul', 'web.service.consul', 'ghost.service.consul', 'example.com']
    const packets = [...names, ...names].map((name) => query(name, 'A'))
    const replies = await exchangeTcp(running.port, packets)
    assert.deepEqual(
      replies.map((reply) => reply.readUInt16BE(0)),
      packets.map((packet) => packet.readUInt16BE(0)),
    )
    assert.deepEqual(answered(replies[1] as Buffer).answers.length, 2)
  })

  it('stops answering a TCP client that does not read, and goes on when it does', async () => {
    await using running = await startServer()
    running.catalog.register(...manyInstances('huge', 2000))
    // More than the kernel buffers between two sockets of this host.
    const packets = Array.from({ length: 400 }, () => query('huge.service.consul', 'A'))
    const socket = connect(running.port, '127.0.0.1').pause()
    for (const packet of packets) socket.write(Buffer.concat([Buffer.of(0, packet.length), packet]))
    const { counters } = running.server
    let before = -1
    while (counters.queries !== before) {
      before = counters.queries
      for (let i = 0; i < 50; i++) await turn()
    }
    assert.ok(before > 0 && before < packets.length, `${before} answered without a reader`)
    let size = 0
    for await (const chunk of socket) {
      size += (chunk as Buffer).length
      if (counters.queries === packets.length && size >= packets.length * 32_000) break
    }
    assert.equal(counters.queries, packets.length)
  })

  it('closes a TCP connection that sends too much or nothing', async () => {
    const clock = new ManualClock()
    await using running = await startServer({ clock })
    const greedy = connect(running.port, '127.0.0.1')
    const tooLong = Buffer.alloc(2)
    tooLong.writeUInt16BE(QUERY_SIZE_MAX + 1)
    greedy.write(tooLong)
    greedy.resume()
    await once(greedy, 'close')
    const idle = connect(running.port, '127.0.0.1')
    idle.resume()
    const armed = clock.armed
    while (clock.armed === armed) await turn()
    clock.advance(IDLE_MS - 1)
    await turn()
    assert.equal(idle.destroyed, false)
    clock.advance(1)
    await once(idle, 'close')
  })

  it('keeps the order while an early question waits and later ones are ready', async () => {
    const first = Promise.withResolvers<Uint8Array | null>()
    let asked = 0
    const answer = (packet: Buffer) => (asked++ === 0 ? first.promise : Uint8Array.from(packet))
    await using listener = disposable(
      new TcpListener({ answer, clock: systemClock, log: silentLogger }),
    )
    const port = await listener.listen('127.0.0.1', 0)
    const packets = Array.from({ length: 50 }, () => query('web.service.consul', 'A'))
    const replies = exchangeTcp(port, packets)
    while (asked === 0) await turn()
    for (let i = 0; i < 20; i++) await turn()
    assert.equal(asked, 1, 'nothing is asked behind a question that waits')
    first.resolve(Uint8Array.from(packets[0] as Buffer))
    assert.deepEqual(await replies, packets)
  })

  it('takes a query that comes byte by byte, and closes when its end never comes', async () => {
    const clock = new ManualClock()
    await using running = await startServer({ clock })
    running.catalog.register(...WEB)
    const socket = connect({ port: running.port, host: '127.0.0.1', noDelay: true })
    socket.on('error', () => {}) // closed with bytes unread
    await once(socket, 'connect')
    const packet = query('web.service.consul', 'A')
    const framed = Buffer.concat([Buffer.of(0, packet.length), packet])
    for (const byte of framed) {
      socket.write(Buffer.of(byte))
      await turn()
    }
    const [reply] = await once(socket, 'data')
    assert.equal(answered(reply.subarray(2)).answers.length, 2)
    // A drip of bytes is no exchange.
    const closed = new Promise((resolve) => socket.once('close', resolve))
    clock.advance(IDLE_MS - 1)
    socket.write(framed.subarray(0, 5))
    await turn()
    assert.equal(socket.destroyed, false)
    clock.advance(1)
    socket.resume()
    await closed
  })

  it('serves newcomers beside thousands of idle connections, closing the longest idle', async () => {
    // A clock that stands: on a busy machine so many connections take longer than one may be idle.
    await using running = await startServer({ clock: new ManualClock() })
    running.catalog.register(...WEB)
    const idle = await connectMany(running.port, CONNECTIONS_MAX)
    const [oldest, ...others] = idle as [Socket, ...Socket[]]
    // An exchange makes it the latest, whatever the order in which they were accepted.
    const packet = query('web.service.consul', 'A')
    oldest.write(Buffer.concat([Buffer.of(0, packet.length), packet]))
    await once(oldest, 'data')
    const before = process.memoryUsage().rss
    const closed = Promise.withResolvers<void>()
    for (const socket of others) socket.resume().once('close', closed.resolve)
    const [reply] = await exchangeTcp(running.port, [query('web.service.consul', 'A')])
    assert.equal(answered(reply as Buffer).answers.length, 2)
    await closed.promise
    assert.equal(oldest.destroyed, false)
    for (let i = 0; i < 200; i++) {
      await exchangeTcp(running.port, [query('web.service.consul', 'A')])
    }
    assert.ok(process.memoryUsage().rss - before < 64 * 1024 * 1024)
    for (const socket of idle) socket.destroy()
  })

  it('closes a newcomer where every connection has a question waiting', async () => {
    const never = new Promise<null>(() => {})
    let asked = 0
    const answer = () => {
      asked++
      return never
    }
    await using listener = disposable(
      new TcpListener({ answer, clock: new ManualClock(), log: silentLogger }),
    )
    const port = await listener.listen('127.0.0.1', 0)
    const packet = query('web.service.consul', 'A')
    const busy = await connectMany(port, CONNECTIONS_MAX)
    for (const socket of busy) socket.write(Buffer.concat([Buffer.of(0, packet.length), packet]))
    while (asked < CONNECTIONS_MAX) await turn()
    const extra = connect(port, '127.0.0.1').on('error', () => {})
    extra.resume()
    await once(extra, 'close')
    assert.deepEqual([listener.refused, listener.displaced], [1, 0])
    for (const socket of busy) socket.destroy()
  })
})

function disposable<T extends { close(): Promise<void> }>(closable: T): T & AsyncDisposable {
  return Object.assign(closable, { [Symbol.asyncDispose]: () => closable.close() })
}

async function connectMany(port: number, count: number): Promise<readonly Socket[]> {
  const sockets: Socket[] = []
  for (let i = 0; i < count; i += 256) {
    const some = Array.from({ length: Math.min(256, count - i) }, () =>
      connect(port, '127.0.0.1').on('error', () => {}),
    )
    await Promise.all(some.map((socket) => once(socket, 'connect')))
    sockets.push(...some)
  }
  return sockets
}
