/**
 * Second attempts beside the first: only for what may be sent twice, within the budget, and the caller gets one answer.
 */

import assert from 'node:assert/strict'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { after, before, beforeEach, describe, it } from 'node:test'
import { silentLogger } from '../../../core/log.ts'
import type { LoadBalancer, RouteSpec } from '../../../core/mesh/proxy-snapshot.ts'
import { seededRng } from '../../../core/rng.ts'
import { DataPlane } from '../../../proxy/data-plane.ts'
import { systemClock } from '../../../runtime/clock/system-clock.ts'
import {
  CLUSTER_ID,
  cluster,
  endpoint,
  eventually,
  listening,
  Mesh,
  outboundListener,
  portOf,
  RawClient,
  serverPort,
} from './mesh-fixture.ts'

const ROUTE: RouteSpec = {
  match: { path: undefined, ignoreCase: false, headers: [], query: [], methods: [] },
  splits: [
    {
      weight: 1,
      clusterId: CLUSTER_ID,
      failover: [],
      requestHeaders: undefined,
      responseHeaders: undefined,
    },
  ],
  prefixRewrite: '',
  requestTimeoutMs: undefined,
  retry: undefined,
  perTryTimeoutMs: 50,
  hedge: { delayMs: 50, attemptsMax: 1 },
  requestHeaders: undefined,
  responseHeaders: undefined,
}

for (const offerMux of [true, false]) {
  describe(`hedging ${offerMux ? 'over the mux' : 'without the mux'}`, () => {
    let mesh: Mesh
    let other: DataPlane
    /** What the slow instance has not answered. */
    const stuck: ServerResponse[] = []
    let cut = 0
    let quick = 0
    const slow: Server = createServer((incoming, response) => {
      response.on('close', () => {
        if (!response.writableFinished) cut++
      })
      if (incoming.url === '/fine') response.end('slow one\n')
      else if (incoming.url === '/late') setTimeout(() => response.end('slow one\n'), 250)
      else stuck.push(response)
    })
    const fast: Server = createServer((incoming, response) => {
      quick++
      if (incoming.url === '/ill') response.statusCode = 500
      response.end('fast one\n')
    })

    before(async () => {
      await listening(slow)
      await listening(fast)
      mesh = await Mesh.start(serverPort(slow), { offerMux })
      other = new DataPlane(
        { offerMux: true },
        { clock: systemClock, rng: seededRng(2), log: silentLogger },
      )
      const inbound = mesh.calleeSnapshot.inbound.map((each) => ({
        ...each,
        target: { address: '127.0.0.1', port: serverPort(fast) },
      }))
      assert.deepEqual(await other.configure({ ...mesh.calleeSnapshot, inbound }), [])
      await configure()
      mesh.port = portOf(mesh.caller, 'upstream')
    })
    beforeEach(() => {
      for (const response of stuck.splice(0)) response.destroy()
      cut = 0
      quick = 0
    })
    after(() => {
      mesh.close()
      other.stop()
      for (const server of [slow, fast]) {
        server.close()
        server.closeAllConnections()
      }
    })

    async function configure(change: Partial<LoadBalancer> = {}): Promise<void> {
      const endpoints = [
        endpoint('slow', mesh.inboundPort),
        endpoint('fast', portOf(other, 'payments-sidecar')),
      ]
      const made = cluster(endpoints)
      const loadBalancer = { ...(made.loadBalancer as LoadBalancer), ...change }
      await mesh.configureCaller({
        clusters: [{ ...made, loadBalancer }],
        outbound: [{ ...outboundListener('http'), routes: [ROUTE] }],
      })
    }

    async function ask(path: string, method = 'GET', body = ''): Promise<string> {
      const client = new RawClient(mesh.port)
      const length = body === '' ? '' : `content-length: ${body.length}\r\n`
      try {
        client.send(`${method} ${path} HTTP/1.1\r\nhost: a\r\n${length}\r\n${body}`)
        await client.until((each) => / one\n$|timeout$/.test(each.text))
        return client.text
      } finally {
        client.close()
      }
    }

    const figure = (name: string): number => {
      let sum = 0
      for (const line of mesh.caller.prometheus().split('\n')) {
        if (line.startsWith(`${name}{`)) sum += Number(line.slice(line.lastIndexOf(' ') + 1))
      }
      return sum
    }

    it('answers every request from who is quick, and cuts who is not', async () => {
      const requests = figure('fairlead_requests_total')
      const retries = figure('envoy_cluster_upstream_rq_retry')
      for (let i = 0; i < 6; i++) assert.match(await ask('/'), /fast one/)
      assert.ok(stuck.length >= 3)
      await eventually(() => cut === stuck.length, 'the losers were cut')
      assert.equal(quick, 6)
      assert.equal(figure('fairlead_requests_total') - requests, 6)
      assert.equal(figure('envoy_cluster_upstream_rq_retry') - retries, stuck.length)
      assert.equal(figure('envoy_cluster_upstream_rq_active'), 0)
    })

    it('asks nobody else while the first is quick enough', async () => {
      const retries = figure('envoy_cluster_upstream_rq_retry')
      for (let i = 0; i < 4; i++) assert.match(await ask('/fine'), / 200 OK[\s\S]* one/)
      assert.equal(quick, 2)
      assert.equal(figure('envoy_cluster_upstream_rq_retry'), retries)
    })

    it('prefers to wait for the other one to an answer of 5xx', async () => {
      const pending = [ask('/ill'), ask('/ill')]
      await eventually(() => stuck.length === 1, 'one got the slow instance')
      // Asked alone, the quick one is believed; as a second attempt it is not.
      await eventually(() => quick === 2, 'the quick one was asked by both')
      stuck[0]?.end('slow one\n')
      const answers = (await Promise.all(pending)).map((text) => text.slice(9, 12)).sort()
      assert.deepEqual(answers, ['200', '500'])
    })

    it('leaves alone what may not be sent twice, or has a body', async () => {
      for (const [method, body] of [
        ['POST', ''],
        ['PUT', 'x'],
      ] as const) {
        quick = 0
        const retries = figure('envoy_cluster_upstream_rq_retry')
        const texts = await Promise.all([ask('/', method, body), ask('/', method, body)])
        assert.ok(texts.some((text) => /timeout$/.test(text)))
        assert.equal(quick, 1)
        assert.equal(figure('envoy_cluster_upstream_rq_retry'), retries)
      }
    })

    it('keeps to the retry budget', async () => {
      await configure({ retryBudget: { percent: 0, minConcurrency: 0 } })
      const retries = figure('envoy_cluster_upstream_rq_retry')
      const texts = await Promise.all([ask('/late'), ask('/late')])
      // Five times as long as it takes until another one would be asked.
      assert.equal(texts.filter((text) => text.includes('slow one')).length, 1)
      assert.equal(quick, 1)
      assert.equal(figure('envoy_cluster_upstream_rq_retry'), retries)
      await configure()
    })

    it('ends with the caller', async () => {
      const clients = [1, 2].map(() => new RawClient(mesh.port))
      for (const client of clients) client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
      await eventually(() => stuck.length === 1, 'one is under way')
      for (const client of clients) client.socket.resetAndDestroy()
      await eventually(() => cut === 1, 'it was cut')
      await eventually(() => figure('envoy_cluster_upstream_rq_active') === 0, 'nothing is left')
    })
  })
}
