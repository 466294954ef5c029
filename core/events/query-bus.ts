/**
 * Questions to the members of the gossip pool, as parts of the agent ask and answer them (gossip.md 11.5).
 *
 * Best effort: who does not answer in time may be away, or may not have heard the question.
 */

import type { QueryFilters } from '../swim/messages.ts'

export interface GossipQuery {
  readonly name: string
  readonly payload: Uint8Array
  readonly filters: QueryFilters
  /** To learn who heard it, also of those who have nothing to say. */
  readonly wantsAck: boolean
  /** Copies of each answer that go by way of other members: 0 to RELAY_FACTOR_MAX. */
  readonly relayFactor: number
  /** Grows with the pool unless it is given: 3.2 s up to 9 members, 9.6 s up to 999. */
  readonly timeoutMs?: number
}

export interface QueryReport {
  readonly acks: ReadonlySet<string>
  /** By the name of the member. */
  readonly answers: ReadonlyMap<string, Uint8Array>
}

/** @returns the answer, or null for none; of more than about 1,000 bytes it is dropped */
export type QueryHandler = (
  payload: Uint8Array,
  origin: string,
) => Uint8Array | null | Promise<Uint8Array | null>

export interface QueryBus {
  /**
   * Asks all that the filters select, this member included, until the deadline or until `isEnough`.
   *
   * @throws FairleadError REJECTED for a query that cannot be asked; SHUTTING_DOWN; the abort reason
   */
  query(
    query: GossipQuery,
    options: { readonly signal: AbortSignal; readonly isEnough?: (report: QueryReport) => boolean },
  ): Promise<QueryReport>
  /** One for each name; queries of other names are acked at most. @returns stops; idempotent */
  onQuery(name: string, handler: QueryHandler): () => void
}
