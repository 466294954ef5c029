/**
 * The numbers of a gossip pool, and the three sets of them that are known to go well together.
 *
 * Source: gossip.md 13.1; what Serf and Consul add: 9, 11 and 14. All times in milliseconds.
 */

export interface GossipTiming {
  /** One member is probed so often. Smaller finds failures sooner and costs packets; see gossip.md 13.2. */
  readonly probeIntervalMs: number
  /** How long a direct ping may take before others are asked. Must be below the probe interval. */
  readonly probeTimeoutMs: number
  /** Members asked to ping in our stead. */
  readonly indirectChecks: number
  /** Lower bound of suspicion in probe intervals; two less is the number of confirmations waited for. */
  readonly suspicionMult: number
  /** Upper bound of suspicion, in lower bounds. */
  readonly suspicionMaxTimeoutMult: number
  /** Copies of one message that a member sends: this times the decimal digits of the member count. */
  readonly retransmitMult: number
  readonly gossipIntervalMs: number
  /** Members told at each gossip interval. */
  readonly gossipNodes: number
  /** The dead are told of their death for so long, and then no more. */
  readonly gossipToTheDeadMs: number
  /** Whole states are compared so often, rarer with more than 32 members. */
  readonly pushPullIntervalMs: number
  /** For one exchange over TCP. */
  readonly tcpTimeoutMs: number
  /** Local health runs from 0 to one less; the probe interval is multiplied by health + 1. */
  readonly awarenessMaxMultiplier: number
  /** A dead member's name may be taken from another address after so long. */
  readonly deadNodeReclaimMs: number
  readonly reapIntervalMs: number
  readonly reconnectIntervalMs: number
  /** A failed member is forgotten after so long. */
  readonly reconnectTimeoutMs: number
  /** A member that left is forgotten after so long. */
  readonly tombstoneTimeoutMs: number
  /** How long leaving waits at most for its messages to be sent. */
  readonly broadcastTimeoutMs: number
  /** How long a member that left still answers probes, while the news spreads. */
  readonly leavePropagateMs: number
}

const SHARED = {
  suspicionMaxTimeoutMult: 6,
  awarenessMaxMultiplier: 8,
  deadNodeReclaimMs: 30_000,
  reapIntervalMs: 15_000,
  reconnectIntervalMs: 30_000,
  reconnectTimeoutMs: 72 * 3_600_000,
  tombstoneTimeoutMs: 24 * 3_600_000,
  broadcastTimeoutMs: 5000,
} as const

/** One datacenter: the default. */
export const LAN_TIMING: GossipTiming = {
  ...SHARED,
  probeIntervalMs: 1000,
  probeTimeoutMs: 500,
  indirectChecks: 3,
  suspicionMult: 4,
  retransmitMult: 4,
  gossipIntervalMs: 200,
  gossipNodes: 3,
  gossipToTheDeadMs: 30_000,
  pushPullIntervalMs: 30_000,
  tcpTimeoutMs: 10_000,
  leavePropagateMs: 3000,
}

/** One host or one rack, as in development: finds failures in about two seconds. */
export const LOCAL_TIMING: GossipTiming = {
  ...SHARED,
  probeIntervalMs: 250,
  probeTimeoutMs: 100,
  indirectChecks: 1,
  suspicionMult: 3,
  retransmitMult: 2,
  gossipIntervalMs: 100,
  gossipNodes: 3,
  gossipToTheDeadMs: 15_000,
  pushPullIntervalMs: 15_000,
  tcpTimeoutMs: 1000,
  leavePropagateMs: 500,
}
