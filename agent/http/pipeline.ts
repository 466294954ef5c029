/**
 * Requests that a client sends without waiting for answers, carried out one after the other (RFC 9112 9.3.2).
 *
 * node:http starts them all at once and only orders the responses. Bound: PIPELINED_MAX requests behind
 * the one at work; a connection with more is cut, since a blocked read would otherwise hold them for minutes.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export const PIPELINED_MAX = 64

export class Pipelines {
  readonly #waiting = new WeakMap<Socket, number>()

  /** Calls `start` when the response has the connection; never, if the connection ends before. */
  wait(request: IncomingMessage, response: ServerResponse, start: () => void): void {
    const { socket } = request
    const count = (this.#waiting.get(socket) ?? 0) + 1
    if (count > PIPELINED_MAX) {
      socket.destroy()
      return
    }
    this.#waiting.set(socket, count)
    response.once('socket', () => {
      this.#waiting.set(socket, (this.#waiting.get(socket) ?? 1) - 1)
      start()
    })
  }
}
