/**
 * Clients that send a header or a body drop by drop are ended in time; an answer may take as long as it wants.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { closeListener, createListener, listen, portOf } from '../../../../agent/http/listener.ts'

const TIMES = { headersMs: 150, requestMs: 300, lookMs: 20 }
const DROP_EVERY_MS = 10

let server: Server
/** Answers what waits. */
let answer: () => void = () => {}

before(async () => {
  server = createListener(
    { perClientMax: () => 0, headerBytesMax: 65_536, times: TIMES },
    (request, response) => {
      if (request.url === '/waits') answer = () => void response.end('late')
      else if (request.url === '/at-once') response.end('early')
      else request.resume().on('end', () => response.end('read'))
    },
  )
  await listen(server, { host: '127.0.0.1', port: 0 })
})

after(async () => {
  await closeListener(server)
})

async function open(bytes: string): Promise<Socket> {
  const socket = connect(portOf(server), '127.0.0.1')
  await once(socket, 'connect')
  socket.write(bytes)
  return socket
}

/** Sends a byte again and again until the server has had enough. */
async function drip(bytes: string): Promise<string> {
  const socket = await open(bytes)
  const drops = setInterval(() => socket.write('x'), DROP_EVERY_MS)
  socket.on('error', () => {})
  try {
    return await text(socket).catch(() => '408 (and a reset)')
  } finally {
    clearInterval(drops)
    socket.destroy()
  }
}

describe('a slow client', () => {
  it('of a header gets 408', async () => {
    assert.match(await drip('GET / HTTP/1.1\r\nHost: x\r\nX-Slow: '), /408/)
  })

  it('of a body gets 408', async () => {
    const head = 'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n'
    assert.match(await drip(head), /408/)
  })

  it('of a chunked body gets 408', async () => {
    const head = 'PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n'
    assert.match(await drip(head), /408/)
  })

  it('of a body that nobody waits for has its answer, and is ended as well', async () => {
    const head = 'GET /at-once HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n'
    assert.match(await drip(head), /^HTTP\/1\.1 200 OK\r\n.*early|reset/s)
  })

  it('is not who waits for an answer longer than all these times', async () => {
    const waiting = await open('GET /waits HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    const told = text(waiting)
    // Later by more than a request may take: it began before this one, which is ended for its slowness.
    await drip('PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n')
    answer()
    assert.match(await told, /^HTTP\/1\.1 200 OK\r\n.*late$/s)
  })
})
