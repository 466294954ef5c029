/**
 * Limits connections per client address; one too many gets a raw 429 and is closed (http-api.md 1.3).
 *
 * Guarantees: a refused connection never reaches the HTTP parser, so that nothing it sent is carried out.
 * Bounds: `perClientMax` for each address, CONNECTIONS_MAX in all (beyond: closed without an answer).
 */

import type { Server } from 'node:http'
import type { Socket } from 'node:net'

export const CONNECTIONS_MAX = 65_536

const REFUSAL_TEXT =
  'Your IP is issuing too many concurrent connections, please rate limit your calls\n'
const REFUSAL =
  'HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain\r\n' +
  `Content-Length: ${REFUSAL_TEXT.length}\r\nConnection: close\r\n\r\n${REFUSAL_TEXT}`

export interface ClientLimit {
  /** Connections refused since the start. */
  readonly refused: number
  /** Connections open now, by client address. */
  open(address: string): number
}

/** Puts the limit before the parser of `server`. Call once, before `listen`. @param perClientMax asked at each connection; 0 for none */
export function limitClients(server: Server, perClientMax: () => number): ClientLimit {
  const counts = new Map<string, number>()
  const limit = { refused: 0, open: (address: string): number => counts.get(address) ?? 0 }
  const parsers = server.listeners('connection')
  server.removeAllListeners('connection')
  server.maxConnections = CONNECTIONS_MAX
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? ''
    const count = (counts.get(address) ?? 0) + 1
    const most = perClientMax()
    // Clients of a socket file have no address that would tell them apart.
    if (most > 0 && count > most && address !== '') {
      limit.refused++
      refuse(socket)
      return
    }
    counts.set(address, count)
    socket.once('close', () => {
      const left = (counts.get(address) ?? 1) - 1
      if (left === 0) counts.delete(address)
      else counts.set(address, left)
    })
    for (const parse of parsers) parse.call(server, socket)
  })
  return limit
}

function refuse(socket: Socket): void {
  // What the client sends meanwhile is read and forgotten: unread bytes would turn the close into a reset.
  socket.on('error', () => socket.destroy())
  socket.resume()
  socket.end(REFUSAL, () => socket.destroySoon())
}
