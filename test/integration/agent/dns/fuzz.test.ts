/**
 * Broken and hostile packets on the real sockets: every one that can be answered is, in a form that decodes; nobody else
 * notices, and nothing grows.
 */

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { on, once } from 'node:events'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import dnsPacket from 'dns-packet'
import { decodeQuery } from '../../../../core/dns/decode.ts'
import { type Rng, seededRng } from '../../../../core/rng.ts'
import { mutate } from '../../../fuzz/mutate.ts'
import { manyInstances, WEB } from '../../../unit/core/dns/example-catalog.ts'
import { ask, query } from './dns-client.ts'
import { startServer } from './running-server.ts'

const SEED = Number(process.env['FAIRLEAD_SEED'] ?? 1)
const PACKETS = Number(process.env['FAIRLEAD_FUZZ_PACKETS'] ?? 4000)
/** Their replies fit the buffer of one socket. */
const IN_FLIGHT = 16
const GROWTH_MAX_BYTES = 96 * 1024 * 1024

const NAMES = [
  'web.service.consul',
  'tag.web.service.dc1.consul',
  '_web._tcp.service.consul',
  'vm-a.node.consul',
  'web.virtual.consul',
  'web.connect.consul',
  'x.query.consul',
  '0a000005.addr.consul',
  'big.service.consul',
  'consul',
  '5.0.0.10.in-addr.arpa',
  'example.com',
  `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.service.consul`,
]
const TYPES = ['A', 'AAAA', 'SRV', 'TXT', 'ANY', 'SOA', 'NS', 'PTR', 'MX', 'AXFR']

function valid(rng: Rng): Buffer {
  const edns = rng.range(0, 2) === 0 ? undefined : rng.range(0, 4097)
  return query(pick(rng, NAMES), pick(rng, TYPES), edns)
}

function pick<T>(rng: Rng, of: readonly T[]): T {
  return of[rng.range(0, of.length)] as T
}

/** What the reference decoder makes of it; the rules for dropping are those of the decoder. */
function isAnswered(packet: Buffer): boolean {
  return decodeQuery(packet).kind !== 'drop'
}

function checkReply(reply: Buffer): void {
  assert.ok(reply.length >= 12)
  assert.equal((reply[2] as number) & 0x80, 0x80, 'QR is set')
  dnsPacket.decode(reply)
}

describe('DNS under broken packets', { timeout: 120_000 }, () => {
  it(`answers damaged packets over UDP (seed ${SEED})`, async (t) => {
    const rng = seededRng(SEED)
    await using running = await startServer()
    const { catalog, port } = running
    catalog.register(...WEB, ...manyInstances('big', 300))
    const socket = createSocket('udp4')
    t.after(() => socket.close())
    socket.connect(port, '127.0.0.1')
    await once(socket, 'connect')
    // Ends with the test: a question that is not answered must not keep the sockets open.
    const replies = on(socket, 'message', { signal: t.signal })
    const before = process.memoryUsage().rss
    for (let sent = 0; sent < PACKETS; sent += IN_FLIGHT) {
      const packets = Array.from({ length: IN_FLIGHT }, () => damaged(rng))
      for (const packet of packets) socket.send(packet)
      for (const _ of packets.filter(isAnswered)) checkReply((await replies.next()).value?.[0])
    }
    assert.ok(process.memoryUsage().rss - before < GROWTH_MAX_BYTES)
    assert.equal((await ask(port, 'web.service.consul', 'A')).answers.length, 2)
  })

  it(`answers damaged packets over TCP, in order, however they are cut (seed ${SEED})`, async (t) => {
    const rng = seededRng(SEED)
    await using running = await startServer()
    const { catalog, port } = running
    catalog.register(...WEB, ...manyInstances('big', 300))
    for (let round = 0; round < PACKETS / 200; round++) {
      const packets = Array.from({ length: 50 }, () => damaged(rng)).filter(
        (packet) => packet.length < 4096,
      )
      const expected = packets.filter(isAnswered).map((packet) => packet.readUInt16BE(0))
      const stream = Buffer.concat(
        packets.flatMap((packet) => {
          const size = Buffer.alloc(2)
          size.writeUInt16BE(packet.length)
          return [size, packet]
        }),
      )
      const socket = connect({ port, host: '127.0.0.1', signal: t.signal })
      for (let at = 0; at < stream.length; ) {
        const end = Math.min(stream.length, at + rng.range(1, 200))
        socket.write(stream.subarray(at, end))
        at = end
      }
      const ids: number[] = []
      let received = Buffer.alloc(0)
      if (expected.length === 0) socket.destroy()
      else {
        for await (const chunk of socket) {
          received = Buffer.concat([received, chunk as Buffer])
          while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
            const end = 2 + received.readUInt16BE(0)
            checkReply(received.subarray(2, end))
            ids.push(received.readUInt16BE(2))
            received = received.subarray(end)
          }
          if (ids.length >= expected.length) break
        }
      }
      assert.deepEqual(ids, expected)
    }
    assert.equal((await ask(port, 'web.service.consul', 'A')).answers.length, 2)
  })

  it('keeps its memory under a flood of made-up names, and answers others meanwhile', async () => {
    await using running = await startServer()
    const { catalog, port, views } = running
    catalog.register(...WEB)
    const kinds = ['service', 'node', 'connect', 'virtual', 'query'] as const
    for (let i = 0; i < 6000; i += 50) {
      await Promise.all(
        Array.from({ length: 50 }, (_, j) => {
          return ask(port, `made-up-${i + j}.${kinds[j % kinds.length]}.consul`, 'A')
        }),
      )
      assert.equal((await ask(port, 'web.service.consul', 'A')).answers.length, 2)
    }
    // 1,024 of each sort that is followed, and those that are kept a while after that.
    assert.ok(views.size <= 3 * 1024 + 512 + 1, `${views.size} views`)
  })
})

function damaged(rng: Rng): Buffer {
  const packet = valid(rng)
  if (rng.range(0, 4) === 0) return packet
  return Buffer.from(mutate(packet, valid(rng), rng))
}
