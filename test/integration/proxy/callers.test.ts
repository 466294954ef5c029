/**
 * Callers on a shared address, told apart by their real process.
 */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer as createHttpServer, type Server } from 'node:http'
import { createInterface } from 'node:readline'
import { after, before, describe, it } from 'node:test'
import type { OutboundListener } from '../../../core/mesh/proxy-snapshot.ts'
import { listening, Mesh, outboundListener, RawClient, serverPort, testCa } from './mesh-fixture.ts'

/** A service: listens, prints its port, and calls a port that it reads from standard input. */
const SERVICE = `
  const net = require('node:net')
  const server = net.createServer().listen(0, '127.0.0.1', () => console.log('port ' + server.address().port))
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const socket = net.connect({ port: Number(line), host: '127.0.0.1' })
    let text = ''
    socket.write('GET / HTTP/1.1\\r\\nhost: a\\r\\nconnection: close\\r\\n\\r\\n')
    socket.on('data', (chunk) => { text += chunk })
    socket.on('error', () => {})
    socket.on('close', () => console.log('got ' + (/svc\\/([a-z-]+)$/m.exec(text)?.[1] ?? 'nothing')))
  })
`

class Service {
  readonly child: ChildProcess
  readonly lines: AsyncIterator<string>
  port = 0

  private constructor(child: ChildProcess) {
    this.child = child
    assert.ok(child.stdout)
    this.lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  }

  static async start(): Promise<Service> {
    const child = spawn(process.execPath, ['-e', SERVICE], { stdio: ['pipe', 'pipe', 'inherit'] })
    const service = new Service(child)
    service.port = Number((await service.line()).split(' ')[1])
    return service
  }

  /** @returns the service that the callee saw */
  async callTo(port: number): Promise<string> {
    this.child.stdin?.write(`${port}\n`)
    return (await this.line()).split(' ')[1] ?? ''
  }

  async line(): Promise<string> {
    const { value } = await this.lines.next()
    return String(value)
  }

  async stop(): Promise<void> {
    const gone = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await gone
  }
}

describe('a connection on a shared address', { skip: !existsSync('/proc/net/tcp') }, () => {
  let app: Server
  let mesh: Mesh
  let cart: Service
  let stock: Service

  before(async () => {
    app = await listening(
      createHttpServer((incoming, outgoing) => {
        outgoing.end(/URI=(\S+)$/.exec(String(incoming.headers['x-forwarded-client-cert']))?.[1])
      }),
    )
    mesh = await Mesh.start(serverPort(app))
    cart = await Service.start()
    stock = await Service.start()
    const ca = await testCa()
    const shared: OutboundListener = {
      ...outboundListener('http'),
      source: { kind: 'caller', fallbackIdentityId: 'svc/host' },
    }
    await mesh.configureCaller({
      identities: [await ca.leaf('cart'), await ca.leaf('stock'), await ca.leaf('host')],
      outbound: [shared],
      callers: {
        services: [
          { identityId: 'svc/cart', port: cart.port },
          { identityId: 'svc/stock', port: stock.port },
        ],
      },
    })
  })
  after(async () => {
    await cart.stop()
    await stock.stop()
    mesh.close()
    app.close()
    app.closeAllConnections()
  })

  it('carries the identity of the service whose process made it', async () => {
    assert.equal(await cart.callTo(mesh.port), 'cart')
    assert.equal(await stock.callTo(mesh.port), 'stock')
    assert.equal(await cart.callTo(mesh.port), 'cart')
  })

  it('carries the fallback identity for any other process', async () => {
    const client = new RawClient(mesh.port)
    client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await client.untilText('svc/host')
    client.close()
  })

  it('is refused for an unknown process where there is no fallback', async () => {
    await mesh.configureCaller({
      outbound: [{ ...outboundListener('http'), source: { kind: 'caller' } }],
    })
    const client = new RawClient(mesh.port)
    client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await client.until((each) => each.closed)
    assert.equal(client.text, '')
    assert.equal(await stock.callTo(mesh.port), 'stock')
  })
})
