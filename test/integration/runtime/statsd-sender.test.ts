/**
 * Figures on their way to a StatsD server, over a real UDP socket.
 */

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import type { TelemetryConfig } from '../../../core/config/model.ts'
import { silentLogger } from '../../../core/log.ts'
import { counter } from '../../../core/metrics/definition.ts'
import { ManualClock } from '../../../runtime/clock/manual-clock.ts'
import { Telemetry } from '../../../runtime/metrics/telemetry.ts'
import { eventually } from '../../e2e/harness/program.ts'
import { serverConfig } from '../server/running-server.ts'

const REQUESTS = counter('requests', 'Requests', ['path'])
const SERIES = 200

async function listen() {
  const socket = createSocket('udp4')
  const datagrams: string[] = []
  socket.on('message', (bytes) => datagrams.push(bytes.toString()))
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return { datagrams, port: socket.address().port, [Symbol.dispose]: () => void socket.close() }
}

describe('a StatsD server', () => {
  it('is told every interval, in datagrams of whole lines that fit a frame', async () => {
    using plain = await listen()
    using dog = await listen()
    const clock = new ManualClock()
    const config: TelemetryConfig = {
      ...serverConfig().telemetry,
      statsd: { host: '127.0.0.1', port: plain.port },
      dogstatsd: { host: 'localhost', port: dog.port, tags: ['env:prod'] },
    }
    const telemetry = new Telemetry({ config, hostname: 'vm-a' }, { clock, log: silentLogger })
    await telemetry.start()
    await using stopping = new AsyncDisposableStack()
    stopping.defer(() => telemetry.stop())
    for (let at = 0; at < SERIES; at++) {
      telemetry.metrics.counter(REQUESTS, { path: `p${at}` }).add(at)
    }
    clock.advance(10_000)
    // The process is measured too.
    const linesOf = (datagrams: readonly string[]): string[] =>
      datagrams
        .join('\n')
        .split('\n')
        .filter((line) => line.startsWith('consul.requests'))
    const all = (datagrams: readonly string[]) => () =>
      linesOf(datagrams).length >= SERIES ? true : undefined
    await eventually('all lines', all(plain.datagrams))
    await eventually('all lines with tags', all(dog.datagrams))
    assert.deepEqual(
      linesOf(plain.datagrams).sort(),
      Array.from({ length: SERIES }, (_, at) => `consul.requests.p${at}:${at}|c`).sort(),
    )
    assert.ok(linesOf(dog.datagrams).includes('consul.requests:7|c|#env:prod,host:vm-a,path:p7'))
    assert.ok(plain.datagrams.length > 1)
    for (const datagram of plain.datagrams) assert.ok(Buffer.byteLength(datagram) <= 1_432)
  })
})
