/**
 * Instances: spread, retried elsewhere, taken away; and one slow reader among many.
 */

import assert from 'node:assert/strict'
import { createServer as createHttpServer, type Server } from 'node:http'
import { createServer, type Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { silentLogger } from '../../../core/log.ts'
import { seededRng } from '../../../core/rng.ts'
import type { DataPlane } from '../../../proxy/data-plane.ts'
import { DataPlane as Plane } from '../../../proxy/data-plane.ts'
import { systemClock } from '../../../runtime/clock/system-clock.ts'
import {
  endpoint,
  eventually,
  listening,
  Mesh,
  portOf,
  RawClient,
  serverPort,
} from './mesh-fixture.ts'

interface Instance {
  readonly app: Server
  readonly plane: DataPlane
  readonly port: number
}

async function get(port: number, method = 'GET', body = ''): Promise<string> {
  const client = new RawClient(port)
  client.send(`${method} / HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
  await client.until(
    (each) => /\r\n\r\n[\s\S]*\n$/.test(each.text) || each.closed || /upstream/.test(each.text),
  )
  client.close()
  return client.text
}

async function closedPort(): Promise<number> {
  const server = await listening(createServer())
  const port = serverPort(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

for (const offerMux of [true, false]) {
  describe(`instances ${offerMux ? 'over the mux' : 'without the mux'}`, () => {
    let mesh: Mesh
    const instances: Instance[] = []
    const hits = new Map<string, number>()

    before(async () => {
      for (const name of ['one', 'two', 'three']) {
        const app = await listening(
          createHttpServer((incoming, outgoing) => {
            hits.set(name, (hits.get(name) ?? 0) + 1)
            if (incoming.url === '/forever') outgoing.write(`first ${name}`)
            else incoming.on('end', () => outgoing.end(`${name}\n`)).resume()
          }),
        )
        if (mesh === undefined) {
          mesh = await Mesh.start(serverPort(app), { offerMux })
          instances.push({ app, plane: mesh.callee, port: mesh.inboundPort })
          continue
        }
        const deps = { clock: systemClock, rng: seededRng(2), log: silentLogger }
        const plane = new Plane({ offerMux: true }, deps)
        const inbound = mesh.calleeSnapshot.inbound.map((each) => ({
          ...each,
          target: { address: '127.0.0.1', port: serverPort(app) },
        }))
        await plane.configure({ ...mesh.calleeSnapshot, inbound })
        instances.push({ app, plane, port: portOf(plane, 'payments-sidecar') })
      }
    })
    after(() => {
      mesh.close()
      for (const { app, plane } of instances) {
        plane.stop()
        app.close()
        app.closeAllConnections()
      }
    })

    const all = (): ReturnType<typeof endpoint>[] =>
      instances.map(({ port }, i) => endpoint(`i${i}`, port))

    it('share requests evenly, or by weight', async () => {
      await mesh.setEndpoints(all())
      hits.clear()
      for (let i = 0; i < 12; i++) await get(mesh.port)
      assert.deepEqual([...hits.values()], [4, 4, 4])
      await mesh.setEndpoints(all().map((each, i) => ({ ...each, weight: i === 0 ? 4 : 1 })))
      hits.clear()
      for (let i = 0; i < 12; i++) await get(mesh.port)
      assert.deepEqual([...hits.values()].sort(), [2, 2, 8])
    })

    it('that are unhealthy or gone get nothing new; none left gives 503', async () => {
      await mesh.setEndpoints(all().map((each, i) => ({ ...each, healthy: i === 1 })))
      hits.clear()
      for (let i = 0; i < 6; i++) await get(mesh.port)
      assert.deepEqual([...hits.keys()], ['two'])
      await mesh.setEndpoints([])
      const text = await get(mesh.port)
      assert.match(text, /^HTTP\/1.1 503 Service Unavailable\r\n/)
      assert.match(text, /x-fairlead-error: UPSTREAM_UNHEALTHY\r\n[\s\S]*no healthy upstream$/)
      await mesh.setEndpoints(all())
    })

    it('that leave finish what runs on them', async () => {
      await mesh.setEndpoints(all().slice(0, 1))
      const client = new RawClient(mesh.port)
      client.send('GET /forever HTTP/1.1\r\nhost: a\r\n\r\n')
      await client.untilText('first one')
      await mesh.setEndpoints(all().slice(1))
      assert.match(await get(mesh.port), /two|three/)
      assert.equal(client.closed || client.ended, false)
      client.close()
      await mesh.setEndpoints(all())
    })

    it('that refuse connections cost no caller anything while another is there', async () => {
      const dead = await closedPort()
      await mesh.setEndpoints([endpoint('dead', dead), endpoint('live', instances[0]?.port ?? 0)])
      for (let i = 0; i < 20; i++) {
        assert.match(await get(mesh.port, i % 2 === 0 ? 'GET' : 'POST', 'body'), /^HTTP\/1.1 200/)
      }
      await mesh.setEndpoints(all())
    })

    it('all refusing give 503 that says so', async () => {
      await mesh.setEndpoints([endpoint('dead', await closedPort())])
      const text = await get(mesh.port)
      assert.match(text, /^HTTP\/1.1 503 /)
      assert.match(text, /x-fairlead-error: UPSTREAM_UNREACHABLE\r\n/)
      assert.match(text, /upstream connect error or disconnect\/reset before headers/)
      await mesh.setEndpoints(all())
    })
  })
}

describe('over the mux', () => {
  it('an application that is down sends even a POST with its body to another instance', async () => {
    const app = await listening(
      createHttpServer((incoming, outgoing) => {
        let body = ''
        incoming.on('data', (chunk) => {
          body += String(chunk)
        })
        incoming.on('end', () => outgoing.end(`${incoming.method} ${body}\n`))
      }),
    )
    const live = await Mesh.start(serverPort(app))
    const down = await Mesh.start(await closedPort())
    await live.setEndpoints([endpoint('down', down.inboundPort), endpoint('up', live.inboundPort)])
    for (let i = 0; i < 10; i++) {
      assert.match(await get(live.port, 'POST', 'precious'), /POST precious/)
    }
    live.close()
    down.close()
    app.close()
    app.closeAllConnections()
  })

  it('a request that may have been handled is not sent twice, an idempotent one is', async () => {
    const seen: string[] = []
    let behave = false
    const sockets = new Set<Socket>()
    const app = await listening(
      createServer((socket) => {
        sockets.add(socket)
        socket.on('error', () => {})
        socket.on('data', (chunk) => {
          seen.push(String(chunk).split(' ')[0] ?? '')
          if (behave) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n')
          else socket.destroy()
        })
      }),
    )
    const mesh = await Mesh.start(serverPort(app))
    behave = true
    await get(mesh.port)
    behave = false
    seen.length = 0
    assert.match(await get(mesh.port, 'POST', 'x'), /^HTTP\/1.1 503 [\s\S]*UPSTREAM_RESET/)
    assert.deepEqual(seen, ['POST'])
    behave = true
    await get(mesh.port)
    behave = false
    seen.length = 0
    assert.match(await get(mesh.port), /^HTTP\/1.1 503 /)
    assert.deepEqual(seen, ['GET', 'GET'], 'the kept connection died, so it was tried on a new one')
    mesh.close()
    app.close()
    for (const socket of sockets) socket.destroy()
  })

  it('one reader that stalls holds up nobody else on the connection', async () => {
    const big = Buffer.alloc(8 * 1024 * 1024, 'b')
    const app = await listening(
      createHttpServer((incoming, outgoing) => {
        if (incoming.url === '/big') outgoing.end(big)
        else outgoing.end('small\n')
      }),
    )
    const mesh = await Mesh.start(serverPort(app))
    const stalled = Array.from({ length: 8 }, () => {
      const client = new RawClient(mesh.port, { keep: false })
      client.send('GET /big HTTP/1.1\r\nhost: a\r\n\r\n')
      client.socket.once('data', () => client.socket.pause())
      return client
    })
    await eventually(() => stalled.every((client) => client.bytes > 0), 'the large ones begin')
    for (let i = 0; i < 50; i++) assert.match(await get(mesh.port), /small/)
    for (const client of stalled) client.socket.resume()
    for (const client of stalled) await client.until((each) => each.bytes > big.length)
    for (const client of stalled) client.close()
    mesh.close()
    app.close()
    app.closeAllConnections()
  })
})
