/**
 * What the proxies of a call count of it, as a scrape shows it.
 */

import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import { after, before, describe, it } from 'node:test'
import type { DataPlane } from '../../../proxy/data-plane.ts'
import {
  allow,
  deny,
  endpoint,
  eventually,
  listening,
  Mesh,
  outboundListener,
  RawClient,
  serverPort,
} from './mesh-fixture.ts'

let app: Server
let mesh: Mesh

before(async () => {
  app = await listening(
    createServer((incoming, outgoing) => {
      incoming.resume()
      if (incoming.url === '/hang') return
      outgoing.writeHead(incoming.url === '/broken' ? 500 : 200).end('hello')
    }),
  )
  mesh = await Mesh.start(serverPort(app), { intentions: [allow('web')] })
})

after(() => {
  mesh.close()
  app.closeAllConnections()
  app.close()
})

async function get(path: string): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${mesh.port}${path}`)
  await answer.text()
  return answer.status
}

/** The sum of a metric's series that have all of `labels`. */
function figure(plane: DataPlane, name: string, labels: Record<string, string> = {}): number {
  let sum = 0
  for (const line of plane.prometheus().split('\n')) {
    if (!line.startsWith(`${name}{`) && !line.startsWith(`${name} `)) continue
    const isWanted = Object.entries(labels).every(([key, value]) =>
      line.includes(`${key}="${value}"`),
    )
    if (isWanted) sum += Number(line.slice(line.lastIndexOf(' ') + 1))
  }
  return sum
}

describe('figures of the proxy', () => {
  it('counts requests by class, status, source and destination on both sides', async () => {
    for (let i = 0; i < 5; i++) assert.equal(await get('/'), 200)
    assert.equal(await get('/broken'), 500)
    const destination = { consul_source_service: 'web', consul_destination_service: 'payments' }
    const is = (name: string, labels: Record<string, string>): number =>
      figure(mesh.caller, name, labels)
    assert.equal(is('envoy_cluster_upstream_rq_total', destination), 6)
    assert.equal(is('envoy_cluster_upstream_rq_active', destination), 0)
    assert.equal(is('envoy_cluster_upstream_rq', { envoy_response_code: '500' }), 1)
    assert.equal(is('envoy_cluster_upstream_rq_xx', { envoy_response_code_class: '2' }), 5)
    assert.equal(is('envoy_cluster_upstream_rq_time_count', destination), 6)
    assert.equal(is('envoy_cluster_upstream_rq_time_bucket', { le: '+Inf' }), 6)
    assert.equal(is('envoy_cluster_upstream_cx_total', destination), 1)
    assert.equal(is('envoy_cluster_membership_healthy', destination), 1)
    assert.ok(is('envoy_cluster_upstream_cx_tx_bytes_total', destination) > 100)
    const golden = { direction: 'outbound', source: 'web', destination: 'payments' }
    const ok = { ...golden, route: 'default', response_class: '2xx' }
    assert.equal(is('fairlead_requests_total', ok), 5)

    const inbound = { direction: 'inbound', source: 'web', destination: 'payments' }
    const { callee } = mesh
    assert.equal(figure(callee, 'fairlead_requests_total', inbound), 6)
    assert.equal(figure(callee, 'envoy_http_rbac_allowed'), 6)
    const listener = { envoy_http_conn_manager_prefix: 'public_listener' }
    assert.equal(figure(callee, 'envoy_http_downstream_rq_total', listener), 6)
    assert.equal(figure(callee, 'envoy_listener_ssl_handshake'), 1)
    assert.equal(figure(callee, 'envoy_listener_downstream_cx_active'), 1)
  })

  it('counts a caller that went away, and nothing as under way after it', async () => {
    const before = figure(mesh.caller, 'fairlead_requests_cancelled_total')
    const client = new RawClient(mesh.port)
    client.send('GET /hang HTTP/1.1\r\nhost: x\r\n\r\n')
    await eventually(
      () => figure(mesh.caller, 'envoy_cluster_upstream_rq_active') === 1,
      'the request is under way',
    )
    client.socket.resetAndDestroy()
    await eventually(
      () => figure(mesh.caller, 'envoy_cluster_upstream_rq_active') === 0,
      'the request is given up',
    )
    assert.equal(figure(mesh.caller, 'fairlead_requests_cancelled_total'), before + 1)
    await eventually(
      () => figure(mesh.callee, 'envoy_http_downstream_rq_active') === 0,
      'the called side hears of it',
    )
  })

  it('counts denials, and destinations that cannot be reached', async () => {
    const denied = figure(mesh.callee, 'envoy_http_rbac_denied')
    await mesh.setIntentions([deny('web')])
    assert.equal(await get('/'), 403)
    await mesh.setIntentions([allow('web')])
    assert.equal(figure(mesh.callee, 'envoy_http_rbac_denied'), denied + 1)
    assert.ok(figure(mesh.caller, 'envoy_cluster_upstream_rq', { envoy_response_code: '403' }) > 0)

    const closed = await listening(createServer())
    const port = serverPort(closed)
    await new Promise((resolve) => closed.close(resolve))
    await mesh.setEndpoints([endpoint('vm-c/payments', port)])
    assert.equal(await get('/'), 503)
    assert.ok(figure(mesh.caller, 'envoy_cluster_upstream_cx_connect_fail') > 0)
    assert.ok(figure(mesh.caller, 'envoy_cluster_outlier_detection_ejections_enforced_total') > 0)
    await mesh.setEndpoints([endpoint('vm-b/payments', mesh.inboundPort)])
    assert.equal(await get('/'), 200)
  })

  it('keeps routes apart, by the name of what they match', async () => {
    const everything = {
      path: undefined,
      ignoreCase: false,
      headers: [],
      query: [],
      methods: [],
    }
    const [cluster] = mesh.callerSnapshot.clusters
    const split = {
      weight: 1,
      clusterId: cluster?.id ?? '',
      failover: [],
      requestHeaders: undefined,
      responseHeaders: undefined,
    }
    const route = {
      splits: [split],
      prefixRewrite: '',
      requestTimeoutMs: undefined,
      retry: undefined,
      requestHeaders: undefined,
      responseHeaders: undefined,
    }
    const api = { ...everything, path: { kind: 'prefix' as const, value: '/api' } }
    await mesh.configureCaller({
      outbound: [
        {
          ...outboundListener('http'),
          routes: [
            { ...route, match: api },
            { ...route, match: everything },
          ],
        },
      ],
    })
    assert.equal(await get('/api/1'), 200)
    assert.equal(await get('/api/2'), 200)
    assert.equal(await get('/other'), 200)
    assert.equal(figure(mesh.caller, 'fairlead_requests_total', { route: '/api*' }), 2)

    await mesh.configureCaller({
      outbound: [{ ...outboundListener('http'), routes: [{ ...route, match: api }] }],
    })
    assert.equal(await get('/api/3'), 200)
    assert.equal(await get('/other'), 404, 'no route takes it')
  })
})
