/**
 * The newest notice of the catalog, passed on like news of members (gossip.md 15.4).
 *
 * Guarantees: what is heard only ever gets newer; one notice at most waits in the queue; each that is news is told
 * once. When nothing newer came for SILENCE_MS whatever else is said counts again, so that neither a notice of
 * another cluster nor a forged one of a distant future holds for good. That is not so for what comes with a comparison of
 * tables: there others repeat what is old, and silence must stay silence.
 */

import { type CatalogNotice, isNewer, isSameCluster } from '../catalog/notice.ts'
import type { Instant } from '../time.ts'
import type { Pool } from './pool.ts'

/** Three beats of a leader. */
const SILENCE_MS = 15_000

export class NoticeRules {
  readonly #pool: Pool
  #best: { readonly notice: CatalogNotice; readonly at: Instant } | undefined

  constructor(pool: Pool) {
    this.#pool = pool
  }

  /** To be told to whom this member compares its table with. */
  get newest(): CatalogNotice | undefined {
    return this.#best?.notice
  }

  /** Of this member's own server, or of another member. */
  onNotice(notice: CatalogNotice): void {
    const best = this.#best
    if (best === undefined || this.#replaces(notice, best)) this.#take(notice)
  }

  /** Of another's table. */
  onMerged(notice: CatalogNotice): void {
    const newest = this.#best?.notice
    if (newest !== undefined && !isSameCluster(notice, newest)) return
    if (newest === undefined || isNewer(notice, newest)) this.#take(notice)
  }

  #take(notice: CatalogNotice): void {
    this.#best = { notice, at: this.#pool.now }
    this.#pool.broadcastNotice({ kind: 'catalog-notice', ...notice })
    this.#pool.emit({ kind: 'catalog-notice', notice })
  }

  #replaces(
    notice: CatalogNotice,
    best: { readonly notice: CatalogNotice; readonly at: Instant },
  ): boolean {
    if (!isSameCluster(notice, best.notice)) return this.#isSilent(best.at)
    if (isNewer(notice, best.notice)) return true
    return isNewer(best.notice, notice) && this.#isSilent(best.at)
  }

  #isSilent(since: Instant): boolean {
    return this.#pool.now - since > SILENCE_MS
  }
}
