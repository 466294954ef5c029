/**
 * HTTP/2 through two proxies, over the mux and without it, to and from HTTP/1, with Node's own HTTP/2 at both ends.
 */

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  createServer as createHttp1,
  request as http1Request,
  type IncomingMessage,
} from 'node:http'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  createServer as createHttp2,
  type Http2Server,
  type IncomingHttpHeaders,
} from 'node:http2'
import type { Server } from 'node:net'
import { after, before, describe, it } from 'node:test'
import type { ProxyProtocol } from '../../../core/mesh/proxy-snapshot.ts'
import { deny, eventually, listening, Mesh, RawClient, serverPort } from './mesh-fixture.ts'

interface Answer {
  readonly headers: IncomingHttpHeaders
  readonly trailers: IncomingHttpHeaders
  readonly informational: IncomingHttpHeaders[]
  readonly body: Buffer
}

interface Incoming extends AsyncIterable<unknown> {
  readonly url?: string | undefined
  readonly method?: string | undefined
  readonly httpVersion: string
  readonly headers: NodeJS.Dict<string | string[]>
  readonly trailers: NodeJS.Dict<string | string[]>
}

/** Says what it was asked, in fields; the body and trailers come back. */
async function echo(incoming: Incoming, outgoing: Outgoing): Promise<void> {
  const pieces: Buffer[] = []
  for await (const chunk of incoming) pieces.push(chunk as Buffer)
  const asked = { ...incoming.headers, url: incoming.url, method: incoming.method }
  outgoing.setHeader('x-asked', Buffer.from(JSON.stringify(asked)).toString('base64'))
  outgoing.setHeader('x-version', incoming.httpVersion)
  if (incoming.url === '/nothing') {
    outgoing.statusCode = 204
    outgoing.end()
    return
  }
  if (incoming.url === '/early') outgoing.writeEarlyHints({ link: '</a>; rel=preload' })
  if (incoming.method === 'HEAD') {
    outgoing.end()
    return
  }
  outgoing.setHeader('trailer', 'x-sum')
  for (const piece of pieces) outgoing.write(piece)
  outgoing.addTrailers({ 'x-sum': String(incoming.trailers['x-sum'] ?? 'none') })
  outgoing.end()
}

interface Outgoing {
  statusCode: number
  setHeader(name: string, value: string): unknown
  write(bytes: Buffer): unknown
  writeEarlyHints(hints: Record<string, string>): unknown
  addTrailers(trailers: Record<string, string>): unknown
  end(): unknown
}

function app(version: 1 | 2): Server | Http2Server {
  // A caller that was cut is not answered.
  const ignore = (): void => {}
  return version === 1
    ? createHttp1((incoming, outgoing) => void echo(incoming, outgoing).catch(ignore))
    : createHttp2((incoming, outgoing) => {
        void echo(incoming, outgoing as unknown as Outgoing).catch(ignore)
      })
}

async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  const informational: IncomingHttpHeaders[] = []
  let trailers: IncomingHttpHeaders = {}
  stream.on('headers', (headers: IncomingHttpHeaders) => informational.push(headers))
  stream.on('trailers', (headers: IncomingHttpHeaders) => {
    trailers = headers
  })
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders]
  const pieces: Buffer[] = []
  for await (const chunk of stream) pieces.push(chunk as Buffer)
  return { headers, trailers, informational, body: Buffer.concat(pieces) }
}

function asked(answer: Pick<Answer, 'headers'>): Record<string, string> {
  return JSON.parse(Buffer.from(String(answer.headers['x-asked']), 'base64').toString())
}

interface Path {
  readonly protocol: ProxyProtocol
  readonly offerMux: boolean
  readonly app: 1 | 2
}

const PATHS: readonly Path[] = [
  { protocol: 'http2', offerMux: true, app: 2 },
  { protocol: 'http2', offerMux: false, app: 2 },
  { protocol: 'auto', offerMux: true, app: 2 },
  { protocol: 'auto', offerMux: false, app: 2 },
  { protocol: 'http', offerMux: true, app: 1 },
  { protocol: 'http', offerMux: false, app: 1 },
]

for (const path of PATHS) {
  const how = path.offerMux ? 'over the mux' : 'without the mux'
  describe(`HTTP/2 to a service of protocol ${path.protocol} ${how}`, () => {
    let server: Server | Http2Server
    let mesh: Mesh
    let session: ClientHttp2Session

    before(async () => {
      server = await listening(app(path.app) as Server)
      mesh = await Mesh.start(serverPort(server), path)
      if (path.protocol !== 'auto') await sayProtocol(mesh, path.protocol)
      session = connect(`http://127.0.0.1:${mesh.port}`)
      await once(session, 'connect')
    })
    after(() => {
      session.destroy()
      mesh.close()
      server.close()
    })

    it('carries a request and its answer', async () => {
      const answer = await answerOf(
        session.request({ ':path': '/a?b=1', 'x-a': 'b', cookie: 'c=d' }),
      )
      assert.equal(answer.headers[':status'], 200)
      assert.equal(answer.headers['x-version'], path.app === 2 ? '2.0' : '1.1')
      assert.match(String(answer.headers['x-envoy-upstream-service-time']), /^\d+$/)
      const seen = asked(answer)
      assert.equal(seen['url'], '/a?b=1')
      assert.equal(seen['cookie'], 'c=d')
      assert.equal(seen['x-a'], 'b')
      assert.match(seen['x-forwarded-client-cert'] ?? '', /URI=spiffe:.*\/svc\/web$/)
      assert.match(seen['x-request-id'] ?? '', /^[0-9a-f-]{36}$/)
    })

    it('carries large bodies both ways, many at once, each whole', async () => {
      const bodies = Array.from({ length: 12 }, (_, i) => randomBytes(i * 70_000))
      const answers = await Promise.all(
        bodies.map(async (body, i) => {
          const stream = session.request({ ':method': 'POST', ':path': `/${i}` })
          const answer = answerOf(stream)
          stream.end(body)
          return await answer
        }),
      )
      for (const [i, answer] of answers.entries()) {
        assert.equal(asked(answer)['url'], `/${i}`)
        assert.ok(answer.body.equals(bodies[i] as Buffer), `body ${i}`)
      }
    })

    it('carries trailers both ways', async () => {
      const stream = session.request(
        { ':method': 'POST', ':path': '/t', te: 'trailers' },
        { waitForTrailers: true },
      )
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42' }))
      const answer = answerOf(stream)
      stream.end('body')
      assert.equal((await answer).body.toString(), 'body')
      assert.equal((await answer).trailers['x-sum'], '42')
    })

    it('carries early hints, HEAD and answers without a body', async () => {
      const hints = await answerOf(session.request({ ':path': '/early' }))
      assert.deepEqual(
        hints.informational.map((each) => each[':status']),
        [103],
      )
      const head = await answerOf(session.request({ ':method': 'HEAD', ':path': '/h' }))
      assert.equal(asked(head)['method'], 'HEAD')
      assert.equal(head.body.length, 0)
      const nothing = await answerOf(session.request({ ':path': '/nothing' }))
      assert.equal(nothing.headers[':status'], 204)
    })

    it('cuts what is denied later, and answers 403 to what comes then', async () => {
      const stream = session.request({ ':method': 'POST', ':path': '/open' })
      const open = once(stream, 'response') as Promise<[IncomingHttpHeaders]>
      stream.write('begun')
      await answerOf(session.request({ ':path': '/other' }))
      await mesh.setIntentions([deny('web')])
      assert.equal((await open)[0][':status'], 403)
      const later = await answerOf(session.request({ ':path': '/later' }))
      assert.equal(later.headers[':status'], 403)
      assert.equal(later.body.toString(), 'RBAC: access denied')
      await mesh.setIntentions([])
    })
  })
}

async function sayProtocol(mesh: Mesh, protocol: ProxyProtocol): Promise<void> {
  const clusters = mesh.callerSnapshot.clusters.map((each) => ({ ...each, protocol }))
  await mesh.configureCaller({ clusters })
}

describe('HTTP/1 and HTTP/2 on one listener', () => {
  for (const offerMux of [true, false]) {
    it(`turns HTTP/1 into HTTP/2 for the application ${offerMux ? 'over' : 'without'} the mux`, async () => {
      const server = await listening(app(2) as Server)
      const mesh = await Mesh.start(serverPort(server), { protocol: 'grpc', offerMux })
      try {
        await sayProtocol(mesh, 'grpc')
        const outgoing = http1Request({
          port: mesh.port,
          host: '127.0.0.1',
          method: 'PUT',
          path: '/x',
        })
        outgoing.setHeader('trailer', 'x-sum')
        outgoing.write('ab')
        outgoing.addTrailers({ 'x-sum': '9' })
        outgoing.end('cd')
        const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
        let body = ''
        for await (const chunk of answer) body += String(chunk)
        assert.equal(answer.headers['x-version'], '2.0')
        assert.equal(body, 'abcd')
        assert.equal(answer.trailers['x-sum'], '9')
      } finally {
        mesh.close()
        server.close()
      }
    })
  }

  it('says so when the application does not speak the HTTP/2 that its protocol promises', async () => {
    const server = await listening(app(1) as Server)
    const mesh = await Mesh.start(serverPort(server), { protocol: 'http2' })
    const session = connect(`http://127.0.0.1:${mesh.port}`)
    try {
      const answer = await answerOf(session.request({ ':path': '/' }))
      assert.equal(answer.headers[':status'], 503)
    } finally {
      session.destroy()
      mesh.close()
      server.close()
    }
  })

  it('answers nonsense in the version that the listener is for', async () => {
    const server = await listening(app(1) as Server)
    const mesh = await Mesh.start(serverPort(server), { protocol: 'http' })
    const client = new RawClient(mesh.port)
    try {
      client.send('\x01\x02\x03')
      await client.untilText('HTTP/1.1 400')
    } finally {
      client.close()
      mesh.close()
      server.close()
    }
  })

  it('ends sessions with GOAWAY when it drains, and loses no request', async () => {
    const server = await listening(app(2) as Server)
    const mesh = await Mesh.start(serverPort(server), { protocol: 'http2' })
    const session = connect(`http://127.0.0.1:${mesh.port}`)
    try {
      const stream = session.request({ ':method': 'POST', ':path': '/slow' })
      stream.write('first')
      await answerOf(session.request({ ':path': '/warm' }))
      const goaway = once(session, 'goaway')
      const drained = mesh.caller.drain()
      await goaway
      const answer = answerOf(stream)
      stream.end('last')
      assert.equal((await answer).body.toString(), 'firstlast')
      await drained
    } finally {
      session.destroy()
      mesh.close()
      server.close()
    }
  })

  it('loses nothing to an application that ends its sessions now and then', async () => {
    let sessions = 0
    let answered = 0
    const server = createHttp2((_, outgoing) => {
      outgoing.end('ok')
      // GOAWAY while other requests are on their way.
      if (++answered % 7 === 0) outgoing.stream.session?.close()
    })
    server.on('session', () => sessions++)
    await listening(server as unknown as Server)
    const mesh = await Mesh.start(serverPort(server as unknown as Server), { protocol: 'grpc' })
    const session = connect(`http://127.0.0.1:${mesh.port}`)
    try {
      for (let round = 0; round < 20; round++) {
        const answers = await Promise.all(
          Array.from({ length: 10 }, async () => await answerOf(session.request({ ':path': '/' }))),
        )
        for (const answer of answers) assert.equal(answer.headers[':status'], 200)
      }
      assert.ok(sessions > 10)
    } finally {
      session.destroy()
      mesh.close()
      server.close()
    }
  })

  it('gives a caller up that is gone, on both sides', async () => {
    const given: string[] = []
    const server = createHttp2((incoming) => {
      incoming.stream.on('aborted', () => given.push(incoming.url))
      incoming.resume()
    })
    await listening(server as unknown as Server)
    const mesh = await Mesh.start(serverPort(server as unknown as Server), { protocol: 'http2' })
    const session = connect(`http://127.0.0.1:${mesh.port}`)
    try {
      const arrived = once(server, 'stream')
      const stream = session.request({ ':method': 'POST', ':path': '/reset' })
      stream.on('error', () => {})
      await arrived
      stream.close(8)
      await eventually(() => given.length === 1, 'the reset reaches the application')
      const again = once(server, 'stream')
      session.request({ ':method': 'POST', ':path': '/gone' }).on('error', () => {})
      await again
      session.destroy()
      await eventually(() => given.length === 2, 'the end of the session reaches the application')
      assert.deepEqual(given, ['/reset', '/gone'])
    } finally {
      session.destroy()
      mesh.close()
      server.close()
    }
  })
})
