/**
 * Asks an agent's DNS again and again how many instances a service has, and tells when that becomes a number.
 *
 * One question is on its way at a time, the next leaves ASK_EVERY_MS after the answer: the resolution of what is
 * measured. A lost answer is asked for again.
 */

import { createSocket, type Socket } from 'node:dgram'
import type { Eye } from './times.ts'

/** Seldom enough that a dozen of them do not load what they measure. */
const ASK_EVERY_MS = 5
const LOST_AFTER_MS = 500
const TYPE_SRV = 33

interface Waiting {
  readonly count: number
  readonly done: (at: number) => void
}

export class DnsEye implements Eye<number> {
  readonly #socket: Socket
  readonly #query: Buffer
  readonly #port: number
  #waiting: Waiting | undefined
  #timer: NodeJS.Timeout | undefined
  /** The last that was seen. */
  count = -1

  constructor(port: number, service: string) {
    this.#port = port
    this.#query = srvQuery(`${service}.service.consul`)
    this.#socket = createSocket('udp4')
    this.#socket.on('message', (answer) => this.#see(answer))
    this.#socket.on('error', () => {}) // asked again
  }

  /** @returns when the number of instances was `count`, in ms of `performance.now` */
  async when(count: number, timeoutMs: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    const deadline = setTimeout(
      () => reject(new Error(`still ${this.count} instances instead of ${count}`)),
      timeoutMs,
    )
    this.#waiting = { count, done: resolve }
    this.#ask()
    try {
      return await promise
    } finally {
      clearTimeout(deadline)
      clearTimeout(this.#timer)
      this.#waiting = undefined
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#socket.close()
  }

  #ask(): void {
    this.#socket.send(this.#query, this.#port, '127.0.0.1')
    this.#timer = setTimeout(() => this.#ask(), LOST_AFTER_MS)
  }

  #see(answer: Buffer): void {
    // The number of records in the answer section.
    this.count = answer.readUInt16BE(6)
    const waiting = this.#waiting
    if (waiting === undefined) return
    clearTimeout(this.#timer)
    if (this.count === waiting.count) waiting.done(performance.now())
    else this.#timer = setTimeout(() => this.#ask(), ASK_EVERY_MS)
  }
}

function srvQuery(name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.from(`\0${label}`))
  for (const label of labels) label[0] = label.length - 1
  const head = Buffer.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1])
  // EDNS: the whole answer fits, and is not cut to a few records.
  const edns = Buffer.from([0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 0])
  return Buffer.concat([head, ...labels, Buffer.from([0, 0, TYPE_SRV, 0, 1]), edns])
}
