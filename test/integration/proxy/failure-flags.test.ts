/**
 * What access logs say of requests that the proxy held up, refused or gave up on purpose.
 */

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { FaultSpec, RouteSpec } from '../../../core/mesh/proxy-snapshot.ts'
import {
  CLUSTER_ID,
  eventually,
  listening,
  Mesh,
  outboundListener,
  portOf,
  RawClient,
  serverPort,
} from './mesh-fixture.ts'

const FAULT: FaultSpec = {
  delayMs: 0,
  delayPercent: 0,
  abortStatus: 0,
  abortPercent: 0,
  isHeaderControlled: false,
  maxActive: 0,
}

function routeAt(path: string, change: Partial<RouteSpec> = {}): RouteSpec {
  return {
    match: {
      path: { kind: 'prefix', value: path },
      ignoreCase: false,
      headers: [],
      query: [],
      methods: [],
    },
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
    requestHeaders: undefined,
    responseHeaders: undefined,
    ...change,
  }
}

test('the flags tell a fault, a rate and a deadline apart', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-flags-'))
  const path = join(folder, 'access.log')
  const app = await listening(
    createServer((incoming, response) => {
      if (incoming.url !== '/never') response.end('fine\n')
    }),
  )
  const mesh = await Mesh.start(serverPort(app))
  try {
    const routes = [
      routeAt('/late', { fault: { ...FAULT, delayMs: 5, delayPercent: 100 } }),
      routeAt('/ill', { fault: { ...FAULT, abortStatus: 418, abortPercent: 100 } }),
      routeAt('/much', { rateLimit: { requestsPerSecond: 0.001, burst: 1 } }),
      routeAt('/'),
    ]
    await mesh.configureCaller({
      outbound: [{ ...outboundListener('http'), routes }],
      telemetry: {
        metricsBinds: [],
        accessLogs: {
          sink: { kind: 'file', path },
          format: {
            kind: 'text',
            text: '%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%',
          },
          percent: 100,
          percents: {},
        },
      },
    })
    const port = portOf(mesh.caller, 'upstream')
    for (const line of ['/late', '/ill', '/much', '/much', '/never', '/']) {
      const client = new RawClient(port)
      const deadline = line === '/never' ? 'x-envoy-expected-rq-timeout-ms: 60\r\n' : ''
      client.send(`GET ${line} HTTP/1.1\r\nhost: a\r\n${deadline}\r\n`)
      await client.until(({ text }) => /fine\n$|abort$|limited$|timeout$/.test(text))
      client.close()
    }
    let lines: string[] = []
    const read = async (): Promise<void> => {
      lines = (await readFile(path, 'latin1').catch(() => '')).split('\n').slice(0, -1)
    }
    await eventually(() => {
      void read()
      return lines.length >= 6
    }, 'all are written')
    assert.deepEqual(lines, [
      '/late 200 DI via_upstream',
      '/ill 418 FI fault_filter_abort',
      '/much 200 - via_upstream',
      '/much 429 RL request_rate_limited',
      '/never 504 UT response_timeout',
      '/ 200 - via_upstream',
    ])
  } finally {
    mesh.close()
    app.close()
    app.closeAllConnections()
    await rm(folder, { recursive: true, force: true })
  }
})
