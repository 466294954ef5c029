/**
 * Certificates: who is let in, whom we talk to, and what a renewal does to what is open.
 */

import assert from 'node:assert/strict'
import { createServer as createHttpServer, type Server } from 'node:http'
import { after, before, describe, it } from 'node:test'
import {
  type ConnectionOptions,
  createServer as createTlsServer,
  connect as tlsConnect,
} from 'node:tls'
import type { ProxyIdentity } from '../../../core/mesh/proxy-snapshot.ts'
import { agentSpiffeUri, serviceSpiffeUri } from '../../../core/mesh/spiffe.ts'
import {
  allow,
  CLUSTER_ID,
  deny,
  endpoint,
  listening,
  Mesh,
  RawClient,
  serverPort,
  TestCa,
  TRUST_DOMAIN,
  testCa,
} from './mesh-fixture.ts'

let app: Server
let requests = 0

before(async () => {
  app = await listening(
    createHttpServer((incoming, outgoing) => {
      requests++
      if (incoming.url === '/forever') outgoing.write('first')
      else outgoing.end('ok')
    }),
  )
})
after(() => {
  app.close()
  app.closeAllConnections()
})

async function statusOf(port: number): Promise<string> {
  const client = new RawClient(port)
  client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  await client.untilText('\r\n\r\n')
  client.close()
  return client.text.slice(9, 12)
}

/** Speaks HTTP/1.1 over TLS to the inbound listener. @returns what came back before the end */
async function direct(port: number, options: ConnectionOptions): Promise<string> {
  return await new Promise<string>((resolve) => {
    let text = ''
    const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
    socket.on('secureConnect', () =>
      socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'),
    )
    socket.on('data', (chunk) => {
      text += String(chunk)
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(text))
  })
}

const keyPair = (identity: ProxyIdentity): ConnectionOptions => ({
  cert: identity.certPem,
  key: identity.keyPem,
})

describe('an inbound listener', () => {
  let mesh: Mesh
  let ca: TestCa
  before(async () => {
    ca = await testCa()
    mesh = await Mesh.start(serverPort(app), { intentions: [allow('web'), deny('*')] })
  })
  after(() => mesh.close())

  const refused = async (options: ConnectionOptions): Promise<void> => {
    const before = requests
    assert.equal(await direct(mesh.inboundPort, options), '')
    assert.equal(requests, before)
  }

  it('lets in a client of any kind with a certificate of the mesh', async () => {
    const text = await direct(mesh.inboundPort, keyPair(await ca.leaf('web')))
    assert.match(text, /^HTTP\/1.1 200 OK/)
    const http = await direct(mesh.inboundPort, {
      ...keyPair(await ca.leaf('web')),
      ALPNProtocols: ['http/1.1'],
    })
    assert.match(http, /^HTTP\/1.1 200 OK/)
  })

  it('accepts TLS 1.2', async () => {
    const text = await direct(mesh.inboundPort, {
      ...keyPair(await ca.leaf('web')),
      maxVersion: 'TLSv1.2',
    })
    assert.match(text, /^HTTP\/1.1 200 OK/)
  })

  it('denies by the identity in the certificate', async () => {
    const text = await direct(mesh.inboundPort, keyPair(await ca.leaf('other')))
    assert.match(text, /^HTTP\/1.1 403 Forbidden/)
    const agentUri = agentSpiffeUri(TRUST_DOMAIN, 'dc1', 'vm-a')
    const agent = await direct(mesh.inboundPort, keyPair(await ca.leaf('x', { uri: agentUri })))
    assert.match(agent, /^HTTP\/1.1 403 Forbidden/)
  })

  it('refuses a client without a certificate', async () => await refused({}))

  it('refuses a certificate of another CA with the same names', async () => {
    const foreign = await TestCa.make()
    await refused(keyPair(await foreign.leaf('web')))
  })

  it('refuses another trust domain', async () => {
    const uri = serviceSpiffeUri('99999999-2222-3333-4444-555555555555.consul', 'dc1', 'web')
    await refused(keyPair(await ca.leaf('web', { uri })))
  })

  it('refuses identities that are no services', async () => {
    for (const path of [
      '/agent/server/dc/dc1',
      '/gateway/mesh/dc/dc1',
      '',
      '/ns/other/dc/dc1/svc/web',
      '/ap/x/ns/default/dc/dc1/svc/web',
      '/web',
    ]) {
      await refused(keyPair(await ca.leaf('web', { uri: `spiffe://${TRUST_DOMAIN}${path}` })))
    }
  })

  it('refuses an expired certificate', async () => {
    await refused(keyPair(await ca.leaf('web', { ttlMs: 30_000 })))
  })
})

describe('an outbound call', () => {
  it('fails when the instance proves another identity', async () => {
    const ca = await testCa()
    const wrong = { ...(await ca.leaf('other')), id: 'svc/payments' }
    const mesh = await Mesh.start(serverPort(app))
    await mesh.configureCallee({ identities: [wrong] })
    const before = requests
    assert.equal(await statusOf(mesh.port), '503')
    assert.equal(requests, before)
    mesh.close()
  })

  it('fails when the instance has a certificate of another CA', async () => {
    const foreign = await TestCa.make()
    const mesh = await Mesh.start(serverPort(app), { callerRoots: [foreign.rootPem] })
    assert.equal(await statusOf(mesh.port), '503')
    mesh.close()
  })

  it('sends the SNI of the destination and offers the mux first', async () => {
    const ca = await testCa()
    const leaf = await ca.leaf('payments')
    const seen: string[] = []
    const server = await listening(
      createTlsServer({
        cert: leaf.certPem,
        key: leaf.keyPem,
        ca: [ca.rootPem],
        requestCert: true,
        ALPNCallback: ({ servername, protocols }) => {
          seen.push(servername, ...protocols)
          return 'http/1.1'
        },
      }),
    )
    server.on('secureConnection', (socket) => {
      socket.on('error', () => {})
      socket.on('data', () => socket.end('HTTP/1.1 204 No Content\r\n\r\n'))
    })
    const mesh = await Mesh.start(serverPort(app))
    await mesh.setEndpoints([endpoint('foreign', serverPort(server))])
    assert.equal(await statusOf(mesh.port), '204')
    assert.deepEqual(seen, [CLUSTER_ID, 'fairlead-mux/1', 'http/1.1'])
    mesh.close()
    server.close()
  })

  it('does without ALPN when a server refuses all of ours', async () => {
    const ca = await testCa()
    const leaf = await ca.leaf('payments')
    const server = await listening(
      createTlsServer({
        cert: leaf.certPem,
        key: leaf.keyPem,
        ca: [ca.rootPem],
        requestCert: true,
        ALPNProtocols: ['h3'],
      }),
    )
    server.on('secureConnection', (socket) => {
      socket.on('error', () => {})
      socket.on('data', () => socket.end('HTTP/1.1 204 No Content\r\n\r\n'))
    })
    const mesh = await Mesh.start(serverPort(app))
    await mesh.setEndpoints([endpoint('foreign', serverPort(server))])
    assert.equal(await statusOf(mesh.port), '204')
    mesh.close()
    server.close()
  })
})

for (const offerMux of [true, false]) {
  describe(`a renewed certificate ${offerMux ? 'over the mux' : 'without the mux'}`, () => {
    it('serves new exchanges and leaves those under way alone', async () => {
      const ca = await testCa()
      const mesh = await Mesh.start(serverPort(app), { offerMux })
      const running = new RawClient(mesh.port)
      running.send('GET /forever HTTP/1.1\r\nhost: a\r\n\r\n')
      await running.untilText('first')
      await mesh.configureCaller({ identities: [await ca.leaf('web')] })
      await mesh.configureCallee({ identities: [await ca.leaf('payments')] })
      for (let i = 0; i < 5; i++) assert.equal(await statusOf(mesh.port), '200')
      assert.equal(running.ended || running.closed, false)
      running.close()
      mesh.close()
    })

    it('of a new root is accepted while both roots are trusted, and the old one no more after', async () => {
      const oldCa = await testCa()
      const newCa = await TestCa.make()
      const mesh = await Mesh.start(serverPort(app), { offerMux })
      const both = [oldCa.rootPem, newCa.rootPem]
      await mesh.configureCallee({ rootsPem: both })
      await mesh.configureCaller({ rootsPem: both })
      await mesh.configureCaller({ identities: [await newCa.leaf('web')] })
      assert.equal(await statusOf(mesh.port), '200')
      await mesh.configureCallee({ identities: [await newCa.leaf('payments')] })
      assert.equal(await statusOf(mesh.port), '200')
      await mesh.configureCallee({ rootsPem: [newCa.rootPem] })
      await mesh.configureCaller({ rootsPem: [newCa.rootPem] })
      assert.equal(await statusOf(mesh.port), '200')
      assert.equal(await direct(mesh.inboundPort, keyPair(await oldCa.leaf('web'))), '')
      mesh.close()
    })
  })
}

it('a certificate that does not fit its key leaves the configuration before in force', async () => {
  const ca = await testCa()
  const mesh = await Mesh.start(serverPort(app))
  const other = await ca.leaf('web')
  const broken = { ...(await ca.leaf('web')), keyPem: other.keyPem }
  const snapshot = { ...mesh.callerSnapshot, version: 99, identities: [broken] }
  await assert.rejects(mesh.caller.configure(snapshot))
  assert.equal(await statusOf(mesh.port), '200')
  mesh.close()
})
