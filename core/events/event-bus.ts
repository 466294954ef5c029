/**
 * User events of the gossip pool, as the rest of the agent sees them; the gossip host implements it (gossip.md 11.4).
 *
 * Best effort: each member is told each event at most once, within seconds, in no order; members that were away for long
 * miss some.
 */

/** As gossip carries it. */
export interface GossipEvent {
  /** Lamport time: larger is not always later, equal is not the same event. */
  readonly time: number
  readonly name: string
  readonly payload: Uint8Array
}

export interface EventBus {
  /**
   * Tells all members, this one too, and first.
   *
   * @throws FairleadError TOO_LARGE when name and payload are over USER_EVENT_SIZE_MAX; SHUTTING_DOWN
   */
  fire(name: string, payload: Uint8Array): void
  /** Called once with each event. @returns stops; idempotent */
  onEvent(listener: (event: GossipEvent) => void): () => void
  /** Lamport times of events and of queries, as operators look at them. */
  readonly eventTime: number
  readonly queryTime: number
}
