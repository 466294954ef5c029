/**
 * Who may call whom through two proxies: new and open connections, requests judged one by one.
 */

import assert from 'node:assert/strict'
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'
import {
  allow,
  deny,
  eventually,
  listening,
  Mesh,
  RawClient,
  rule,
  serverPort,
} from './mesh-fixture.ts'

const GET = 'GET /x HTTP/1.1\r\nhost: a\r\n\r\n'

for (const offerMux of [true, false]) {
  describe(`HTTP ${offerMux ? 'over the mux' : 'without the mux'}`, () => {
    let app: HttpServer
    let mesh: Mesh
    const requests: string[] = []

    before(async () => {
      app = await listening(
        createHttpServer((incoming, outgoing) => {
          requests.push(incoming.url ?? '')
          if (incoming.url === '/forever') outgoing.write('first')
          else if (incoming.url !== '/silent') outgoing.end('ok')
        }),
      )
      mesh = await Mesh.start(serverPort(app), { offerMux })
    })
    after(() => {
      mesh.close()
      app.close()
      app.closeAllConnections()
    })

    it('denies a new request with 403 and lets the next one pass once allowed', async () => {
      const client = new RawClient(mesh.port)
      await mesh.setIntentions([deny('web')])
      client.send(GET)
      await client.untilText('RBAC: access denied')
      assert.match(client.text, /^HTTP\/1.1 403 Forbidden\r\n/)
      assert.match(client.text, /x-fairlead-error: PERMISSION_DENIED\r\n/)
      assert.deepEqual(requests, [])
      await mesh.setIntentions([allow('web'), deny('*')])
      client.text = ''
      const again = new RawClient(mesh.port)
      again.send(GET)
      await again.untilText('200 OK')
      client.close()
      again.close()
    })

    it('cuts a response under way when it is denied', async () => {
      const client = new RawClient(mesh.port)
      client.send('GET /forever HTTP/1.1\r\nhost: a\r\n\r\n')
      await client.untilText('first')
      requests.length = 0
      await mesh.setIntentions([deny('web')])
      await client.untilEnded()
      assert.ok(!client.text.endsWith('0\r\n\r\n'), 'the body does not look complete')
      await mesh.setIntentions([])
      client.close()
    })

    for (const [choice, goesOn] of [
      ['drain', true],
      ['ignore', true],
      ['cut', false],
    ] as const) {
      it(`lets a response under way ${goesOn ? 'go on' : 'end'} where the denial says ${choice}`, async () => {
        const client = new RawClient(mesh.port)
        client.send('GET /forever HTTP/1.1\r\nhost: a\r\n\r\n')
        await client.untilText('first')
        const meta = { 'fairlead-open-connections': choice }
        await mesh.setIntentions([{ ...deny('web'), meta }])
        const refused = new RawClient(mesh.port)
        refused.send(GET)
        await refused.untilText('403 Forbidden')
        if (!goesOn) await client.untilEnded()
        assert.equal(client.ended || client.closed, !goesOn)
        await mesh.setIntentions([])
        client.close()
        refused.close()
      })
    }

    it('answers 403 to a request that waits for its response when it is denied', async () => {
      const client = new RawClient(mesh.port)
      client.send('GET /silent HTTP/1.1\r\nhost: a\r\n\r\n')
      await eventually(() => requests.includes('/silent'), 'the request arrives')
      await mesh.setIntentions([deny('web')])
      await client.untilText('403 Forbidden')
      await mesh.setIntentions([])
      client.close()
    })

    it('leaves exchanges alone that a change of rules does not concern', async () => {
      const client = new RawClient(mesh.port)
      client.send('GET /forever HTTP/1.1\r\nhost: a\r\n\r\n')
      await client.untilText('first')
      await mesh.setIntentions([deny('other'), allow('web')])
      const other = new RawClient(mesh.port)
      other.send(GET)
      await other.untilText('200 OK')
      assert.equal(client.ended || client.closed, false)
      await mesh.setIntentions([])
      client.close()
      other.close()
    })

    it('judges each request by method, normalised path and fields where rules ask for it', async () => {
      const permissions = [
        { action: 'deny' as const, http: { pathPrefix: '/admin' } },
        { action: 'allow' as const, http: { pathPrefix: '/', methods: ['GET'] } },
        { action: 'allow' as const, http: { header: [{ name: 'X-Key', exact: 'k' }] } },
        { action: 'deny' as const, http: { pathPrefix: '/' } },
      ]
      await mesh.setIntentions([rule('web', { action: '', permissions })])
      const status = async (line: string, fields = ''): Promise<string> => {
        const client = new RawClient(mesh.port)
        client.send(`${line} HTTP/1.1\r\nhost: a\r\n${fields}content-length: 0\r\n\r\n`)
        await client.untilText('\r\n\r\n')
        client.close()
        return client.text.slice(9, 12)
      }
      assert.equal(await status('GET /x'), '200')
      assert.equal(await status('POST /x'), '403')
      assert.equal(await status('POST /x', 'x-key: k\r\n'), '200')
      assert.equal(await status('GET /admin'), '403')
      assert.equal(await status('GET /x/../admin'), '403')
      assert.equal(await status('GET /x/%2e%2E/%61dmin'), '403')
      assert.equal(await status('GET /x\\..\\admin'), '403')
      assert.equal(await status('GET http://a/admin'), '403')
      await mesh.setIntentions([])
    })

    it('judges requests under way again when rules with permissions come', async () => {
      requests.length = 0
      const kept = new RawClient(mesh.port)
      const cut = new RawClient(mesh.port)
      kept.send('GET /forever HTTP/1.1\r\nhost: a\r\n\r\n')
      cut.send('GET /silent HTTP/1.1\r\nhost: a\r\n\r\n')
      await kept.untilText('first')
      await eventually(() => requests.includes('/silent'), 'the request arrives')
      const permissions = [{ action: 'allow' as const, http: { pathExact: '/forever' } }]
      const inbound = mesh.calleeSnapshot.inbound.map((each) => ({
        ...each,
        defaultAction: 'deny' as const,
        intentions: [rule('web', { action: '', permissions })],
      }))
      await mesh.configureCallee({ inbound })
      await cut.untilText('403 Forbidden')
      assert.equal(kept.ended || kept.closed, false)
      kept.close()
      cut.close()
    })
  })

  describe(`streams ${offerMux ? 'over the mux' : 'without the mux'}`, () => {
    let app: Server
    let mesh: Mesh
    const sockets = new Set<Socket>()

    before(async () => {
      app = await listening(
        createServer((socket) => {
          sockets.add(socket)
          socket.on('close', () => sockets.delete(socket))
          socket.on('error', () => {})
          socket.on('data', (chunk) => socket.write(chunk))
        }),
      )
      mesh = await Mesh.start(serverPort(app), { offerMux, protocol: 'tcp' })
    })
    after(() => {
      mesh.close()
      app.close()
      for (const socket of sockets) socket.destroy()
    })

    it('are cut when denied, on both sides, and refused while denied', async () => {
      const open = new RawClient(mesh.port)
      open.send('hello')
      await open.untilText('hello')
      await mesh.setIntentions([deny('web')])
      await open.until((client) => client.closed)
      await eventually(() => sockets.size === 0, 'the application sees the end')
      const refused = new RawClient(mesh.port)
      refused.send('hello')
      await refused.until((client) => client.closed || client.ended)
      assert.equal(refused.text, '')
      assert.equal(sockets.size, 0)
      await mesh.setIntentions([])
      open.close()
      refused.close()
    })

    it('are cut by a denial that drains, and left open by one that says so', async () => {
      const open = new RawClient(mesh.port)
      open.send('hello')
      await open.untilText('hello')
      const denial = (choice: string) => ({
        ...deny('web'),
        meta: { 'fairlead-open-connections': choice },
      })
      await mesh.setIntentions([denial('ignore')])
      open.text = ''
      open.send('still')
      await open.untilText('still')
      const refused = new RawClient(mesh.port)
      refused.send('hello')
      await refused.until((client) => client.closed || client.ended)
      await mesh.setIntentions([denial('drain')])
      await open.until((client) => client.closed)
      await mesh.setIntentions([])
      open.close()
      refused.close()
    })

    it('are refused where only rules with permissions match', async () => {
      const permissions = [{ action: 'allow' as const, http: { pathPrefix: '/' } }]
      await mesh.setIntentions([rule('web', { action: '', permissions })])
      const refused = new RawClient(mesh.port)
      refused.send('hello')
      await refused.until((client) => client.closed || client.ended)
      assert.equal(refused.text, '')
      await mesh.setIntentions([])
      refused.close()
    })
  })
}
