/**
 * Ends a connection of which the client still sends a body that was refused.
 *
 * Guarantees: what was written before reaches a client that reads meanwhile, or that reads once it has sent a little
 * more; a client that sends on and on does not keep the agent reading. Closing at once would turn the answer into a
 * reset. Bounds: LINGER_MS, and LINGER_BYTES_MAX more bytes.
 */

import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { type Clock, instant } from '../../core/time.ts'

const LINGER_MS = 500
const LINGER_BYTES_MAX = 4 * 1024 * 1024

/** A body up to this is read to its end, so that the connection can be used again. */
const SHORT_BODY_BYTES = 256 * 1024

/** Whether a request has announced more of a body than is worth reading for nothing. */
export function isLong({ headers }: IncomingMessage): boolean {
  if (headers['transfer-encoding'] !== undefined) return true
  return Number(headers['content-length'] ?? 0) > SHORT_BODY_BYTES
}

/** Call after the answer was handed to the connection. */
export function hangUp(socket: Socket, clock: Clock): void {
  if (socket.destroyed) return
  socket.end()
  const most = socket.bytesRead + LINGER_BYTES_MAX
  const timer = clock.timer(instant(clock.now() + LINGER_MS), () => socket.destroy())
  socket.once('close', () => timer.cancel())
  socket.on('data', () => {
    if (socket.bytesRead > most) socket.destroy()
  })
}
