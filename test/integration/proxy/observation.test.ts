/**
 * Access logs, spans and taps of requests through two proxies: what they say, and where it goes.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { DEFAULT_LOG_FIELDS } from '../../../core/exchange/log-format.ts'
import type { TapEvent, TapFilter } from '../../../core/exchange/tap.ts'
import type { ProxyTelemetry } from '../../../core/mesh/proxy-snapshot.ts'
import type { Propagation } from '../../../core/tracing/context.ts'
import { allow, deny, eventually, listening, Mesh, serverPort } from './mesh-fixture.ts'

let app: Server
let mesh: Mesh
let folder: string
/** Fields of the requests that reached the application, newest last. */
const seen: NodeJS.Dict<string | string[]>[] = []

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fairlead-observation-'))
  app = await listening(
    createServer((incoming, outgoing) => {
      seen.push(incoming.headers)
      incoming.resume()
      incoming.on('end', () => {
        outgoing.writeHead(incoming.url?.startsWith('/broken') === true ? 500 : 200).end('hello')
      })
    }),
  )
  mesh = await Mesh.start(serverPort(app), { intentions: [allow('web')] })
})

afterEach(async () => {
  await mesh.configureCaller({ telemetry: { metricsBinds: [] } })
  await mesh.configureCallee({ telemetry: { metricsBinds: [] } })
})

after(async () => {
  mesh.close()
  app.closeAllConnections()
  app.close()
  await rm(folder, { recursive: true, force: true })
})

async function get(path: string, options: RequestInit = {}): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${mesh.port}${path}`, options)
  await answer.text()
  return answer.status
}

/** Whole ones: who reads while the log is written may see the beginning of one. */
async function linesOf(path: string): Promise<readonly string[]> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return text.split('\n').slice(0, -1)
}

/** Waits for the file, which is written a moment after the answer. */
async function untilLines(path: string, count: number): Promise<readonly string[]> {
  const deadline = performance.now() + 8000
  for (;;) {
    const lines = await linesOf(path)
    if (lines.length >= count) return lines
    assert.ok(performance.now() < deadline, `${path} has ${lines.length} of ${count} lines`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

function logTo(path: string, change: Partial<ProxyTelemetry['accessLogs']> = {}): ProxyTelemetry {
  return {
    metricsBinds: [],
    accessLogs: {
      sink: { kind: 'file', path },
      format: { kind: 'json', fields: DEFAULT_LOG_FIELDS },
      percent: 100,
      percents: {},
      ...change,
    },
  }
}

describe('access logs', () => {
  it("have the fields of Consul's proxies, with the kinds of their values", async () => {
    const path = join(folder, 'json.log')
    await mesh.configureCaller({ telemetry: logTo(path) })
    const headers = { 'user-agent': 'test/1', 'x-request-id': 'abc' }
    assert.equal(await get('/orders?x=1', { method: 'POST', body: '12345', headers }), 200)
    const [line = ''] = await untilLines(path, 1)
    const entry = JSON.parse(line)
    assert.deepEqual(Object.keys(entry), Object.keys(DEFAULT_LOG_FIELDS))
    assert.match(entry.start_time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    assert.equal(entry.method, 'POST')
    assert.equal(entry.path, '/orders?x=1')
    assert.equal(entry.protocol, 'HTTP/1.1')
    assert.equal(entry.response_code, 200)
    assert.equal(entry.response_flags, null)
    assert.equal(entry.response_code_details, 'via_upstream')
    assert.equal(entry.bytes_received, 5)
    assert.equal(entry.bytes_sent, 5)
    assert.ok(Number.isInteger(entry.duration) && entry.duration >= 0)
    assert.match(entry.upstream_service_time, /^\d+$/)
    assert.equal(entry.user_agent, 'test/1')
    assert.equal(entry.request_id, 'abc')
    assert.equal(entry.authority, `127.0.0.1:${mesh.port}`)
    assert.equal(entry.upstream_host, `127.0.0.1:${mesh.inboundPort}`)
    assert.match(entry.upstream_cluster, /^payments\.default\.dc1\.internal\./)
    assert.equal(entry.downstream_local_address, `127.0.0.1:${mesh.port}`)
    assert.match(entry.downstream_remote_address, /^127\.0\.0\.1:\d+$/)
    assert.equal(entry.x_forwarded_for, null)
  })

  it('say why the proxy answered itself, and who called', async () => {
    const path = join(folder, 'denied.log')
    const text = '%RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %DOWNSTREAM_PEER_URI_SAN% 100%%'
    await mesh.configureCallee({ telemetry: logTo(path, { format: { kind: 'text', text } }) })
    await mesh.setIntentions([deny('web')])
    assert.equal(await get('/'), 403)
    await mesh.setIntentions([allow('web')])
    const [line = ''] = await untilLines(path, 1)
    assert.match(line, /^403 rbac_access_denied_matched_policy\[none\] spiffe:.*\/svc\/web 100%$/)
  })

  it("tell the caller's version of HTTP", async () => {
    const path = join(folder, 'version.log')
    const format = { kind: 'text' as const, text: '%PROTOCOL% %REQ(:PATH)% %RESPONSE_CODE%' }
    await mesh.configureCaller({ telemetry: logTo(path, { format }) })
    const session = connectHttp2(`http://127.0.0.1:${mesh.port}`)
    try {
      const stream = session.request({ ':path': '/two' })
      stream.resume()
      await once(stream, 'end')
    } finally {
      session.destroy()
    }
    await get('/one')
    assert.deepEqual(await untilLines(path, 2), ['HTTP/2 /two 200', 'HTTP/1.1 /one 200'])
  })

  it('go on in a new file when the old one is moved away', async () => {
    const path = join(folder, 'rotated.log')
    const format = { kind: 'text' as const, text: '%REQ(:PATH)%' }
    await mesh.configureCaller({ telemetry: logTo(path, { format }) })
    await get('/before')
    assert.deepEqual(await untilLines(path, 1), ['/before'])
    await rename(path, `${path}.1`)
    const deadline = performance.now() + 8000
    while ((await linesOf(path)).length === 0) {
      assert.ok(performance.now() < deadline, 'no new file came')
      await get('/after')
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.ok((await linesOf(path)).every((line) => line === '/after'))
  })

  it('leave a service out, and all but a part of the requests, when told to', async () => {
    const path = join(folder, 'part.log')
    await mesh.configureCaller({ telemetry: logTo(path, { percents: { web: 0 } }) })
    for (let i = 0; i < 5; i++) await get('/unlogged')
    await mesh.configureCaller({ telemetry: logTo(path, { percent: 50 }) })
    for (let i = 0; i < 60; i++) await get('/half')
    await mesh.configureCaller({ telemetry: { metricsBinds: [] } })
    // Fewer, or 50 and more, are what chance gives once in ten million runs.
    const lines = await untilLines(path, 11)
    assert.deepEqual(
      lines.filter((line) => !line.includes('/half')),
      [],
    )
    assert.ok(lines.length < 50, `${lines.length} of 60 were logged`)
  })
})

interface Collected {
  readonly path: string
  readonly body: unknown
}

class Collector {
  readonly server: Server
  readonly requests: Collected[] = []
  /** Statuses to answer with before the good ones. */
  readonly refusals: number[] = []

  constructor(server: Server) {
    this.server = server
  }

  static async start(): Promise<Collector> {
    const server = await listening(createServer())
    const collector = new Collector(server)
    server.on('request', (incoming, outgoing) => {
      let text = ''
      incoming.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      incoming.on('end', () => {
        const refusal = collector.refusals.shift()
        if (refusal !== undefined) return void outgoing.writeHead(refusal).end()
        assert.equal(incoming.method, 'POST')
        assert.equal(incoming.headers['content-type'], 'application/json')
        collector.requests.push({ path: incoming.url ?? '', body: JSON.parse(text) })
        outgoing.writeHead(incoming.url === '/api/v2/spans' ? 202 : 200).end('{}')
      })
    })
    return collector
  }

  [Symbol.dispose](): void {
    this.server.closeAllConnections()
    this.server.close()
  }
}

function tracedTo(
  kind: 'otlp' | 'zipkin',
  collector: Collector,
  change: { readonly percent?: number; readonly propagate?: readonly Propagation[] } = {},
): ProxyTelemetry {
  const path = kind === 'otlp' ? '/v1/traces' : '/api/v2/spans'
  const url = `http://127.0.0.1:${serverPort(collector.server)}${path}`
  return {
    metricsBinds: [],
    tracing: { to: { kind, url }, percent: 100, propagate: ['w3c', 'b3'], ...change },
  }
}

interface OtlpSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly kind: number
  readonly name: string
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly { readonly key: string; readonly value: object }[]
  readonly status: { readonly code?: number }
}

interface OtlpBody {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly unknown[] }
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[]
  }[]
}

/** As the published protocol has them in JSON: anything else is refused here. */
function otlpSpans(collector: Collector): readonly OtlpSpan[] {
  const spans: OtlpSpan[] = []
  for (const { path, body } of collector.requests) {
    assert.equal(path, '/v1/traces')
    const { resourceSpans } = body as OtlpBody
    for (const { scopeSpans } of resourceSpans)
      for (const each of scopeSpans) spans.push(...each.spans)
  }
  for (const span of spans) {
    assert.match(span.traceId, /^(?!0+$)[0-9a-f]{32}$/)
    assert.match(span.spanId, /^(?!0+$)[0-9a-f]{16}$/)
    assert.match(span.parentSpanId ?? span.spanId, /^[0-9a-f]{16}$/)
    assert.match(span.startTimeUnixNano, /^\d{19}$/)
    assert.ok(BigInt(span.endTimeUnixNano) >= BigInt(span.startTimeUnixNano))
    assert.ok(span.kind === 2 || span.kind === 3)
    for (const { value } of span.attributes) {
      const [[name, held] = []] = Object.entries(value)
      assert.ok(name === 'stringValue' || name === 'intValue')
      assert.equal(typeof held, 'string')
    }
  }
  return spans
}

describe('traces', () => {
  it('are one span for each proxy, each under the one before, in OTLP', async () => {
    using collector = await Collector.start()
    const telemetry = tracedTo('otlp', collector)
    await mesh.configureCaller({ telemetry })
    await mesh.configureCallee({ telemetry })
    assert.equal(await get('/traced'), 200)
    assert.equal(await get('/broken'), 500)
    await eventually(() => otlpSpans(collector).length === 4, 'four spans arrive')
    const spans = otlpSpans(collector)
    for (const client of spans.filter((span) => span.kind === 3)) {
      const server = spans.find((span) => span.parentSpanId === client.spanId)
      assert.equal(server?.traceId, client.traceId)
      assert.equal(server?.kind, 2)
      assert.equal(client.parentSpanId, undefined)
      assert.deepEqual(server?.status, client.status)
    }
    assert.equal(spans.filter((span) => span.status.code === 2).length, 2)
    const arrived = seen.at(-1)
    const [, , parent] = String(arrived?.['traceparent']).split('-')
    assert.ok(spans.some((span) => span.spanId === parent && span.kind === 2))
    assert.equal(arrived?.['x-b3-sampled'], '1')
  })

  it("follow the caller's decision, in W3C's words and in B3's", async () => {
    using collector = await Collector.start()
    await mesh.configureCaller({ telemetry: tracedTo('zipkin', collector, { percent: 0 }) })
    const traceId = '463ac35c9f6413ad48485a3953bb6124'
    const spanId = '0020000000000001'
    await get('/none')
    await get('/no', { headers: { traceparent: `00-${traceId}-${spanId}-00` } })
    assert.equal(seen.at(-1)?.['traceparent'], `00-${traceId}-${spanId}-00`)
    await get('/w3c', { headers: { traceparent: `00-${traceId}-${spanId}-01`, tracestate: 'a=b' } })
    assert.equal(seen.at(-1)?.['tracestate'], 'a=b')
    await get('/b3', { headers: { b3: `${traceId}-${spanId}-1` } })
    assert.equal(seen.at(-1)?.['b3'], undefined)
    await get('/multi', {
      headers: { 'x-b3-traceid': traceId, 'x-b3-spanid': spanId, 'x-b3-sampled': 'true' },
    })
    assert.equal(seen.at(-1)?.['x-b3-traceid'], traceId)
    const spansOf = (): Record<string, unknown>[] =>
      collector.requests.flatMap(({ body }) => body as Record<string, unknown>[])
    await eventually(() => spansOf().length === 3, 'three spans arrive')
    for (const span of spansOf()) {
      assert.equal(span['traceId'], traceId)
      assert.equal(span['parentId'], spanId)
      assert.match(String(span['id']), /^[0-9a-f]{16}$/)
      assert.equal(span['kind'], 'CLIENT')
      assert.ok(Number.isInteger(span['timestamp']) && Number.isInteger(span['duration']))
      assert.deepEqual(span['localEndpoint'], { serviceName: 'web' })
      const tags = span['tags'] as Record<string, unknown>
      assert.equal(tags['http.status_code'], '200')
      assert.ok(Object.values(tags).every((value) => typeof value === 'string'))
    }
  })

  it('are sent again to a collector that is busy, and counted when it does not take them', async () => {
    using collector = await Collector.start()
    collector.refusals.push(503)
    await mesh.configureCaller({ telemetry: tracedTo('otlp', collector) })
    await get('/again')
    await eventually(() => otlpSpans(collector).length === 1, 'the span arrives at last')
    collector.refusals.push(400)
    const dropped = mesh.caller.observer.dropped['span'] ?? 0
    await get('/refused')
    await eventually(
      () => mesh.caller.observer.dropped['span'] === dropped + 1,
      'the span is counted as dropped',
    )
  })

  it('pass through untouched while tracing is off', async () => {
    await get('/off', { headers: { traceparent: 'not one', b3: 'neither' } })
    assert.equal(seen.at(-1)?.['traceparent'], 'not one')
    assert.equal(seen.at(-1)?.['b3'], 'neither')
  })
})

const ANY: TapFilter = {
  service: '',
  to: '',
  from: '',
  direction: '',
  method: '',
  path: '',
  status: '',
  maxPerSecond: 1000,
  withFields: false,
}

describe('taps', () => {
  it('tell of the requests that pass their filter, and cost nothing when closed', async () => {
    const { observer } = mesh.caller
    assert.equal(observer.isActive, false)
    const events: TapEvent[] = []
    const filter = { ...ANY, to: 'payments', path: '/pay', status: '5xx' }
    observer.tap(1, filter, (event) => events.push(event) > 0)
    try {
      await get('/pay')
      await get('/broken/pay')
      assert.equal(events.length, 0)
      observer.tap(1, { ...filter, path: '/broken' }, (event) => events.push(event) > 0)
      await get('/broken?y=1', { headers: { authorization: 'Bearer secret' } })
      await eventually(() => events.length === 1, 'the request is told')
      assert.equal(events[0]?.Path, '/broken?y=1')
      assert.equal(events[0]?.Status, 500)
      assert.equal(events[0]?.Source, 'web')
      assert.equal(events[0]?.Attempts, 1)
      assert.equal(events[0]?.Headers, undefined)
      assert.ok(!JSON.stringify(events).includes('secret'))
    } finally {
      observer.untap(1)
    }
    assert.equal(observer.isActive, false)
  })

  it('show fields when asked, but no secrets; and no more requests a second than asked', async () => {
    const events: TapEvent[] = []
    const { observer } = mesh.callee
    observer.tap(
      2,
      { ...ANY, withFields: true, maxPerSecond: 1 },
      (event) => events.push(event) > 0,
    )
    try {
      const headers = { authorization: 'Bearer secret', 'x-colour': 'red' }
      for (let i = 0; i < 20; i++) await get('/fields', { headers })
      assert.ok(events.length >= 1 && events.length < 15, `${events.length} were told`)
      assert.equal(events[0]?.Headers?.['x-colour'], 'red')
      assert.equal(events[0]?.Headers?.['authorization'], '(not shown)')
      assert.match(events[0]?.SourceIdentity ?? '', /\/svc\/web$/)
      assert.equal(events[0]?.TLS, 'TLSv1.3')
    } finally {
      observer.untap(2)
    }
  })
})
