/**
 * Raw TCP through two proxies: bytes, half-close, aborts, backpressure, and telling HTTP from the rest.
 */

import assert from 'node:assert/strict'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { eventually, listening, Mesh, RawClient, serverPort } from './mesh-fixture.ts'

for (const offerMux of [true, false]) {
  describe(`a stream ${offerMux ? 'over the mux' : 'without the mux'}`, () => {
    let app: Server
    let mesh: Mesh
    let onConnection: (socket: Socket) => void = () => {}

    before(async () => {
      app = await listening(
        createServer({ allowHalfOpen: true }, (socket) => {
          socket.on('error', () => {})
          onConnection(socket)
        }),
      )
      mesh = await Mesh.start(serverPort(app), { offerMux, protocol: 'tcp' })
    })
    after(() => {
      mesh.close()
      app.close()
    })

    it('carries bytes both ways, the server first if it likes', async () => {
      onConnection = (socket) => {
        socket.write('welcome\n')
        socket.on('data', (chunk) => socket.write(`echo:${String(chunk)}`))
        socket.on('end', () => socket.end())
      }
      const client = new RawClient(mesh.port)
      await client.untilText('welcome\n')
      client.send('hi')
      await client.untilText('echo:hi')
      client.socket.end()
      await client.until((each) => each.closed)
    })

    it('ends each direction on its own', async () => {
      onConnection = (socket) => {
        let got = ''
        socket.on('data', (chunk) => {
          got += String(chunk)
        })
        socket.on('end', () => socket.end(`got ${got}`))
      }
      const client = new RawClient(mesh.port)
      client.socket.end('all of it')
      await client.untilText('got all of it')
      await client.until((each) => each.closed)
      let late = ''
      onConnection = (socket) => {
        socket.end('only this')
        socket.on('data', (chunk) => {
          late += String(chunk)
        })
      }
      const other = new RawClient(mesh.port)
      await other.untilText('only this')
      await other.until((each) => each.ended)
      other.send('more')
      await eventually(() => late === 'more', 'bytes still go the other way')
      other.socket.end()
      await other.until((each) => each.closed)
    })

    it('passes an abort of either side on', async () => {
      let server: Socket | undefined
      onConnection = (socket) => {
        server = socket
        socket.on('data', (chunk) => socket.write(chunk))
      }
      const client = new RawClient(mesh.port)
      client.send('x')
      await client.untilText('x')
      client.socket.resetAndDestroy()
      await eventually(() => server?.destroyed === true, 'the application sees the abort')
      const other = new RawClient(mesh.port)
      other.send('y')
      await other.untilText('y')
      server?.resetAndDestroy()
      await other.until((each) => each.closed)
    })

    it('holds little while a reader is slow, and then delivers everything', async () => {
      const size = 24 * 1024 * 1024
      const block = Buffer.alloc(256 * 1024, 7)
      let written = 0
      onConnection = (socket) => {
        const send = (): void => {
          while (written < size) {
            written += block.length
            if (!socket.write(block)) return void socket.once('drain', send)
          }
          socket.end()
        }
        send()
      }
      const client = new RawClient(mesh.port, { keep: false })
      client.socket.pause()
      let before = -1
      // The writer has stopped when a hundred turns of the loop let nothing more through.
      for (let quiet = 0; quiet < 100; quiet++) {
        if (written !== before) quiet = 0
        before = written
        await new Promise((resolve) => setImmediate(resolve))
      }
      assert.ok(written < size - 2 * 1024 * 1024, `${written} bytes went into buffers`)
      client.socket.resume()
      await client.until((each) => each.ended)
      assert.equal(client.bytes, size)
      client.close()
    })

    it('is closed when nobody listens behind the instance', async () => {
      const spare = await listening(createServer())
      const port = serverPort(spare)
      spare.close()
      const closed = await Mesh.start(port, { offerMux, protocol: 'tcp' })
      const client = new RawClient(closed.port)
      client.send('x')
      await client.until((each) => each.closed)
      assert.equal(client.text, '')
      closed.close()
    })
  })
}

describe('a listener without a configured protocol', () => {
  it('treats HTTP as HTTP and all else as a stream', async () => {
    const http = await listening(createHttpServer((_incoming, outgoing) => outgoing.end('hello')))
    const web = await Mesh.start(serverPort(http), { protocol: 'auto' })
    const request = new RawClient(web.port)
    for (const piece of ['GE', 'T / HT', 'TP/1.1\r\nho', 'st: a\r\n\r\n']) request.send(piece)
    await request.untilText('hello')
    assert.match(request.text, /date: /i)
    request.close()
    web.close()
    http.closeAllConnections()
    http.close()
    const sockets: Socket[] = []
    const app = await listening(
      createServer((socket) => {
        sockets.push(socket)
        socket.on('error', () => {})
        socket.write('220 ready\r\n')
        socket.on('data', (chunk) => socket.write(`<${String(chunk)}>`))
      }),
    )
    const mail = await Mesh.start(serverPort(app), { protocol: 'auto' })
    const silent = new RawClient(mail.port)
    await silent.untilText('220 ready')
    silent.send('HELO a\r\n')
    await silent.untilText('<HELO a\r\n>')
    const eager = new RawClient(mail.port)
    eager.send('GET key\r\n')
    await eager.untilText('<GET key\r\n>')
    silent.close()
    eager.close()
    mail.close()
    for (const socket of sockets) socket.destroy()
    app.close()
  })
})
