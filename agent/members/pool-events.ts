/**
 * User events between the core and whoever listens on this host (gossip.md 11.4).
 */

import { FairleadError } from '../../core/errors.ts'
import type { EventBus, GossipEvent } from '../../core/events/event-bus.ts'
import { USER_EVENT_SIZE_MAX, userEventSize } from '../../core/swim/event-codec.ts'

export class PoolEvents {
  readonly #listeners = new Set<(event: GossipEvent) => void>()

  /** @throws FairleadError TOO_LARGE */
  check(name: string, payload: Uint8Array): void {
    const size = userEventSize({ name, payload })
    if (size <= USER_EVENT_SIZE_MAX) return
    throw new FairleadError(
      'TOO_LARGE',
      `User event "${name}" takes ${size} bytes with its name and filters, which exceeds the configured limit of ${USER_EVENT_SIZE_MAX} bytes`,
      { facts: { name, size } },
    )
  }

  readonly onEvent: EventBus['onEvent'] = (listener) => {
    const entry = (event: GossipEvent): void => listener(event)
    this.#listeners.add(entry)
    return () => void this.#listeners.delete(entry)
  }

  tell(event: GossipEvent): void {
    for (const listener of [...this.#listeners]) listener(event)
  }
}
