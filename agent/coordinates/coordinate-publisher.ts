/**
 * Tells the servers, from time to time, where this node stands in the network (gossip.md 12).
 *
 * Guarantees: one word at a time, at the pace of core/coordinates/publication.ts whatever becomes of it; a failure is
 * logged and made good by the next word. Says nothing where coordinates are switched off. One timer.
 */

import type { Coordinate } from '../../core/coordinates/coordinate.ts'
import { firstPublicationMs, nextPublicationMs } from '../../core/coordinates/publication.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import type { MemberPool } from '../../core/membership.ts'
import type { Rng } from '../../core/rng.ts'
import type { ServerApi } from '../../core/rpc/server-api.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'

export interface CoordinatePublisherOptions {
  readonly nodeName: string
}

export interface CoordinatePublisherDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly pool: Pick<MemberPool, 'coordinate' | 'members'>
  readonly servers: Pick<ServerApi, 'placeNode'>
}

export class CoordinatePublisher implements Service {
  readonly #options: CoordinatePublisherOptions
  readonly #deps: CoordinatePublisherDeps
  readonly #stopping = new AbortController()
  #timer: Timer | undefined
  #saying: Promise<void> = Promise.resolve()

  constructor(options: CoordinatePublisherOptions, deps: CoordinatePublisherDeps) {
    this.#options = options
    this.#deps = deps
  }

  async start(): Promise<void> {
    this.#arm(firstPublicationMs(this.#members(), this.#deps.rng))
  }

  async drain(): Promise<void> {
    await this.stop()
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.#stopping.abort(new FairleadError('SHUTTING_DOWN', 'The agent is stopping'))
    this.#timer?.cancel()
    await this.#saying
  }

  #arm(ms: number): void {
    if (this.#stopping.signal.aborted) return
    const { clock, rng, pool } = this.#deps
    this.#timer = clock.timer(instant(clock.now() + ms), () => {
      const { coordinate } = pool
      this.#saying = coordinate === null ? Promise.resolve() : this.#say(coordinate)
      void this.#saying.then(() => this.#arm(nextPublicationMs(this.#members(), rng)))
    })
  }

  async #say(coordinate: Coordinate): Promise<void> {
    const { servers, log } = this.#deps
    const place = { node: this.#options.nodeName, segment: '', coordinate }
    try {
      await servers.placeNode(place, this.#stopping.signal)
    } catch (err) {
      if (!this.#stopping.signal.aborted) {
        log.debug('the servers do not take the coordinate of this node', { err })
      }
    }
  }

  #members(): number {
    return this.#deps.pool.members().length
  }
}
