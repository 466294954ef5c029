/**
 * What callers send through the mesh arrives as it was sent: HTTP/1.1 with everything that belongs to it, and
 * the failures that they may and may not see while proxies die.
 */

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { Agent, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { startAgent, type TestAgent } from './harness/agent.ts'
import {
  type App,
  call,
  callUntil,
  meshFlags,
  proxyPid,
  registerMesh,
  sharedAddress,
  startApp,
} from './harness/mesh.ts'
import { eventually, kill } from './harness/program.ts'

const WEBSOCKET_KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
/** From RFC 6455, section 1.3. */
const WEBSOCKET_ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
const LARGE_BYTES = 20_000_000
const STALLED_MAX_BYTES = 16_000_000
/** Looks, with a call between them, that find nothing new written. */
const STILL_LOOKS = 5
/** How long calls may fail when the proxy is killed. A quarter of a second on a machine that does nothing else. */
const GAP_MAX_MS = 3000

let agent: TestAgent
let app: App
let host: string

before(async () => {
  agent = await startAgent({ flags: meshFlags() })
  app = await startApp('payments', answer)
  app.server.on('upgrade', (_incoming, socket) => {
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${WEBSOCKET_ACCEPT}\r\n\r\n`,
    )
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  app.server.on('checkContinue', (incoming, response) => {
    if (incoming.url === '/refuse') return void response.writeHead(417).end()
    response.writeContinue()
    answer(incoming, response)
  })
  await registerMesh(agent, app)
  host = await sharedAddress(agent, 'payments')
  await callUntil((reply) => reply.status === 200, host, app.port)
})

after(async () => {
  await app[Symbol.asyncDispose]()
  await agent[Symbol.asyncDispose]()
})

let stalledWritten = 0

function answer(incoming: IncomingMessage, response: ServerResponse): void {
  response.on('error', () => {})
  switch (incoming.url) {
    case '/echo':
      response.setHeader('x-request-coding', incoming.headers['transfer-encoding'] ?? 'none')
      incoming.pipe(response)
      return
    case '/digest':
      void digest(incoming).then((text) => response.end(`${text} ${incoming.trailers['x-end']}`))
      return
    case '/trailers':
      response.writeHead(200, { Trailer: 'X-End' })
      response.write('body')
      response.addTrailers({ 'X-End': 'yes' })
      response.end()
      return
    case '/endless':
      pour(response)
      return
    default:
      response.end(incoming.url)
  }
}

/** Writes as long as somebody takes it. */
function pour(response: ServerResponse): void {
  const piece = Buffer.alloc(65_536)
  stalledWritten = 0
  const more = (): void => {
    if (response.destroyed) return
    stalledWritten += piece.length
    if (response.write(piece)) setImmediate(more)
    else response.once('drain', more)
  }
  more()
}

async function digest(stream: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of stream) hash.update(piece)
  return hash.digest('hex')
}

interface Sent {
  readonly path: string
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly pieces?: readonly Buffer[]
  readonly trailers?: Record<string, string>
  readonly awaitsContinue?: boolean
}

interface Received {
  readonly response: IncomingMessage
  readonly body: Buffer
  readonly continued: boolean
}

async function send(sent: Sent): Promise<Received> {
  return await new Promise((resolve, reject) => {
    let continued = false
    const { path, method = 'GET', headers = {} } = sent
    const outgoing = request({ host, port: app.port, path, method, headers, agent: false })
    const finish = async (): Promise<void> => {
      for (const piece of sent.pieces ?? []) {
        if (!outgoing.write(piece)) await new Promise((drained) => outgoing.once('drain', drained))
      }
      outgoing.addTrailers(sent.trailers ?? {})
      outgoing.end()
    }
    outgoing.on('error', reject)
    outgoing.on('continue', () => {
      continued = true
      void finish()
    })
    outgoing.on('response', (response) => {
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.on('error', reject)
      response.on('end', () => resolve({ response, body: Buffer.concat(pieces), continued }))
    })
    if (sent.awaitsContinue === true) outgoing.flushHeaders()
    else void finish()
  })
}

/** Sends text as it is, and `next` after the first answer; resolves with all that has come back by `isEnough`. */
async function raw(
  text: string,
  isEnough: (answer: string) => boolean,
  next = '',
): Promise<string> {
  let answered = ''
  const socket = connect({ host, port: app.port })
  socket.setEncoding('latin1').on('data', (piece: string) => {
    answered += piece
  })
  socket.on('error', () => {})
  socket.once('data', () => socket.write(next, 'latin1'))
  socket.write(text)
  try {
    return await eventually('the raw answer', () => isEnough(answered) && answered)
  } finally {
    socket.destroy()
  }
}

describe('HTTP/1.1 through the mesh', () => {
  it('keeps the connection of a caller for its next call', async () => {
    const keep = new Agent({ keepAlive: true, maxSockets: 1 })
    const ports = new Set<number | undefined>()
    keep.on('free', (socket) => ports.add(socket.localPort))
    for (let i = 0; i < 20; i++) {
      assert.equal((await call(host, app.port, `/${i}`, { keep })).body, `/${i}`)
    }
    keep.destroy()
    assert.equal(ports.size, 1)
  })

  it('carries chunked bodies both ways', async () => {
    const pieces = [Buffer.from('one '), Buffer.alloc(100_000, 'x'), Buffer.from(' end')]
    const { response, body } = await send({ path: '/echo', method: 'POST', pieces })
    assert.equal(response.headers['x-request-coding'], 'chunked')
    assert.ok(body.equals(Buffer.concat(pieces)))
  })

  it('carries trailers both ways', async () => {
    const up = await send({
      path: '/digest',
      method: 'POST',
      headers: { trailer: 'x-end', 'transfer-encoding': 'chunked' },
      pieces: [Buffer.from('abc')],
      trailers: { 'x-end': 'reached' },
    })
    assert.match(up.body.toString(), / reached$/)
    const down = await send({ path: '/trailers', headers: { te: 'trailers' } })
    assert.equal(down.response.trailers['x-end'], 'yes')
  })

  it('lets the service say 100 or refuse before the body is sent', async () => {
    const headers = { expect: '100-continue', 'content-length': '4' }
    const pieces = [Buffer.from('body')]
    const wanted = { path: '/echo', method: 'POST', headers, pieces, awaitsContinue: true }
    const taken = await send(wanted)
    assert.deepEqual([taken.continued, taken.body.toString()], [true, 'body'])
    const refused = await send({ ...wanted, path: '/refuse' })
    assert.deepEqual([refused.continued, refused.response.statusCode], [false, 417])
  })

  it('upgrades to WebSocket and passes bytes on', async () => {
    const text = await raw(
      `GET /socket HTTP/1.1\r\nHost: payments\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${WEBSOCKET_KEY}\r\n\r\n`,
      (answered) => answered.endsWith('\u0000\u00ffbytes'),
      '\u0000\u00ffbytes',
    )
    assert.match(text, /^HTTP\/1\.1 101 /)
    assert.ok(text.includes(WEBSOCKET_ACCEPT))
  })

  it('answers pipelined requests in their order', async () => {
    const paths = ['/1', '/2', '/3']
    const text = await raw(
      paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: payments\r\n\r\n`).join(''),
      (answered) => answered.endsWith('/3'),
    )
    const bodies = [...text.matchAll(/\r\n\r\n(\/\d)/g)].map(([, body]) => body)
    assert.deepEqual(bodies, paths)
  })

  it('refuses what two servers could read in two ways', async () => {
    const text = await raw(
      'POST / HTTP/1.1\r\nHost: payments\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      (answered) => answered.includes('\r\n\r\n'),
    )
    assert.match(text, /^HTTP\/1\.1 400 /)
  })

  it('carries a large body whole', async () => {
    const body = randomBytes(LARGE_BYTES)
    const pieces = [body.subarray(0, 1000), body.subarray(1000)]
    const reply = await send({ path: '/digest', method: 'POST', pieces })
    const expected = createHash('sha256').update(body).digest('hex')
    assert.equal(reply.body.toString(), `${expected} undefined`)
  })

  it('makes the service wait while the caller reads nothing', async () => {
    const outgoing = request({ host, port: app.port, path: '/endless', agent: false }).end()
    try {
      await new Promise((resolve, reject) => {
        outgoing.once('response', (response) => resolve(response.pause()))
        outgoing.once('error', reject)
      })
      let last = -1
      let sameLooks = 0
      await eventually('the service has stopped writing', async () => {
        sameLooks = stalledWritten === last ? sameLooks + 1 : 0
        last = stalledWritten
        await call(host, app.port)
        return sameLooks === STILL_LOOKS
      })
      assert.ok(last < STALLED_MAX_BYTES, `${last} bytes are under way`)
    } finally {
      outgoing.on('error', () => {}).destroy()
    }
  })
})

describe('a killed proxy', () => {
  it('leaves its callers alone only for a moment, under load', async () => {
    const before = await proxyPid(agent)
    let failedFrom: number | undefined
    let failedTo = 0
    let isOver = false
    const caller = async (): Promise<void> => {
      while (!isOver) {
        try {
          assert.equal((await call(host, app.port)).status, 200)
        } catch {
          failedTo = performance.now()
          failedFrom ??= failedTo
        }
      }
    }
    const callers = Array.from({ length: 4 }, caller)
    kill(before)
    const again = await eventually('another proxy runs', async () => {
      const pid = await proxyPid(agent)
      return pid !== before && pid
    })
    await callUntil((reply) => reply.status === 200, host, app.port)
    isOver = true
    await Promise.all(callers)
    assert.notEqual(again, before)
    assert.ok(failedTo - (failedFrom ?? failedTo) < GAP_MAX_MS, 'the gap is short')
  })
})
