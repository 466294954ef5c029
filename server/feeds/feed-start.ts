/**
 * Where a subscription begins: at a snapshot, or behind the position that the subscriber has reached.
 *
 * Guarantees: nothing is shown before this server has caught up for the first time; a subscriber never goes
 * back within an epoch (gossip.md 15.3): a server that is behind its position catches up first, or refuses.
 * A position of another epoch counts for nothing. Bound: BEHIND_WAIT_MS.
 */

import type { FeedPosition } from '../../core/catalog/feed.ts'
import type { StateStoreApi } from '../../core/catalog/store-api.ts'
import { FairleadError } from '../../core/errors.ts'
import { type Clock, instant } from '../../core/time.ts'

/** Another server may serve the subscriber sooner than this one. */
export const BEHIND_WAIT_MS = 2_000

export interface FeedStartDeps {
  readonly store: Pick<StateStoreApi, 'lastIndex'>
  readonly clock: Clock
  /** Names the history that indexes of this server count in. */
  readonly epoch: () => string
  /** Resolves when the store may be shown. */
  ready(signal: AbortSignal): Promise<void>
  /** Resolves when all that was committed before the call is in the store. */
  catchUp(signal: AbortSignal): Promise<void>
}

/**
 * @returns the index to follow from, undefined for a snapshot
 * @throws FairleadError BUSY when this server is behind and cannot catch up soon, or the abort reason
 */
export async function feedStart(
  from: FeedPosition | undefined,
  deps: FeedStartDeps,
  signal: AbortSignal,
): Promise<number | undefined> {
  await deps.ready(signal)
  if (from === undefined || from.epoch !== deps.epoch()) return undefined
  if (from.index <= deps.store.lastIndex) return from.index
  await catchUpSoon(deps, signal)
  if (from.index <= deps.store.lastIndex) return from.index
  throw new FairleadError('BUSY', 'This server is behind what the subscriber has seen', {
    facts: { index: deps.store.lastIndex, wanted: from.index },
  })
}

/** Failing is no matter here: the index tells. */
async function catchUpSoon({ clock, catchUp }: FeedStartDeps, signal: AbortSignal): Promise<void> {
  const over = new AbortController()
  const timer = clock.timer(instant(clock.now() + BEHIND_WAIT_MS), () => over.abort())
  try {
    await catchUp(AbortSignal.any([signal, over.signal]))
  } catch {
    signal.throwIfAborted()
  } finally {
    timer.cancel()
  }
}
