/**
 * HTTP/1 through two proxies, over the mux and without it, with real applications at both ends.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { after, before, describe, it } from 'node:test'
import { listening, Mesh, RawClient, serverPort } from './mesh-fixture.ts'

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly trailers: IncomingMessage['trailers']
  readonly body: string
}

async function call(
  port: number,
  options: {
    readonly method?: string
    readonly path?: string
    readonly headers?: Record<string, string>
    readonly body?: string | readonly string[]
    readonly agent?: Agent
  } = {},
): Promise<Answer> {
  const { body, ...rest } = options
  const outgoing = request({ host: '127.0.0.1', port, ...rest })
  if (typeof body === 'string') outgoing.end(body)
  else {
    for (const piece of body ?? []) outgoing.write(piece)
    outgoing.end()
  }
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    trailers: response.trailers,
    body: text,
  }
}

for (const offerMux of [true, false]) {
  describe(`HTTP/1 through two proxies ${offerMux ? 'over the mux' : 'without the mux'}`, () => {
    let app: Server
    let mesh: Mesh
    const agent = new Agent({ keepAlive: true })

    before(async () => {
      app = await listening(createServer((incoming, outgoing) => void serve(incoming, outgoing)))
      app.on('checkContinue', (incoming, outgoing) => {
        if (incoming.url === '/refuse') {
          outgoing.writeHead(417).end()
          return
        }
        outgoing.writeContinue()
        void serve(incoming, outgoing)
      })
      app.on('upgrade', (_incoming, socket: Duplex) => {
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
        )
        socket.on('data', (chunk) => socket.write(`echo:${String(chunk)}`))
        socket.on('end', () => socket.end('bye'))
      })
      mesh = await Mesh.start(serverPort(app), { offerMux })
    })
    after(() => {
      agent.destroy()
      mesh.close()
      app.close()
      app.closeAllConnections()
    })

    it('carries a request and its answer', async () => {
      const answer = await call(mesh.port, { path: '/echo?x=1', agent })
      assert.equal(answer.status, 200)
      assert.match(String(answer.headers['x-envoy-upstream-service-time']), /^\d+$/)
      const seen = JSON.parse(answer.body)
      assert.equal(seen.method, 'GET')
      assert.equal(seen.url, '/echo?x=1')
      assert.match(seen.headers['x-request-id'], /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab]/)
      assert.equal(seen.headers['x-forwarded-proto'], 'http')
      assert.match(
        seen.headers['x-forwarded-client-cert'],
        /^By=spiffe:.*\/svc\/payments;Hash=[0-9a-f]{64};Subject="";URI=spiffe:.*\/svc\/web$/,
      )
    })

    it('keeps the connection of the caller over many requests', async () => {
      for (let i = 0; i < 20; i++) {
        const answer = await call(mesh.port, { path: `/echo?${i}`, agent })
        assert.equal(JSON.parse(answer.body).url, `/echo?${i}`)
      }
    })

    it('carries counted and chunked bodies and their trailers both ways', async () => {
      const counted = await call(mesh.port, {
        method: 'POST',
        path: '/echo',
        body: 'hello',
        headers: { 'content-length': '5' },
      })
      assert.equal(JSON.parse(counted.body).body, 'hello')
      const chunked = await call(mesh.port, {
        method: 'POST',
        path: '/trailers',
        body: ['one', 'two'],
      })
      assert.equal(chunked.body, 'onetwo')
      assert.deepEqual({ ...chunked.trailers }, { 'x-count': '6' })
    })

    it('forwards request trailers', async () => {
      const client = new RawClient(mesh.port)
      client.send(
        'POST /request-trailers HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n' +
          '3;ext=1\r\nabc\r\n0\r\nx-sum: 99\r\ncontent-length: 4\r\n\r\n',
      )
      await client.untilText('"x-sum":"99"')
      assert.doesNotMatch(client.text, /"content-length":"4"/)
      client.close()
    })

    it('answers pipelined requests in order', async () => {
      const client = new RawClient(mesh.port)
      let text = ''
      for (let i = 0; i < 10; i++) text += `GET /slow?${i} HTTP/1.1\r\nhost: a\r\n\r\n`
      client.send(text)
      await client.untilText('n=9')
      const order = [...client.text.matchAll(/n=(\d)/g)].map((match) => match[1])
      assert.deepEqual(order, ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
      client.close()
    })

    it('answers HEAD, 204 and 304 without a body and goes on', async () => {
      const client = new RawClient(mesh.port)
      client.send('HEAD /big HTTP/1.1\r\nhost: a\r\n\r\n')
      await client.untilText('\r\n\r\n')
      assert.match(client.text, /^HTTP\/1.1 200 OK\r\n/)
      assert.match(client.text, /content-length: 1000000\r\n/i)
      client.text = ''
      client.send('GET /204 HTTP/1.1\r\nhost: a\r\n\r\nGET /304 HTTP/1.1\r\nhost: a\r\n\r\n')
      await client.until((c) => /304 Not Modified[\s\S]*\r\n\r\n$/.test(c.text))
      assert.match(client.text, /^HTTP\/1.1 204 No Content\r\n/)
      client.close()
    })

    it('passes 100-continue on, and a refusal before the body', async () => {
      const client = new RawClient(mesh.port)
      client.send(
        'POST /continue HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n',
      )
      await client.untilText('HTTP/1.1 100 Continue\r\n\r\n')
      client.send('abc')
      await client.untilText('"body":"abc"')
      client.close()
      const refused = new RawClient(mesh.port)
      refused.send(
        'POST /refuse HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n',
      )
      await refused.untilEnded()
      assert.match(refused.text, /^HTTP\/1.1 417 /)
      assert.match(refused.text, /connection: close/i)
      refused.close()
    })

    it('gives a response without a date one', async () => {
      const answer = await call(mesh.port, { path: '/dateless' })
      assert.match(String(answer.headers.date), /^\w{3}, \d\d \w{3} \d{4} .* GMT$/)
    })

    it('relays early hints', async () => {
      const client = new RawClient(mesh.port)
      client.send('GET /hints HTTP/1.1\r\nhost: a\r\n\r\n')
      await client.untilText('200 OK')
      assert.match(client.text, /^HTTP\/1.1 103 Early Hints\r\nlink: <\/a.css>/i)
      client.close()
    })

    it('pipes bytes both ways after an upgrade, each direction ended on its own', async () => {
      const client = new RawClient(mesh.port)
      client.send(
        'GET /ws HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: WebSocket\r\n\r\n',
      )
      await client.untilText('\r\n\r\n')
      assert.match(client.text, /^HTTP\/1.1 101 Switching Protocols\r\n/)
      assert.match(client.text, /upgrade: websocket\r\n/i)
      client.send('ping')
      await client.untilText('echo:ping')
      client.socket.end('last')
      await client.untilText('echo:last')
      await client.untilText('bye')
      await client.untilEnded()
      client.close()
    })

    it('does not let another protocol be upgraded to', async () => {
      const client = new RawClient(mesh.port)
      client.send(
        'GET /echo HTTP/1.1\r\nhost: a\r\nconnection: Upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAAA\r\n\r\n',
      )
      await client.untilText('"url"')
      assert.doesNotMatch(client.text, /h2c|http2-settings/)
      client.close()
    })

    it('still answers a caller that half-closes after its request', async () => {
      const client = new RawClient(mesh.port)
      client.socket.end('GET /slow?7 HTTP/1.1\r\nhost: a\r\n\r\n')
      await client.untilText('n=7')
      await client.untilEnded()
      client.close()
    })

    it('speaks HTTP/1.0 with those who do', async () => {
      const client = new RawClient(mesh.port)
      client.send('GET /chunked HTTP/1.0\r\nhost: a\r\n\r\n')
      await client.untilEnded()
      assert.match(client.text, /connection: close\r\n/i)
      assert.doesNotMatch(client.text, /transfer-encoding/i)
      assert.match(client.text, /\r\n\r\npart1part2$/)
      client.close()
      const kept = new RawClient(mesh.port)
      kept.send('GET /echo HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n')
      await kept.untilText('"url"')
      assert.match(kept.text, /connection: keep-alive\r\n/i)
      kept.close()
    })

    it('refuses what it cannot delimit and closes', async () => {
      const client = new RawClient(mesh.port)
      client.send(
        'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      )
      await client.untilEnded()
      assert.match(client.text, /^HTTP\/1.1 400 Bad Request\r\n/)
      assert.match(client.text, /x-fairlead-error: BAD_REQUEST\r\n/)
      client.close()
    })

    it('says 503 when the application is gone in the middle of an answer only by breaking off', async () => {
      const client = new RawClient(mesh.port)
      client.send('GET /broken HTTP/1.1\r\nhost: a\r\n\r\n')
      await client.untilEnded()
      assert.match(client.text, /^HTTP\/1.1 200 OK/)
      assert.ok(!client.text.endsWith('0\r\n\r\n'))
      client.close()
    })

    it('carries large bodies both ways unchanged', async () => {
      const body = 'x'.repeat(3_000_000)
      const answer = await call(mesh.port, { method: 'POST', path: '/count', body })
      assert.equal(answer.body, '3000000')
      const big = await call(mesh.port, { path: '/big' })
      assert.equal(big.body.length, 1_000_000)
      assert.match(big.body, /^a+$/)
    })
  })
}

async function serve(
  incoming: IncomingMessage,
  outgoing: import('node:http').ServerResponse,
): Promise<void> {
  const path = incoming.url?.split('?')[0]
  switch (path) {
    case '/trailers': {
      outgoing.writeHead(200, { trailer: 'x-count' })
      let size = 0
      for await (const chunk of incoming) {
        size += (chunk as Buffer).length
        outgoing.write(chunk)
      }
      outgoing.addTrailers({ 'x-count': String(size) })
      outgoing.end()
      return
    }
    case '/request-trailers':
      incoming.resume()
      await once(incoming, 'end')
      outgoing.end(JSON.stringify(incoming.trailers))
      return
    case '/slow':
      setImmediate(() => outgoing.end(`n=${incoming.url?.split('?')[1]}`))
      return
    case '/big':
      outgoing.writeHead(200, { 'content-length': '1000000' })
      outgoing.end(incoming.method === 'HEAD' ? undefined : 'a'.repeat(1_000_000))
      return
    case '/204':
      outgoing.writeHead(204).end()
      return
    case '/304':
      outgoing.writeHead(304).end()
      return
    case '/hints':
      outgoing.writeEarlyHints({ link: '</a.css>' })
      outgoing.end('ok')
      return
    case '/dateless':
      outgoing.sendDate = false
      outgoing.end()
      return
    case '/chunked':
      outgoing.write('part1')
      outgoing.end('part2')
      return
    case '/broken':
      outgoing.write('part1')
      setImmediate(() => incoming.socket.destroy())
      return
    case '/count': {
      let size = 0
      for await (const chunk of incoming) size += (chunk as Buffer).length
      outgoing.end(String(size))
      return
    }
    default: {
      let body = ''
      for await (const chunk of incoming) body += String(chunk)
      const { method, url, headers } = incoming
      outgoing.end(JSON.stringify({ method, url, headers, body }))
    }
  }
}
