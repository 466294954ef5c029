/**
 * What the core refuses, as the errors that callers of the host know.
 *
 * Guarantees that everything here is a certain "nothing was appended" (Raft specification 16.1): NO_LEADER
 * and BUSY may be tried again, REJECTED breaks a rule. An unknown outcome never comes from a refusal.
 */

import { FairleadError } from '../../core/errors.ts'
import type { InputOutcome } from '../../core/raft/types.ts'

export type Refusal = Extract<InputOutcome, { kind: 'rejected' }>

/** @param what was attempted, as the beginning of a sentence: `Failed to change the members` */
export function refusalError(
  what: string,
  refusal: Refusal,
  self: { readonly id: string; readonly leader: string | null },
): FairleadError {
  const { reason, detail } = refusal
  switch (reason) {
    case 'not-leader':
    case 'no-leader':
      return notLeader(self)
    case 'busy':
      return new FairleadError('BUSY', `${what}: the Raft log is not keeping up`)
    case 'transferring':
      return new FairleadError('BUSY', `${what}: leadership is being handed over`)
    case 'no-quorum':
      return new FairleadError('NO_LEADER', `${what}: the leader hears from no majority`)
    case 'config-pending':
      return new FairleadError(
        'BUSY',
        `${what}: another change is not committed yet, or this leader is new`,
      )
    case 'invalid':
      return new FairleadError('REJECTED', `${what}: ${detail ?? 'it breaks a rule'}`)
    case 'failed':
      return new FairleadError('STORAGE_FAILED', `${what}: Raft has stopped`)
  }
}

export function notLeader(self: {
  readonly id: string
  readonly leader: string | null
}): FairleadError {
  const { id, leader } = self
  if (leader === null || leader === id) return new FairleadError('NO_LEADER', 'No cluster leader')
  return new FairleadError('BUSY', `This server is not the leader, "${leader}" is`, {
    facts: { leader },
  })
}

export function outcomeUnknown(): FairleadError {
  return new FairleadError(
    'OUTCOME_UNKNOWN',
    'Leadership was lost while the write was in flight; it may or may not be applied',
  )
}

export function shuttingDown(): FairleadError {
  return new FairleadError('SHUTTING_DOWN', 'This server is shutting down')
}
