/**
 * Majority arithmetic over simple and joint configurations (Raft specification 7 and 10.4).
 *
 * A decision of a joint configuration needs a majority of both halves; an empty half agrees with
 * everything. Knows nothing of terms or logs. `quorumValue` runs for every acknowledgement: it allocates
 * one small array and sorts it by insertion.
 */

import type { Configuration } from './configuration.ts'
import type { ServerId } from './types.ts'

export type VoteResult = 'won' | 'lost' | 'pending'

/**
 * The highest value that a majority of both halves has reached. Used for match indexes, for read sequence
 * numbers and for ticks.
 *
 * @param reached what a voter has reached; 0 when unknown
 * @returns Infinity only when both halves are empty
 */
export function quorumValue(
  configuration: Pick<Configuration, 'incoming' | 'outgoing'>,
  reached: (id: ServerId) => number,
): number {
  const incoming = majorityValue(configuration.incoming, reached)
  if (configuration.outgoing.length === 0) return incoming
  return Math.min(incoming, majorityValue(configuration.outgoing, reached))
}

/** Won if both halves are won, lost if either is lost. */
export function quorumVote(
  configuration: Pick<Configuration, 'incoming' | 'outgoing'>,
  votes: ReadonlyMap<ServerId, boolean>,
): VoteResult {
  const incoming = majorityVote(configuration.incoming, votes)
  const outgoing = majorityVote(configuration.outgoing, votes)
  if (incoming === 'lost' || outgoing === 'lost') return 'lost'
  return incoming === 'won' && outgoing === 'won' ? 'won' : 'pending'
}

/** Smallest majority of `count` voters. */
export function majorityOf(count: number): number {
  return Math.floor(count / 2) + 1
}

function majorityValue(voters: readonly ServerId[], reached: (id: ServerId) => number): number {
  const count = voters.length
  if (count === 0) return Number.POSITIVE_INFINITY
  const ascending: number[] = []
  for (const id of voters) {
    const value = reached(id)
    let at = ascending.length
    while (at > 0 && (ascending[at - 1] as number) > value) at--
    ascending.splice(at, 0, value)
  }
  return ascending[count - majorityOf(count)] as number
}

function majorityVote(
  voters: readonly ServerId[],
  votes: ReadonlyMap<ServerId, boolean>,
): VoteResult {
  if (voters.length === 0) return 'won'
  const needed = majorityOf(voters.length)
  let granted = 0
  let refused = 0
  for (const id of voters) {
    const vote = votes.get(id)
    if (vote === true) granted++
    else if (vote === false) refused++
  }
  if (granted >= needed) return 'won'
  return voters.length - refused < needed ? 'lost' : 'pending'
}
