/**
 * Copies of requests: whole or not at all, heard by nobody, and never in the way of the request itself.
 */

import assert from 'node:assert/strict'
import { createServer, type ServerResponse } from 'node:http'
import { after, before, beforeEach, describe, it } from 'node:test'
import type { MirrorSpec, RouteSpec, SplitSpec } from '../../../core/mesh/proxy-snapshot.ts'
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

const LEG: SplitSpec = {
  weight: 1,
  clusterId: CLUSTER_ID,
  failover: [],
  requestHeaders: undefined,
  responseHeaders: undefined,
}

function routeWith(mirrors: readonly MirrorSpec[]): RouteSpec {
  return {
    match: { path: undefined, ignoreCase: false, headers: [], query: [], methods: [] },
    splits: [LEG],
    prefixRewrite: '',
    requestTimeoutMs: undefined,
    retry: undefined,
    mirrors,
    requestHeaders: undefined,
    responseHeaders: undefined,
  }
}

interface Arrived {
  readonly host: string
  readonly body: string
  readonly isWhole: boolean
}

for (const offerMux of [true, false]) {
  describe(`copies ${offerMux ? 'over the mux' : 'without the mux'}`, () => {
    let mesh: Mesh
    const arrived: Arrived[] = []
    const held: ServerResponse[] = []
    const app = createServer((incoming, response) => {
      const pieces: Buffer[] = []
      const host = incoming.headers.host ?? ''
      const note = (isWhole: boolean): void => {
        arrived.push({ host, body: Buffer.concat(pieces).toString('latin1'), isWhole })
      }
      incoming.on('data', (piece: Buffer) => pieces.push(piece))
      incoming.on('end', () => {
        note(true)
        if (host.includes('-shadow')) held.push(response)
        else response.end('answer\n')
      })
      incoming.on('error', () => note(false))
    })
    const shadows = (): Arrived[] => arrived.filter(({ host }) => host.includes('-shadow'))
    const dropped = (): number =>
      Number(/fairlead_mirrors_dropped_total (\d+)/.exec(mesh.caller.prometheus())?.[1])

    before(async () => {
      await listening(app)
      mesh = await Mesh.start(serverPort(app), { offerMux })
      const routes = [routeWith([{ percent: 100, keepsHost: false, splits: [LEG] }])]
      await mesh.configureCaller({ outbound: [{ ...outboundListener('http'), routes }] })
      mesh.port = portOf(mesh.caller, 'upstream')
    })
    beforeEach(() => {
      for (const response of held.splice(0)) response.end('nobody reads this')
      arrived.length = 0
    })
    after(() => {
      mesh.close()
      app.close()
      app.closeAllConnections()
    })

    async function send(text: string, until = 'answer'): Promise<string> {
      const client = new RawClient(mesh.port)
      try {
        client.send(text)
        await client.untilText(until)
        return client.text
      } finally {
        client.close()
      }
    }

    it('reach another instance while the request is answered without them', async () => {
      const text = await send('GET /a HTTP/1.1\r\nhost: web:80\r\n\r\n')
      assert.match(text, /^HTTP\/1\.1 200 /)
      // The copy is never answered, which the caller does not notice.
      await eventually(() => shadows().length === 1, 'the copy arrived')
      assert.deepEqual(arrived.map(({ host }) => host).sort(), ['web-shadow:80', 'web:80'])
      assert.doesNotMatch(text, /nobody/)
    })

    it('have the body, of known and of unknown length', async () => {
      const body = 'x'.repeat(60_000)
      await send(`POST / HTTP/1.1\r\nhost: w\r\ncontent-length: 60000\r\n\r\n${body}`)
      await send(
        'POST / HTTP/1.1\r\nhost: w\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
      )
      await eventually(() => shadows().length === 2, 'both copies arrived')
      assert.deepEqual(
        shadows()
          .map((each) => each.body)
          .sort(),
        ['abc', body],
      )
    })

    it('are dropped rather than sent short when the body is long', async () => {
      const before = dropped()
      const body = 'y'.repeat(100_000)
      await send(`POST / HTTP/1.1\r\nhost: w\r\ncontent-length: 100000\r\n\r\n${body}`)
      const hex = (100_000).toString(16)
      await send(
        `POST / HTTP/1.1\r\nhost: w\r\ntransfer-encoding: chunked\r\n\r\n${hex}\r\n${body}\r\n0\r\n\r\n`,
      )
      assert.equal(dropped(), before + 2)
      assert.equal(arrived.filter((each) => each.host === 'w' && each.body === body).length, 2)
      assert.deepEqual(
        shadows().filter(({ isWhole }) => isWhole),
        [],
      )
    })

    it('are not sent whole when the request never was', async () => {
      const client = new RawClient(mesh.port)
      client.send('POST / HTTP/1.1\r\nhost: w\r\ncontent-length: 10\r\n\r\n12345')
      await eventually(() => mesh.caller.prometheus().includes('mirror'), 'the copy is on its way')
      client.socket.resetAndDestroy()
      await eventually(() => arrived.length === 2, 'both were given up')
      assert.deepEqual(
        arrived.map(({ isWhole }) => isWhole),
        [false, false],
      )
    })

    it('do no harm where they cannot go', async () => {
      const routes = [
        routeWith([{ percent: 100, keepsHost: true, splits: [{ ...LEG, clusterId: 'nowhere' }] }]),
      ]
      await mesh.configureCaller({ outbound: [{ ...outboundListener('http'), routes }] })
      assert.match(await send('GET / HTTP/1.1\r\nhost: w\r\n\r\n'), /^HTTP\/1\.1 200 /)
      assert.equal(arrived.length, 1)
      assert.match(mesh.caller.prometheus(), /fairlead_requests_total\{[^}]*route="mirror"/)
    })
  })
}
