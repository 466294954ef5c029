/**
 * The network of the simulator: loss, delay, doubling, reordering, partitions, and a museum of old messages.
 */

import type { RaftMessage } from '../../../core/raft/messages.ts'
import type { Rng } from '../../../core/rng.ts'
import type { EventQueue } from './event-queue.ts'

export interface NetworkFaults {
  /** Each 0 to 1. */
  readonly loss: number
  readonly duplication: number
  readonly replay: number
  /** Microseconds. */
  readonly delayMin: number
  readonly delayMean: number
}

const MUSEUM_MAX = 400

export class ModelNetwork {
  readonly #events: EventQueue
  readonly #rng: Rng
  readonly #deliver: (message: RaftMessage) => void
  #faults: NetworkFaults
  /** Ordered pairs `from>to` that carry nothing. */
  readonly #cut = new Set<string>()
  readonly #museum: RaftMessage[] = []
  sent = 0
  dropped = 0

  constructor(
    faults: NetworkFaults,
    deps: { events: EventQueue; rng: Rng; deliver: (message: RaftMessage) => void },
  ) {
    this.#faults = faults
    this.#events = deps.events
    this.#rng = deps.rng
    this.#deliver = deps.deliver
  }

  send(message: RaftMessage): void {
    this.sent++
    if (this.#faults.replay > 0) this.#exhibit(message)
    if (this.#cut.has(`${message.from}>${message.to}`) || this.#chance(this.#faults.loss)) {
      this.dropped++
      return
    }
    this.#travel(message)
    if (this.#chance(this.#faults.duplication)) this.#travel(message)
  }

  cut(from: string, to: string): void {
    this.#cut.add(`${from}>${to}`)
  }

  /** Every link works again. */
  heal(): void {
    this.#cut.clear()
  }

  /** No faults from here on, but delays. */
  calm(): void {
    this.heal()
    this.#faults = { ...this.#faults, loss: 0, duplication: 0, replay: 0 }
  }

  #travel(message: RaftMessage): void {
    const { delayMin, delayMean } = this.#faults
    // Two uniform draws are enough of a tail to reorder; no logarithm, whose bits may differ by engine.
    const delay = delayMin + 2 * delayMean * this.#rng.float() * (this.#chance(0.05) ? 8 : 1)
    this.#events.after(delay, () => {
      if (this.#cut.has(`${message.from}>${message.to}`)) this.dropped++
      else this.#deliver(message)
    })
  }

  #exhibit(message: RaftMessage): void {
    if (this.#museum.length < MUSEUM_MAX) this.#museum.push(message)
    else this.#museum[this.#rng.range(0, MUSEUM_MAX)] = message
    if (!this.#chance(this.#faults.replay)) return
    const old = this.#rng.pick(this.#museum)
    if (old !== undefined) this.#travel(old)
  }

  #chance(p: number): boolean {
    return p > 0 && this.#rng.float() < p
  }
}
