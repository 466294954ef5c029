/**
 * Shows what a server's streams of feeds count.
 */

import { FEED_METRICS } from '../../core/metrics/catalogue/feed.ts'
import { followTotal } from '../../core/metrics/follow-total.ts'
import type { Metrics } from '../../core/metrics/metrics.ts'
import type { FeedSessions } from './feed-sessions.ts'

/** @returns ends it */
export function showFeedSessions(metrics: Metrics, feeds: FeedSessions): () => void {
  const agents = metrics.gauge(FEED_METRICS.agents)
  const ends = [
    metrics.onRead(() => agents.set(feeds.size)),
    followTotal(metrics, FEED_METRICS.agentsRefused, () => feeds.refused),
    followTotal(metrics, FEED_METRICS.queuesDropped, () => feeds.dropped),
  ]
  return () => {
    for (const end of ends) end()
  }
}
