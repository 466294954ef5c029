/**
 * Deadlines that travel: told on with what is left, kept to the millisecond, and nobody works on when they are over.
 */

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { Client, credentials, Metadata, status } from '@grpc/grpc-js'
import { methods, same, startGrpcService } from './grpc-peers.ts'
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

const FIELD = 'x-envoy-expected-rq-timeout-ms'

for (const offerMux of [true, false]) {
  describe(`a deadline ${offerMux ? 'over the mux' : 'without the mux'}`, () => {
    let mesh: Mesh
    let seen: (string | undefined)[] = []
    let given = 0
    const app = createServer((incoming, response) => {
      seen.push(incoming.headers[FIELD] as string | undefined)
      response.on('close', () => {
        if (!response.writableFinished) given++
      })
      if (incoming.url === '/never') return
      if (incoming.url === '/busy') {
        response.statusCode = 503
        response.end('busy')
        return
      }
      response.end('answer\n')
    })

    before(async () => {
      await listening(app)
      mesh = await Mesh.start(serverPort(app), { offerMux })
    })
    after(() => {
      mesh.close()
      app.close()
      app.closeAllConnections()
    })

    async function ask(path: string, fields: string, until: string): Promise<string> {
      const client = new RawClient(mesh.port)
      try {
        client.send(`GET ${path} HTTP/1.1\r\nhost: a\r\n${fields}\r\n`)
        await client.untilText(until)
        return client.text
      } finally {
        client.close()
      }
    }

    it('reaches the application with what is left', async () => {
      seen = []
      assert.match(await ask('/', `${FIELD}: 5000\r\n`, 'answer'), / 200 OK/)
      const left = Number(seen[0])
      assert.ok(left > 0 && left <= 5000, `${left}`)
      await ask('/', '', 'answer')
      assert.equal(seen[1], undefined)
    })

    it('ends a request in time, and the work behind it', async () => {
      const before = given
      const from = performance.now()
      const text = await ask('/never', `${FIELD}: 150\r\n`, 'upstream request timeout')
      assert.ok(performance.now() - from >= 140)
      assert.match(text, /^HTTP\/1\.1 504 /)
      assert.match(text, /x-fairlead-error: DEADLINE_EXCEEDED/)
      await eventually(() => given === before + 1, 'the application was told that nobody waits')
    })

    it('is not waited for when the caller is gone', async () => {
      const before = given
      seen = []
      const client = new RawClient(mesh.port)
      client.send(`GET /never HTTP/1.1\r\nhost: a\r\n${FIELD}: 60000\r\n\r\n`)
      await eventually(() => seen.length === 1, 'it has arrived')
      // No orderly end: that would say that the caller still waits.
      client.socket.resetAndDestroy()
      await eventually(() => given === before + 1, 'the application was told that nobody waits')
    })

    it('shrinks with each retry, which it ends too', async () => {
      seen = []
      const route = {
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
        requestTimeoutMs: 60_000,
        retry: {
          retriesMax: 1000,
          conditions: [],
          statusCodes: [503],
          backoff: { baseMs: 40, maxMs: 40 },
        },
        requestHeaders: undefined,
        responseHeaders: undefined,
      }
      await mesh.configureCaller({ outbound: [{ ...outboundListener('http'), routes: [route] }] })
      mesh.port = portOf(mesh.caller, 'upstream')
      await ask('/busy', `${FIELD}: 600\r\n`, 'HTTP/1.1 50')
      const left = seen.map(Number)
      assert.ok(left.length >= 2, `${left}`)
      for (const [i, ms] of left.entries()) {
        assert.ok(ms <= 600 && (i === 0 || ms <= (left[i - 1] as number)), `${left}`)
      }
      seen = []
      await ask('/', '', 'answer')
      const ofRoute = Number(seen[0])
      assert.ok(ofRoute > 50_000 && ofRoute <= 60_000, `${ofRoute}`)
    })
  })
}

describe('a deadline of gRPC', () => {
  it('is told on, and answered with DEADLINE_EXCEEDED by the proxy', async () => {
    const service = await startGrpcService()
    const mesh = await Mesh.start(service.port, { protocol: 'grpc' })
    const client = new Client(`127.0.0.1:${mesh.port}`, credentials.createInsecure())
    try {
      // Written by hand: the client itself waits for longer.
      const metadata = new Metadata()
      metadata.set('x-ask', 'late')
      const text = await new Promise<string>((resolve) => {
        const options = { deadline: Date.now() + 30_000, interceptors: [] }
        metadata.set(FIELD, '200')
        const call = client.makeUnaryRequest(
          methods.unary.path,
          same,
          same,
          Buffer.from('late'),
          metadata,
          options,
          () => {},
        )
        call.on('status', (end) => resolve(`${end.code} ${end.details}`))
      })
      assert.equal(text, `${status.DEADLINE_EXCEEDED} upstream request timeout`)
    } finally {
      client.close()
      mesh.close()
      service.close()
    }
  })
})
