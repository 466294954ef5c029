/**
 * Shows how far an agent is behind the servers: its stream of feeds, and the views that this fills.
 */

import type { SubscribedViews } from '../../agent/view/catalog-views.ts'
import { FEED_METRICS } from '../../core/metrics/catalogue/feed.ts'
import { followTotal } from '../../core/metrics/follow-total.ts'
import type { Gauge } from '../../core/metrics/instruments.ts'
import type { Metrics } from '../../core/metrics/metrics.ts'
import type { FeedFigures } from '../../runtime/rpc/feed-client.ts'

/** @returns ends it */
export function showFeeds(metrics: Metrics, figures: () => FeedFigures): () => void {
  const lag = metrics.gauge(FEED_METRICS.indexLag)
  const silence = metrics.gauge(FEED_METRICS.silence)
  const noticeAge = metrics.gauge(FEED_METRICS.noticeAge)
  const told = new Map<string, number>()
  const ends = [
    metrics.onRead(() => {
      const { indexLag, silenceMs, noticeAgeMs, moves } = figures()
      lag.set(indexLag)
      show(silence, silenceMs)
      show(noticeAge, noticeAgeMs)
      for (const [reason, count] of Object.entries(moves)) {
        const more = count - (told.get(reason) ?? 0)
        told.set(reason, count)
        if (more > 0) metrics.counter(FEED_METRICS.moves, { reason }).increment(more)
      }
    }),
    followTotal(metrics, FEED_METRICS.suspicions, () => figures().suspicions),
    followTotal(metrics, FEED_METRICS.streams, () => figures().streams),
    followTotal(metrics, FEED_METRICS.snapshots, () => figures().snapshots),
    followTotal(metrics, FEED_METRICS.resumptions, () => figures().resumptions),
    followTotal(metrics, FEED_METRICS.changes, () => figures().changes),
  ]
  return () => {
    for (const end of ends) end()
  }
}

/** Of all topics that parts of this agent follow. */
export function showViews(
  metrics: Metrics,
  views: Pick<SubscribedViews, 'size' | 'staleness'>,
): () => void {
  const open = metrics.gauge(FEED_METRICS.views)
  const stale = metrics.gauge(FEED_METRICS.staleViews)
  const staleAge = metrics.gauge(FEED_METRICS.staleAge)
  return metrics.onRead(() => {
    const { views: count, ageMs } = views.staleness
    open.set(views.size)
    stale.set(count)
    staleAge.set(ageMs)
  })
}

function show(gauge: Gauge, value: number | null): void {
  if (value === null) gauge.clear()
  else gauge.set(Math.round(value))
}
