/**
 * Our HPACK beside nghttp2's, which is inside Node: heads at random through both directions of both, on connections that live
 * long, so that tables fill, overflow and are made smaller.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  connect,
  createServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Server } from 'node:net'
import { describe, it } from 'node:test'
import { type Rng, seededRng } from '../../../core/rng.ts'
import { listening, Mesh, serverPort } from './mesh-fixture.ts'

const HEADS = 600
const AT_ONCE = 20
const SEED = Number(process.env['FAIRLEAD_SEED'] ?? process.hrtime.bigint() % 1_000_000_000n)
/** Every character that a value may have, so that every short code and many long ones occur. */
const CHARACTERS = Array.from({ length: 0x5f }, (_, i) => String.fromCharCode(0x20 + i)).join('')

function value(rng: Rng): string {
  const length = rng.pick([0, 1, 5, 20, 60, 300, 2000]) as number
  let text = ''
  for (let i = 0; i < length; i++) text += CHARACTERS[rng.range(0, CHARACTERS.length)]
  return text.trim()
}

/** Some fields of a small stock, which come again, and some that are new. */
function fieldsOf(rng: Rng, stock: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = {}
  for (let i = rng.range(0, 12); i > 0; i--) {
    const isKnown = rng.float() < 0.7
    fields[`x-${rng.range(0, 30)}`] = isKnown ? (rng.pick(stock) as string) : value(rng)
  }
  if (rng.float() < 0.3) fields['authorization'] = value(rng) || 'none'
  return fields
}

function own(headers: IncomingHttpHeaders): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => /^(x-\d+|authorization)$/.test(name)),
  )
}

describe('heads through our HPACK and that of nghttp2', () => {
  for (const headerTableSize of [4096, 100, 0]) {
    it(`are the same at the other end, with tables of ${headerTableSize} bytes`, async (t) => {
      const settings = { headerTableSize }
      const server = createServer({ settings })
      const sessions: { destroy(): void }[] = []
      server.on('session', (session) => sessions.push(session))
      server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
        stream.on('error', () => {})
        stream.respond({ ':status': 200, ...own(headers) } as OutgoingHttpHeaders)
        stream.end()
      })
      await listening(server as unknown as Server)
      const mesh = await Mesh.start(serverPort(server as unknown as Server), { protocol: 'http2' })
      const session = connect(`http://127.0.0.1:${mesh.port}`, { settings })
      try {
        t.diagnostic(`seed ${SEED}`)
        const rng = seededRng(SEED)
        const stock = Array.from({ length: 20 }, () => value(rng))
        for (let sent = 0; sent < HEADS; sent += AT_ONCE) {
          await Promise.all(
            Array.from({ length: AT_ONCE }, async () => {
              const fields = fieldsOf(rng, stock)
              const stream = session.request({ ':path': `/${rng.range(0, 9)}`, ...fields })
              const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders]
              stream.resume()
              assert.equal(headers[':status'], 200)
              assert.deepEqual(own(headers), fields)
            }),
          )
        }
      } finally {
        session.destroy()
        mesh.close()
        for (const each of sessions) each.destroy()
        server.close()
      }
    })
  }
})
