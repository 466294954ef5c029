/**
 * The formulas by which a pool's behaviour follows from its size (gossip.md 5, 7.1, 8, 11.5). Pure functions.
 */

/** Members from which push-pull is made rarer. */
const PUSH_PULL_SCALE_FROM = 32
const QUERY_TIMEOUT_MULT = 16

/** Lower bound of suspicion: `mult` probe intervals times the decimal order of the pool, kept to 1/1000. */
export function suspicionTimeoutMs(mult: number, members: number, probeIntervalMs: number): number {
  const scale = Math.max(1, Math.log10(Math.max(1, members)))
  return (mult * Math.trunc(scale * 1000) * probeIntervalMs) / 1000
}

/** Confirmations that are waited for; none in a pool that has not that many other witnesses. */
export function suspicionConfirmations(mult: number, members: number): number {
  const wanted = Math.max(0, mult - 2)
  return members - 2 < wanted ? 0 : wanted
}

/** What is left of a suspicion after `elapsedMs` and `confirmed` confirmations out of `k`; not positive: over. */
export function suspicionRemainingMs(options: {
  readonly confirmed: number
  readonly k: number
  readonly elapsedMs: number
  readonly minMs: number
  readonly maxMs: number
}): number {
  const { confirmed, k, elapsedMs, minMs, maxMs } = options
  if (k < 1) return minMs - elapsedMs
  const share = Math.log(confirmed + 1) / Math.log(k + 1)
  const timeout = Math.floor(maxMs - share * (maxMs - minMs))
  return Math.max(minMs, timeout) - elapsedMs
}

/** How often one member sends one message on. */
export function retransmitLimit(mult: number, members: number): number {
  return mult * Math.ceil(Math.log10(members + 1))
}

/** How long a query waits for answers: for so many gossip intervals as news takes to go everywhere and back. */
export function queryTimeoutMs(gossipIntervalMs: number, members: number): number {
  return gossipIntervalMs * QUERY_TIMEOUT_MULT * Math.ceil(Math.log10(members + 1))
}

export function pushPullIntervalMs(intervalMs: number, members: number): number {
  if (members <= PUSH_PULL_SCALE_FROM) return intervalMs
  const scale = Math.ceil(Math.log2(members) - Math.log2(PUSH_PULL_SCALE_FROM)) + 1
  return intervalMs * scale
}
