/**
 * Bodies that are longer than a service takes or sends: refused before or cut after, whether or not their length is told.
 */

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { listening, Mesh, RawClient, serverPort } from './mesh-fixture.ts'

for (const offerMux of [true, false]) {
  describe(`size limits ${offerMux ? 'over the mux' : 'without the mux'}`, () => {
    let mesh: Mesh
    const app = createServer((incoming, response) => {
      incoming.resume()
      if (incoming.url === '/long') response.end('x'.repeat(2000))
      else if (incoming.url === '/endless') {
        response.write('x'.repeat(600))
        response.write('x'.repeat(600))
      } else incoming.on('end', () => response.end('fine\n'))
    })

    before(async () => {
      await listening(app)
      mesh = await Mesh.start(serverPort(app), {
        offerMux,
        inbound: { sizeLimits: { request: 100, response: 1000 } },
      })
    })
    after(() => {
      mesh.close()
      app.close()
      app.closeAllConnections()
    })

    async function ask(text: string): Promise<string> {
      const client = new RawClient(mesh.port)
      try {
        client.send(text)
        await client.until(
          (each) =>
            each.ended || each.closed || /fine\n$|send$|takes$|reason: [a-z ]+$/.test(each.text),
        )
        return client.text
      } finally {
        client.close()
      }
    }
    const post = async (length: number): Promise<string> =>
      await ask(
        `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${length}\r\n\r\n${'y'.repeat(length)}`,
      )
    const chunked = async (length: number): Promise<string> =>
      await ask(
        `POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n${length.toString(16)}\r\n${'y'.repeat(length)}\r\n0\r\n\r\n`,
      )

    it('let pass what is as long as it may be', async () => {
      assert.match(await post(100), /^HTTP\/1\.1 200 /)
      assert.match(await chunked(100), /^HTTP\/1\.1 200 /)
    })

    it('answer a longer request with 413', async () => {
      for (const text of [await post(101), await chunked(101)]) {
        assert.match(text, /^HTTP\/1\.1 413 [\s\S]*x-fairlead-error: TOO_LARGE/)
      }
    })

    it('turn a longer answer into 502, and cut one that has begun', async () => {
      assert.match(await ask('GET /long HTTP/1.1\r\nhost: a\r\n\r\n'), /^HTTP\/1\.1 50[23] /)
      const cut = await ask('GET /endless HTTP/1.1\r\nhost: a\r\n\r\n')
      assert.doesNotMatch(cut, /x{1001}|\r\n0\r\n/)
      assert.match(await post(3), /^HTTP\/1\.1 200 /)
    })
  })
}
