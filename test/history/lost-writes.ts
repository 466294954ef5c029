/**
 * Unique elements that were added, and what is there in the end (verification 16.1), and counters that were
 * raised with retries (16.3). Linear in the number of operations.
 */

export interface SetAttempt {
  readonly element: string
  readonly outcome: 'ok' | 'fail' | 'unknown'
}

export interface SetReport {
  readonly verdict: 'ok' | 'violation'
  /** Acknowledged and absent. */
  readonly lost: readonly string[]
  /** Present although never tried, or although it certainly failed. */
  readonly unexpected: readonly string[]
  /** Present more than once. */
  readonly doubled: readonly string[]
  /** Of unknown outcome and present: not a fault. */
  readonly recovered: readonly string[]
}

export function checkSet(attempts: readonly SetAttempt[], final: readonly string[]): SetReport {
  const outcomes = new Map(attempts.map(({ element, outcome }) => [element, outcome]))
  const present = new Set<string>()
  const doubled: string[] = []
  const unexpected: string[] = []
  const recovered: string[] = []
  for (const element of final) {
    if (present.has(element)) doubled.push(element)
    present.add(element)
    const outcome = outcomes.get(element)
    if (outcome === undefined || outcome === 'fail') unexpected.push(element)
    if (outcome === 'unknown') recovered.push(element)
  }
  const lost = attempts
    .filter(({ element, outcome }) => outcome === 'ok' && !present.has(element))
    .map(({ element }) => element)
  const isGood = lost.length === 0 && unexpected.length === 0 && doubled.length === 0
  return { verdict: isGood ? 'ok' : 'violation', lost, unexpected, doubled, recovered }
}

export interface CounterAttempt {
  /** The same for every retry of one request. */
  readonly requestId: string
  readonly outcome: 'ok' | 'fail' | 'unknown'
}

export type CounterReport =
  | { readonly verdict: 'ok' }
  | { readonly verdict: 'violation'; readonly reason: string }

/**
 * Each acknowledged request counts once, whatever its number of tries; one of unknown outcome counts when
 * the log contains it.
 */
export function checkCounter(
  attempts: readonly CounterAttempt[],
  final: number,
  isInLog: (requestId: string) => boolean,
): CounterReport {
  const acknowledged = new Set<string>()
  const unknown = new Set<string>()
  for (const { requestId, outcome } of attempts) {
    if (outcome === 'ok') acknowledged.add(requestId)
    if (outcome === 'unknown') unknown.add(requestId)
  }
  let expected = acknowledged.size
  for (const id of unknown) if (!acknowledged.has(id) && isInLog(id)) expected++
  if (final === expected) return { verdict: 'ok' }
  return {
    verdict: 'violation',
    reason: `the counter is ${final}; ${acknowledged.size} acknowledged requests and those in the log make ${expected}`,
  }
}
