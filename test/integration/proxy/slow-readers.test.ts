/**
 * Callers that do not read: they hold up themselves, and neither other calls on the same connections nor the memory of
 * the proxies, whose source is made to wait.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttp1 } from 'node:http'
import { connect, createServer as createHttp2, type IncomingHttpHeaders } from 'node:http2'
import type { Server } from 'node:net'
import { Readable, type Writable } from 'node:stream'
import { describe, it } from 'node:test'
import { eventually, listening, Mesh, RawClient, serverPort } from './mesh-fixture.ts'

const BULK_BYTES = 64 * 1024 * 1024
const PIECE = Buffer.alloc(64 * 1024, 'x')
/** Of four answers: windows of a megabyte, and the system's buffers of sockets, ten a connection. */
const UNDER_WAY_MAX = 64 * 1024 * 1024

/** Turns of the event loop without anything taken. */
const STILL_TURNS = 2000

/** Counts how much of a bulk answer was taken. */
class Bulk extends Readable {
  static taken = 0
  #left = BULK_BYTES

  override _read(): void {
    if (this.#left <= 0) {
      this.push(null)
      return
    }
    this.#left -= PIECE.length
    Bulk.taken += PIECE.length
    this.push(PIECE)
  }
}

function serve(incoming: { readonly url?: string | undefined }, outgoing: Writable): void {
  outgoing.on('error', () => {})
  if (incoming.url === '/bulk') new Bulk().on('error', () => {}).pipe(outgoing)
  else outgoing.end('small')
}

for (const { app, offerMux } of [
  { app: 1, offerMux: true },
  { app: 2, offerMux: true },
  { app: 2, offerMux: false },
] as const) {
  describe(`a slow reader of an application of HTTP/${app} ${offerMux ? 'over' : 'without'} the mux`, () => {
    it('stalls nobody else, and makes the application wait', async () => {
      const server =
        app === 1
          ? createHttp1((incoming, outgoing) => serve(incoming, outgoing))
          : createHttp2((incoming, outgoing) => serve(incoming, outgoing as unknown as Writable))
      await listening(server as Server)
      const protocol = app === 1 ? 'http' : 'http2'
      const mesh = await Mesh.start(serverPort(server as Server), { protocol, offerMux })
      await mesh.configureCaller({
        clusters: mesh.callerSnapshot.clusters.map((each) => ({ ...each, protocol })),
      })
      const slow = Array.from({ length: 3 }, () => new RawClient(mesh.port, { keep: false }))
      const session = connect(`http://127.0.0.1:${mesh.port}`)
      Bulk.taken = 0
      try {
        for (const client of slow) {
          client.socket.pause()
          client.send('GET /bulk HTTP/1.1\r\nhost: a\r\n\r\n')
        }
        const stalled = session.request({ ':path': '/bulk' })
        stalled.on('error', () => {})
        await once(stalled, 'response')
        stalled.pause()
        let before = 0
        let turns = 0
        await eventually(() => {
          turns = Bulk.taken > before ? 0 : turns + 1
          before = Bulk.taken
          return turns > STILL_TURNS
        }, 'all windows and buffers are full')
        const other = connect(`http://127.0.0.1:${mesh.port}`)
        try {
          for (let i = 0; i < 50; i++) {
            const stream = other.request({ ':path': '/small' })
            const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders]
            let body = ''
            for await (const chunk of stream) body += String(chunk)
            assert.deepEqual([headers[':status'], body], [200, 'small'])
          }
        } finally {
          other.destroy()
        }
        assert.ok(Bulk.taken < UNDER_WAY_MAX, `${Bulk.taken} bytes are under way`)
        const [reader] = slow as [RawClient]
        reader.socket.resume()
        await reader.until(({ bytes }) => bytes > BULK_BYTES)
      } finally {
        session.destroy()
        for (const client of slow) client.close()
        mesh.close()
        server.close()
        if ('closeAllConnections' in server) server.closeAllConnections()
      }
    })
  })
}
