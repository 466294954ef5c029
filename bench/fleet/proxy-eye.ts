/**
 * Calls a service through a host's proxy again and again, and tells when the calls begin to end as wanted.
 *
 * What a call ends in is what the proxy picked when the call began, which is the time that counts: the name of the
 * host whose instance answered, or the code with which the proxy answered itself (`UPSTREAM_UNHEALTHY`: it knows no
 * healthy instance). One call is on its way at a time, over one connection, the next leaves after `callEveryMs`: the
 * resolution of what is measured.
 */

import { Agent, get } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Eye } from './times.ts'

const LOST_AFTER_MS = 2_000
export const NONE_HEALTHY = 'UPSTREAM_UNHEALTHY'

interface Waiting {
  readonly isWanted: (outcome: string) => boolean
  readonly done: (at: number) => void
}

export class ProxyEye implements Eye<string> {
  readonly #url: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  readonly #callEveryMs: number
  /** When the last call began that ended so, ms of `performance.now`. */
  readonly lastSeen = new Map<string, number>()
  #waiting: Waiting | undefined
  #timer: NodeJS.Timeout | undefined
  #isCalling = false
  #isClosed = false
  #last = ''

  constructor(url: string, callEveryMs: number) {
    this.#url = url
    this.#callEveryMs = callEveryMs
  }

  async when(outcome: string, timeoutMs: number): Promise<number> {
    return await this.#until((each) => each === outcome, outcome, timeoutMs)
  }

  /** Calls until it is disposed of, and fills `lastSeen`. */
  watch(): void {
    void this.#until(() => false, 'nothing', 2 ** 31 - 1).catch(() => undefined)
  }

  [Symbol.dispose](): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#agent.destroy()
    this.#waiting?.done(Number.NaN)
  }

  async #until(
    isWanted: (outcome: string) => boolean,
    wanted: string,
    timeoutMs: number,
  ): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    const deadline = setTimeout(
      () => reject(new Error(`calls end in ${this.#last} instead of ${wanted}`)),
      timeoutMs,
    )
    this.#waiting = { isWanted, done: resolve }
    if (!this.#isCalling) this.#call()
    try {
      return await promise
    } finally {
      clearTimeout(deadline)
      clearTimeout(this.#timer)
      this.#waiting = undefined
    }
  }

  #call(): void {
    this.#isCalling = true
    const begun = performance.now()
    const ended = (outcome: string): void => this.#ended(outcome, begun)
    const call = get(this.#url, { agent: this.#agent, timeout: LOST_AFTER_MS }, (response) => {
      const code = response.headers['x-fairlead-error']
      text(response).then(
        (body) => ended(typeof code === 'string' ? code : body),
        (thrown: unknown) => ended(String(thrown)),
      )
    })
    call.on('timeout', () => call.destroy(new Error('no answer in time')))
    call.on('error', (thrown) => ended(thrown.message))
  }

  #ended(outcome: string, at: number): void {
    this.#isCalling = false
    this.#last = outcome
    this.lastSeen.set(outcome, at)
    const waiting = this.#waiting
    if (waiting === undefined || this.#isClosed) return
    if (waiting.isWanted(outcome)) waiting.done(at)
    else this.#timer = setTimeout(() => this.#call(), this.#callEveryMs)
  }
}
