/**
 * Known attacks of request smuggling on a listener: none reaches the application, and the connection ends, over the mux
 * and without it.
 */

import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { ATTACKS } from '../../fuzz/http1/smuggling-corpus.ts'
import { listening, Mesh, RawClient, serverPort } from './mesh-fixture.ts'

for (const offerMux of [true, false]) {
  describe(`an attacker ${offerMux ? 'over the mux' : 'without the mux'}`, () => {
    const seen: string[] = []
    let app: Server
    let mesh: Mesh

    before(async () => {
      app = await listening(
        createServer((incoming, outgoing) => {
          seen.push(incoming.url ?? '')
          incoming.resume().on('end', () => outgoing.end('ok'))
          incoming.on('error', () => {})
        }),
      )
      mesh = await Mesh.start(serverPort(app), { offerMux })
    })
    after(() => {
      mesh.close()
      app.close()
      app.closeAllConnections()
    })

    for (const { name, text } of ATTACKS) {
      it(`gets nothing through by ${name}`, async () => {
        seen.length = 0
        const client = new RawClient(mesh.port)
        try {
          client.send(text)
          await client.untilEnded()
        } finally {
          client.close()
        }
        assert.ok(!seen.includes('/smuggled'), `the application saw ${seen.join(' ')}`)
        const replies = client.text.match(/HTTP\/1\.1 \d\d\d/g) ?? []
        assert.match(replies.at(-1) ?? '', /HTTP\/1\.1 (4|5)\d\d/, client.text)
      })
    }

    it('does not keep others from being served', async () => {
      const client = new RawClient(mesh.port)
      try {
        client.send('GET /fine HTTP/1.1\r\nHost: a\r\n\r\n')
        await client.untilText('ok')
        assert.deepEqual(seen.at(-1), '/fine')
      } finally {
        client.close()
      }
    })
  })
}
