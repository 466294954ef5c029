/**
 * Majority arithmetic over simple and joint configurations (Raft specification 7 and 10.4).
 *
 * A decision of a joint configuration needs a majority of both halves; an empty half agrees with
 * everything. Knows nothing of terms or logs.
 */

import type { Configuration } from './configuration.ts'
import type { ServerId } from './types.ts'

export type VoteResult = 'won' | 'lost' | 'pending'

/**
 * The highest value that a majority of both halves has reached. Used for match indexes and for read
 * sequence numbers.
 *
 * @param reached what a voter has reached; 0 when unknown
 * @returns Infinity only when both halves are empty
 */
export function quorumValue(
  configuration: Pick<Configuration, 'incoming' | 'outgoing'>,
  reached: (id: ServerId) => number,
): number {
  return Math.min(
    majorityValue(configuration.incoming, reached),
    majorityValue(configuration.outgoing, reached),
  )
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

function majorityValue(voters: readonly ServerId[], reached: (id: ServerId) => number): number {
  const count = voters.length
  if (count === 0) return Number.POSITIVE_INFINITY
  const values = voters.map(reached).sort((x, y) => x - y)
  return values[count - (Math.floor(count / 2) + 1)] as number
}

function majorityVote(
  voters: readonly ServerId[],
  votes: ReadonlyMap<ServerId, boolean>,
): VoteResult {
  if (voters.length === 0) return 'won'
  const needed = Math.floor(voters.length / 2) + 1
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
