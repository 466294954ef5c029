/**
 * Which image is being offered or received, as far as the host has to know. Pure; one at a time.
 *
 *   idle ─offered─▶ offered ─judged(wanted)─▶ receiving ─ended─▶ idle
 *                      └────judged(declined)──────────────────────▶ idle
 */

import type { SnapshotMeta } from '../../core/raft/types.ts'

type State =
  | { readonly kind: 'idle' }
  | { readonly kind: 'offered' | 'receiving'; readonly snapshot: SnapshotMeta }

export class ImageReception {
  #state: State = { kind: 'idle' }

  get isIdle(): boolean {
    return this.#state.kind === 'idle'
  }

  /** @returns false when another image is on its way, and this one is to be offered later */
  offered(snapshot: SnapshotMeta): boolean {
    if (this.#state.kind !== 'idle') return false
    this.#state = { kind: 'offered', snapshot }
    return true
  }

  /**
   * The core has seen the offer.
   *
   * @param wanted the snapshot that it wants, if it wants one
   * @returns null when no offer was open
   */
  judged(wanted: SnapshotMeta | null): 'wanted' | 'declined' | null {
    if (this.#state.kind !== 'offered') return null
    const { snapshot } = this.#state
    const isWanted =
      wanted !== null && wanted.index === snapshot.index && wanted.term === snapshot.term
    this.#state = isWanted ? { kind: 'receiving', snapshot } : { kind: 'idle' }
    return isWanted ? 'wanted' : 'declined'
  }

  ended(): void {
    this.#state = { kind: 'idle' }
  }
}
