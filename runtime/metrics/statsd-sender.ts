/**
 * Tells a StatsD or DogStatsD server the figures of every interval, by UDP.
 *
 * Guarantees: never in the way of the process: what cannot be sent is dropped, counted, and logged once until
 * it works again. Datagrams hold whole lines and stay below DATAGRAM_BYTES_MAX, which fits an Ethernet frame.
 * Bounds: LINES_MAX lines for one interval; the rest of it is dropped.
 */

import { createSocket, type Socket } from 'node:dgram'
import type { UdpTarget } from '../../core/config/model.ts'
import type { Logger } from '../../core/log.ts'
import { TELEMETRY_METRICS } from '../../core/metrics/catalogue/telemetry.ts'
import type { Counter } from '../../core/metrics/instruments.ts'
import type { Interval } from '../../core/metrics/interval-json.ts'
import type { Metrics } from '../../core/metrics/metrics.ts'
import { type StatsdForm, statsdLines } from '../../core/metrics/statsd-lines.ts'

const DATAGRAM_BYTES_MAX = 1_432
const LINES_MAX = 20_000

export interface StatsdSenderOptions {
  readonly target: UdpTarget
  readonly form: StatsdForm
}

export class StatsdSender {
  readonly #target: UdpTarget
  readonly #form: StatsdForm
  readonly #log: Logger
  readonly #dropped: Counter
  readonly #socket: Socket
  #isFailing = false
  #isClosed = false

  constructor(
    { target, form }: StatsdSenderOptions,
    { log, metrics }: { readonly log: Logger; readonly metrics: Metrics },
  ) {
    this.#target = target
    this.#form = form
    this.#log = log
    this.#dropped = metrics.counter(TELEMETRY_METRICS.statsdDropped)
    this.#socket = createSocket(target.host.includes(':') ? 'udp6' : 'udp4')
    this.#socket.on('error', (err) => this.#onFailure(1, err))
    this.#socket.unref()
  }

  send(interval: Interval): void {
    if (this.#isClosed) return
    let datagram = ''
    let lines = 0
    let count = 0
    for (const line of statsdLines(interval, this.#form)) {
      if (++count > LINES_MAX) {
        this.#dropped.increment()
        continue
      }
      const size = Buffer.byteLength(datagram) + 1 + Buffer.byteLength(line)
      if (lines > 0 && size > DATAGRAM_BYTES_MAX) {
        this.#sendOne(datagram, lines)
        datagram = ''
        lines = 0
      }
      datagram += lines === 0 ? line : `\n${line}`
      lines++
    }
    if (lines > 0) this.#sendOne(datagram, lines)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#socket.close()
  }

  #sendOne(datagram: string, lines: number): void {
    this.#socket.send(datagram, this.#target.port, this.#target.host, (err) => {
      if (err !== null) this.#onFailure(lines, err)
      else this.#isFailing = false
    })
  }

  #onFailure(lines: number, err: Error): void {
    this.#dropped.add(lines)
    if (this.#isFailing || this.#isClosed) return
    this.#isFailing = true
    const { host, port } = this.#target
    this.#log.warn('figures cannot be sent', { address: `${host}:${port}`, err })
  }
}
