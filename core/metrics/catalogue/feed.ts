/**
 * Metrics of the feeds by which agents follow the catalog: how far an agent is behind, and what that costs
 * (gossip.md 15.11).
 */

import { counter, gauge } from '../definition.ts'

export const FEED_METRICS = {
  indexLag: gauge(
    'feed.index_lag',
    'Entries of the log by which the stream of this agent is behind what members say; 0 for none',
  ),
  silence: gauge(
    'feed.silence_ms',
    'Milliseconds since the server of the stream was heard; absent without a stream',
  ),
  noticeAge: gauge(
    'feed.notice_age_ms',
    'Milliseconds since news came, through members, of how far the servers are',
  ),
  suspicions: counter('feed.suspicions', 'Times the stream stood still for too long and was asked'),
  moves: counter('feed.moves', 'Servers that were left', ['reason']),
  streams: counter('feed.streams', 'Streams that brought something'),
  snapshots: counter('feed.snapshots', 'Topics that began with a snapshot'),
  resumptions: counter('feed.resumptions', 'Topics that went on where they were'),
  changes: counter('feed.changes', 'Changes of topics that came'),
  views: gauge('view.open', 'Topics that this agent follows'),
  staleViews: gauge('view.stale', 'Topics that no server feeds, and that show what was known last'),
  staleAge: gauge('view.stale_ms', 'Milliseconds since the oldest of them was known to be right'),
  agents: gauge('feed.agents', 'Agents that follow the catalog at this server'),
  agentsRefused: counter('feed.agents_refused', 'Agents that were told to come again later'),
  queuesDropped: counter(
    'feed.queues_dropped',
    'Times an agent was too slow and its topics had to begin anew',
  ),
} as const
