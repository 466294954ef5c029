/**
 * /v1/agent/metrics and /v1/agent/monitor over real connections (http-api.md 9.5).
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { createGunzip } from 'node:zlib'
import { PIECES_MAX } from '../../../../agent/http/live-stream.ts'
import type { TelemetryConfig } from '../../../../core/config/model.ts'
import { type LogFollower, silentLogger } from '../../../../core/log.ts'
import { TELEMETRY_METRICS } from '../../../../core/metrics/catalogue/telemetry.ts'
import type { IntervalJson } from '../../../../core/metrics/interval-json.ts'
import { instant } from '../../../../core/time.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { createLogger } from '../../../../runtime/log/pino-logger.ts'
import { Telemetry } from '../../../../runtime/metrics/telemetry.ts'
import { eventually } from '../../../e2e/harness/program.ts'
import { parsePrometheus } from '../../../prometheus/strict-parser.ts'
import { serverConfig } from '../../server/running-server.ts'
import { type RunningAgent, startAgent } from './running-agent.ts'

const WALL = Date.UTC(2026, 0, 10, 12, 0, 0)
const CONFIG: TelemetryConfig = { ...serverConfig().telemetry, prometheusRetentionMs: 60_000 }

const clock = new ManualClock({ wall: WALL })
const now = (): string => new Date(clock.wall()).toISOString()
const telemetry = new Telemetry({ config: CONFIG, hostname: 'vm-a' }, { clock, log: silentLogger })
const log = createLogger(
  { level: 'warn', json: false },
  { clock, sink: { write: () => {}, takeDropped: () => 0, flush: async () => {} } },
)
const followers = new Set<LogFollower>()
let agent: RunningAgent

before(async () => {
  await telemetry.start()
  const logLines = {
    follow: (follower: LogFollower) => {
      const end = log.follow(follower)
      followers.add(follower)
      return () => {
        end()
        followers.delete(follower)
      }
    },
  }
  agent = await startAgent({}, { telemetry, logLines })
})

after(async () => {
  await agent[Symbol.asyncDispose]()
  await telemetry.stop()
  assert.deepEqual(agent.errors, [])
})

/** A stream whose text grows while it is looked at. */
async function follow(path: string, headers: Record<string, string> = {}) {
  const sent = request({ port: agent.port, path, headers }).end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  let text = ''
  const body =
    response.headers['content-encoding'] === 'gzip' ? response.pipe(createGunzip()) : response
  body.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
  })
  const closed = new Promise<void>((resolve) => sent.once('close', resolve))
  return { response, text: () => text, closed, end: () => sent.destroy() }
}

describe('agent/metrics', () => {
  it('measures requests by method and route', async () => {
    await agent.get('/v1/agent/version')
    await agent.get('/v1/kv/a/b?recurse')
    await agent.put('/v1/kv/a/b', 'x')
    clock.advance(10_000)
    const answer = await agent.get('/v1/agent/metrics')
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['content-type'], 'application/json')
    const { Timestamp, Points, Samples } = JSON.parse(answer.text) as IntervalJson
    assert.equal(Timestamp, '2026-01-10 12:00:00 +0000 UTC')
    assert.deepEqual(Points, [])
    const measured = Samples.filter(({ Name }) => Name === 'consul.api.http')
    assert.deepEqual(
      measured.map(({ Labels, Count }) => [Labels['method'], Labels['path'], Count]),
      [
        ['GET', 'v1_agent_version', 1],
        ['GET', 'v1_kv_', 1],
        ['PUT', 'v1_kv_', 1],
      ],
    )
  })

  it('gives the format of Prometheus when asked for, by parameter or by header', async () => {
    const asked = await agent.get('/v1/agent/metrics?format=prometheus')
    assert.equal(asked.status, 200)
    assert.equal(asked.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
    const metrics = parsePrometheus(asked.text)
    assert.equal(metrics.get('consul_api_http')?.type, 'summary')
    for (const accept of [
      'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5',
      'text/plain;version=0.4.0',
      'text/plain; version=0.0.4',
    ]) {
      const answer = await agent.get('/v1/agent/metrics', { accept })
      assert.equal(answer.headers['content-type'], asked.headers['content-type'], accept)
    }
    for (const accept of ['text/plain', '*/*', 'application/json']) {
      const answer = await agent.get('/v1/agent/metrics', { accept })
      assert.equal(answer.headers['content-type'], 'application/json', accept)
    }
  })

  it('refuses the format of Prometheus where nothing is kept for it', async () => {
    const off = new Telemetry(
      { config: { ...CONFIG, prometheusRetentionMs: 0 }, hostname: 'vm-a' },
      { clock, log: silentLogger },
    )
    await using other = await startAgent({}, { telemetry: off })
    const answer = await other.get('/v1/agent/metrics?format=prometheus')
    assert.equal(answer.status, 415)
    assert.equal(answer.text, '')
    assert.equal(
      answer.headers['x-consul-reason'],
      'Prometheus is not enabled since its retention time is not positive',
    )
  })

  it('streams an indented object for every interval', async () => {
    const stream = await follow('/v1/agent/metrics/stream')
    assert.equal(stream.response.statusCode, 200)
    clock.advance(10_000)
    await eventually('one object', () => (stream.text().endsWith('}\n') ? true : undefined))
    const first = stream.text()
    assert.match(first, /^\{\n {4}"Timestamp": "2026-01-10 12:00:\d0 \+0000 UTC",\n {4}"Gauges"/)
    clock.advance(10_000)
    await eventually('another', () =>
      stream.text().length > first.length && stream.text().endsWith('}\n') ? true : undefined,
    )
    JSON.parse(stream.text().slice(first.length))
    stream.end()
  })
})

describe('agent/monitor', () => {
  it('streams the log at a level of its own, and lets go when the client has gone', async () => {
    const monitor = await follow('/v1/agent/monitor?loglevel=debug')
    assert.equal(monitor.response.headers['content-type'], 'text/plain; charset=utf-8')
    assert.equal(monitor.response.headers['transfer-encoding'], 'chunked')
    const raft = log.child('raft')
    raft.trace('not shown')
    raft.debug('vote asked', { term: 2 })
    raft.error('disk failed')
    await eventually('two lines', () => (/disk failed\n$/.test(monitor.text()) ? true : undefined))
    assert.equal(
      monitor.text(),
      `${now()} [DEBUG] agent.raft: vote asked: term=2\n` +
        `${now()} [ERROR] agent.raft: disk failed\n`,
    )
    monitor.end()
    await eventually('nobody follows', () => (followers.size === 0 ? true : undefined))
  })

  it('shows info and more, in JSON where asked', async () => {
    const monitor = await follow('/v1/agent/monitor?logjson', { 'accept-encoding': 'gzip' })
    assert.equal(monitor.response.headers['content-encoding'], 'gzip')
    log.debug('not shown')
    log.info('shown', { index: 7 })
    await eventually('a line', () => (monitor.text().endsWith('\n') ? true : undefined))
    assert.deepEqual(JSON.parse(monitor.text()), {
      '@level': 'info',
      '@timestamp': now(),
      '@module': 'agent',
      index: 7,
      '@message': 'shown',
    })
    monitor.end()
  })

  it('refuses a level that there is not', async () => {
    const answer = await agent.get('/v1/agent/monitor?loglevel=loud')
    assert.equal(answer.status, 400)
    assert.equal(answer.text, 'Unknown log level: loud')
  })

  it('drops lines for a reader that is too slow, says how many and counts them', async () => {
    const dropped = telemetry.metrics.counter(TELEMETRY_METRICS.monitorDropped)
    const before = dropped.total
    const monitor = await follow('/v1/agent/monitor')
    for (let at = 0; at < PIECES_MAX + 30; at++) log.info('burst', { at })
    await eventually('the note', () =>
      /Monitor dropped 30 logs during monitor request\n$/.test(monitor.text()) ? true : undefined,
    )
    assert.equal(monitor.text().split('\n').length - 1, PIECES_MAX + 1)
    assert.equal(dropped.total - before, 30)
    monitor.end()
  })

  it('comes to its end when the agent stops, with what was logged before', async () => {
    await using other = await startAgent({}, { telemetry, logLines: log })
    const sent = request({ port: other.port, path: '/v1/agent/monitor' }).end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    const whole = text(response)
    log.info('last words')
    await other.api.drain(instant(systemClock.now() + 5_000))
    assert.match(await whole, /agent: last words\n$/)
  })
})
