/**
 * The events of operators on this host: fires them, and remembers those that were meant for it (http-api.md 15).
 *
 * Guarantees: an event is in `list` before listeners hear of it; what was fired here is there too, if it is for this host.
 * What comes before `start` waits for it, because whom it is for depends on services that are not loaded yet.
 * Bounds: the last EVENTS_MAX events; older ones are forgotten.
 */

import type { EventBus, GossipEvent } from '../../core/events/event-bus.ts'
import {
  checkOperatorEvent,
  decodeOperatorEvent,
  encodeOperatorEvent,
  isFor,
  type OperatorEvent,
} from '../../core/events/operator-event.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import type { LocalStateApi } from '../local/types.ts'

const EVENTS_MAX = 256

export interface OperatorEventsDeps {
  readonly bus: EventBus
  readonly local: LocalStateApi
  readonly log: Logger
  /** A random UUID. */
  readonly newId: () => string
}

export class OperatorEvents implements Service {
  readonly #deps: OperatorEventsDeps
  readonly #events: OperatorEvent[] = []
  readonly #listeners = new Set<() => void>()
  readonly #unsubscribe: () => void
  /** Until the start. */
  #waiting: GossipEvent[] | null = []

  constructor(deps: OperatorEventsDeps) {
    this.#deps = deps
    this.#unsubscribe = deps.bus.onEvent((event) => this.#receive(event))
  }

  async start(): Promise<void> {
    const waiting = this.#waiting ?? []
    this.#waiting = null
    for (const event of waiting) this.#receive(event)
  }

  async drain(): Promise<void> {}

  async stop(): Promise<void> {
    this.#unsubscribe()
  }

  /** Lamport times of the pool. */
  get times(): { readonly event: number; readonly query: number } {
    const { eventTime: event, queryTime: query } = this.#deps.bus
    return { event, query }
  }

  /**
   * @returns the event as fired, with its id and without its time
   * @throws FairleadError BAD_REQUEST | REJECTED for one that is not valid; TOO_LARGE; SHUTTING_DOWN
   */
  fire(wanted: Omit<OperatorEvent, 'id' | 'time'>): OperatorEvent {
    const event = { ...wanted, id: this.#deps.newId() }
    checkOperatorEvent(event)
    const { name, payload } = encodeOperatorEvent(event)
    this.#deps.bus.fire(name, payload)
    this.#deps.log.info('event fired', { event: event.id, name: event.name })
    return { ...event, time: 0 }
  }

  /** Oldest first. @param name '' for all */
  list(name: string): readonly OperatorEvent[] {
    return name === '' ? [...this.#events] : this.#events.filter((event) => event.name === name)
  }

  /** Called after each event that `list` has got. @returns stops; idempotent */
  onChange(listener: () => void): () => void {
    const entry = (): void => listener()
    this.#listeners.add(entry)
    return () => void this.#listeners.delete(entry)
  }

  #receive(gossiped: GossipEvent): void {
    if (this.#waiting !== null) {
      this.#waiting.push(gossiped)
      if (this.#waiting.length > EVENTS_MAX) this.#waiting.shift()
      return
    }
    const event = decodeOperatorEvent(gossiped)
    if (event === null) return
    const { local, log } = this.#deps
    const services = [...local.services().values()].map(({ service }) => service)
    const named = services.map(({ service: name, tags }) => ({ name, tags }))
    if (!isFor(event, { node: local.nodeName, services: named })) return
    this.#events.push(event)
    if (this.#events.length > EVENTS_MAX) this.#events.shift()
    log.debug('event received', { event: event.id, name: event.name })
    for (const listener of [...this.#listeners]) listener()
  }
}
