/**
 * What is counted of connections: how many, how long they took to make, what went over them.
 *
 * Bytes are those the sockets count themselves, read when somebody looks and when one closes: a transfer costs
 * nothing here.
 */

import type { Socket } from 'node:net'
import { DurationHistogram } from '../../core/metrics/duration-histogram.ts'

export class ConnectionStats {
  total = 0
  failures = 0
  timeouts = 0
  overflows = 0
  /** TLS: completed; not completed; completed with a peer that was not accepted. */
  handshakes = 0
  handshakeErrors = 0
  peersRefused = 0
  readonly connectTimes = new DurationHistogram()
  readonly #open = new Set<Socket>()
  #received = 0
  #sent = 0

  opened(socket: Socket): void {
    this.total++
    this.#open.add(socket)
    socket.once('close', () => {
      this.#open.delete(socket)
      this.#received += socket.bytesRead
      this.#sent += socket.bytesWritten
    })
  }

  get active(): number {
    return this.#open.size
  }

  get receivedBytes(): number {
    let bytes = this.#received
    for (const socket of this.#open) bytes += socket.bytesRead
    return bytes
  }

  get sentBytes(): number {
    let bytes = this.#sent
    for (const socket of this.#open) bytes += socket.bytesWritten
    return bytes
  }
}
