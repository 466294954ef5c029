/**
 * How far the catalog has come, in the words that members of the pool pass on (gossip.md 15.4). Pure.
 *
 * A hint: it is not signed, so nothing is concluded from it but that it is time to look (15.5, unsigned mode).
 * Order: epoch of one cluster, then term, index and beat; of two the larger is the news, so they may come in any
 * order, any number of times.
 */

export interface CatalogNotice {
  /** UUID of the cluster and the number of its recoveries: `<cluster>/<n>`, as in FeedPosition. */
  readonly epoch: string
  readonly term: number
  /** Of the last command that the leader has applied. */
  readonly index: number
  /** Counts up while one server leads, also when nothing changes. */
  readonly beat: number
}

/** What a leader does about it, and what others hear; the gossip host implements it. */
export interface NoticeBoard {
  announce(notice: CatalogNotice): void
  /** Called with each notice that is newer than all before. @returns stops; idempotent */
  onNotice(listener: (notice: CatalogNotice) => void): () => void
}

/** Two clusters in one pool are a mistake; their notices have no order. */
export function isSameCluster(one: CatalogNotice, other: CatalogNotice): boolean {
  return clusterOf(one.epoch) === clusterOf(other.epoch)
}

/** @param other of the same cluster */
export function isNewer(one: CatalogNotice, other: CatalogNotice): boolean {
  const [first, second] = [orderOf(one), orderOf(other)]
  for (const [i, value] of first.entries()) {
    const than = second[i] ?? 0
    if (value !== than) return value > than
  }
  return false
}

function orderOf({ epoch, term, index, beat }: CatalogNotice): readonly number[] {
  return [recoveriesOf(epoch), term, index, beat]
}

function clusterOf(epoch: string): string {
  const slash = epoch.lastIndexOf('/')
  return slash < 0 ? epoch : epoch.slice(0, slash)
}

function recoveriesOf(epoch: string): number {
  const text = epoch.slice(epoch.lastIndexOf('/') + 1)
  return /^\d{1,9}$/.test(text) ? Number(text) : 0
}
