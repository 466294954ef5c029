/**
 * HTTP/2 with clients and servers of the mesh that are not ours: ALPN, prior knowledge, and which version is chosen.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  createServer as createHttp1,
  request as http1Request,
  type IncomingMessage,
} from 'node:http'
import {
  type ClientHttp2Session,
  connect,
  createServer as createHttp2,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Server } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { createServer as createTlsServer, type TLSSocket, connect as tlsConnect } from 'node:tls'
import type { ProxyProtocol } from '../../../core/mesh/proxy-snapshot.ts'
import { deny, endpoint, listening, Mesh, serverPort, testCa } from './mesh-fixture.ts'

interface Reply {
  readonly status: unknown
  readonly version: unknown
  readonly body: string
}

async function get(session: ClientHttp2Session): Promise<Reply> {
  const stream = session.request({ ':path': '/a' })
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders]
  let body = ''
  for await (const chunk of stream) body += String(chunk)
  return { status: headers[':status'], version: headers['x-version'], body }
}

/** A client of the mesh with a certificate of its own. */
async function clientSocket(port: number, alpn: readonly string[]): Promise<TLSSocket> {
  const ca = await testCa()
  const leaf = await ca.leaf('web')
  const socket = tlsConnect({
    host: '127.0.0.1',
    port,
    cert: leaf.certPem,
    key: leaf.keyPem,
    ca: [ca.rootPem],
    checkServerIdentity: () => undefined,
    ...(alpn.length > 0 ? { ALPNProtocols: [...alpn] } : {}),
  })
  await once(socket, 'secureConnect')
  return socket
}

async function getOver(socket: TLSSocket): Promise<Reply> {
  const session = connect('https://payments', { createConnection: () => socket })
  try {
    return await get(session)
  } finally {
    session.destroy()
  }
}

describe('a foreign client of HTTP/2', () => {
  let http1: Server
  let http2: Server

  before(async () => {
    http1 = await listening(
      createHttp1((_, outgoing) => outgoing.setHeader('x-version', '1.1').end('one')),
    )
    http2 = (await listening(
      createHttp2((_, outgoing) => {
        outgoing.setHeader('x-version', '2.0')
        outgoing.end('two')
      }) as unknown as Server,
    )) as Server
  })
  after(() => {
    http1.close()
    http2.close()
  })

  async function withMesh(
    protocol: ProxyProtocol,
    app: Server,
    use: (mesh: Mesh) => Promise<void>,
  ): Promise<void> {
    const mesh = await Mesh.start(serverPort(app), { protocol })
    try {
      await use(mesh)
    } finally {
      mesh.close()
    }
  }

  it('is served by ALPN h2, and with prior knowledge', async () => {
    await withMesh('grpc', http2, async ({ inboundPort }) => {
      for (const alpn of [['h2'], ['h2', 'http/1.1'], []]) {
        const socket = await clientSocket(inboundPort, alpn)
        assert.equal(socket.alpnProtocol, alpn.length === 0 ? false : 'h2')
        assert.deepEqual(await getOver(socket), { status: 200, version: '2.0', body: 'two' })
      }
    })
  })

  it('reaches an application of HTTP/1, where HTTP/1.1 is what is preferred', async () => {
    await withMesh('http', http1, async ({ inboundPort }) => {
      const both = await clientSocket(inboundPort, ['h2', 'http/1.1'])
      assert.equal(both.alpnProtocol, 'http/1.1')
      both.destroy()
      const socket = await clientSocket(inboundPort, ['h2'])
      assert.deepEqual(await getOver(socket), { status: 200, version: '1.1', body: 'one' })
    })
  })

  it('decides the version where none is configured', async () => {
    await withMesh('auto', http2, async ({ inboundPort }) => {
      const socket = await clientSocket(inboundPort, ['h2', 'http/1.1'])
      assert.deepEqual(await getOver(socket), { status: 200, version: '2.0', body: 'two' })
    })
    await withMesh('auto', http1, async ({ inboundPort }) => {
      const socket = await clientSocket(inboundPort, ['http/1.1', 'h2'])
      assert.equal(socket.alpnProtocol, 'http/1.1')
      socket.destroy()
    })
  })

  it('may still speak HTTP/1 to a service of HTTP/2', async () => {
    await withMesh('http2', http2, async ({ inboundPort }) => {
      for (const alpn of [['http/1.1'], []]) {
        const socket = await clientSocket(inboundPort, alpn)
        socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')
        let text = ''
        for await (const chunk of socket) text += String(chunk)
        assert.match(text, /^HTTP\/1\.1 200 OK\r\n.*x-version: 2\.0\r\n.*two/s)
      }
    })
  })
})

describe('a foreign client that says nothing at first', () => {
  it('is judged by the intentions of the moment at which it speaks', async () => {
    const app = await listening(createHttp1((_, outgoing) => outgoing.end('ok')))
    const mesh = await Mesh.start(serverPort(app), { protocol: 'http2' })
    try {
      const socket = await clientSocket(mesh.inboundPort, [])
      await once(socket, 'session') // so the other side has taken it too
      socket.write('G')
      await mesh.setIntentions([deny('web')])
      socket.write('ET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')
      let text = ''
      for await (const chunk of socket) text += String(chunk)
      assert.match(text, /^HTTP\/1\.1 403 Forbidden\r\n/)
    } finally {
      mesh.close()
      app.close()
    }
  })
})

describe('a foreign server', () => {
  for (const alpn of [true, false]) {
    it(`gets many calls on one connection ${alpn ? 'by ALPN' : 'with prior knowledge'}`, async () => {
      const ca = await testCa()
      const leaf = await ca.leaf('payments')
      const sockets: TLSSocket[] = []
      const server = createTlsServer(
        {
          cert: leaf.certPem,
          key: leaf.keyPem,
          ca: [ca.rootPem],
          requestCert: true,
          ...(alpn ? { ALPNProtocols: ['h2'] } : {}),
        },
        (socket) => {
          sockets.push(socket)
          socket.on('error', () => {})
          performServerHandshake(socket).on('stream', (stream: ServerHttp2Stream) => {
            stream.respond({ ':status': 200, 'x-version': '2.0' })
            stream.end('foreign')
          })
        },
      )
      await listening(server)
      const app = await listening(createHttp1(() => {}))
      const mesh = await Mesh.start(serverPort(app), { protocol: 'grpc' })
      const session = connect(`http://127.0.0.1:${mesh.port}`)
      try {
        await mesh.setEndpoints([endpoint('vm-c/foreign', serverPort(server))])
        const { clusters } = mesh.callerSnapshot
        await mesh.configureCaller({
          clusters: clusters.map((each) => ({ ...each, protocol: 'grpc' as const })),
        })
        const replies = await Promise.all(
          Array.from({ length: 30 }, async () => await get(session)),
        )
        assert.ok(replies.every((reply) => reply.status === 200 && reply.body === 'foreign'))
        const outgoing = http1Request({ host: '127.0.0.1', port: mesh.port, path: '/' })
        outgoing.end()
        const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
        answer.resume()
        assert.equal(answer.headers['x-version'], '2.0')
        assert.equal(sockets.length, 1)
      } finally {
        session.destroy()
        mesh.close()
        for (const socket of sockets) socket.destroy()
        server.close()
        app.close()
      }
    })
  }
})
