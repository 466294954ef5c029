/**
 * The follower's end of an append and of a heartbeat (specification 5.2, 5.3).
 *
 * Guarantees: the log is cut only at a real conflict, never below the commit index; commit follows the end
 * of the message, not the end of the log; acks leave after the entries are durable. A difference of chain
 * where index and term agree is proof of corruption: the server halts.
 */

import { assert } from '../assert.ts'
import { chainOf } from './chain.ts'
import { advanceFollowerCommit } from './commit.ts'
import { isConfigurationData } from './configuration.ts'
import type { AppendMessage, HeartbeatMessage } from './messages.ts'
import { noteLeaderCommit } from './recovery.ts'
import { halt } from './roles.ts'
import { type RaftState, replyStatus } from './state.ts'
import { type Entry, type LogIndex, logIndex } from './types.ts'

export function handleAppend(state: RaftState, message: AppendMessage): void {
  noteLeaderCommit(state, message.leaderCommit)
  if (message.prevIndex < state.commit) {
    state.mark('append.below-commit')
    acknowledge(state, message, state.commit)
    return
  }
  if (state.log.term(message.prevIndex) !== message.prevTerm) {
    state.mark('append.rejected')
    reject(state, message)
    return
  }
  if (state.log.chain(message.prevIndex) !== message.prevChain) {
    haltDiverged(state, message.prevIndex, message.prevChain)
    return
  }
  if (!isWellFormed(message)) {
    state.mark('append.malformed')
    return
  }
  const known = countKnown(state, message.entries)
  if (state.role.kind === 'failed') return
  appendFresh(state, known === 0 ? message.entries : message.entries.slice(known))
  const matched = logIndex(message.prevIndex + message.entries.length)
  if (message.leaderCommit > matched) state.mark('append.commit.clipped')
  advanceFollowerCommit(state, logIndex(Math.min(message.leaderCommit, matched)))
  acknowledge(state, message, matched)
}

/**
 * The commit index of a heartbeat is clipped to what the leader knows that we hold. While we are getting
 * lost entries back the leader may not know yet that we hold less, so nothing follows from it.
 */
export function handleHeartbeat(state: RaftState, message: HeartbeatMessage): void {
  if (message.commit > state.commit) {
    if (state.recovery === null) {
      state.mark('heartbeat.commit.advanced')
      advanceFollowerCommit(state, message.commit)
    } else {
      state.mark('recovery.commit-ignored')
    }
  }
  state.outbox.messagesAfterAppend.push({
    kind: 'heartbeat-ack',
    from: state.id,
    to: message.from,
    term: state.term,
    readSeq: message.readSeq,
    leaseSeq: message.leaseSeq,
    isRecovering: state.recovery !== null,
  })
}

/** Entries follow each other and are what their fields and chain say; anything else is line noise. */
function isWellFormed(message: AppendMessage): boolean {
  let index: number = message.prevIndex
  let term = message.prevTerm
  let chain = message.prevChain
  for (const entry of message.entries) {
    index++
    if (entry.index !== index || entry.term < term || entry.term > message.term) return false
    if (chainOf(chain, entry) !== entry.chain) return false
    if (entry.type === 'config' && !isConfigurationData(entry.data)) return false
    chain = entry.chain
    term = entry.term
  }
  return true
}

/** How many entries, from the first on, the log holds already. The server halts if one of them differs. */
function countKnown(state: RaftState, entries: readonly Entry[]): number {
  const { log } = state
  let known = 0
  for (const entry of entries) {
    if (log.term(entry.index) !== entry.term) break
    if (log.chain(entry.index) !== entry.chain) {
      haltDiverged(state, entry.index, entry.chain)
      return known
    }
    known++
  }
  if (known > 0) state.mark('append.doubled')
  return known
}

function appendFresh(state: RaftState, fresh: readonly Entry[]): void {
  const first = fresh[0]
  if (first === undefined) return
  assert(first.index > state.commit, 'appends below the commit index were answered before')
  if (first.index <= state.log.lastIndex) {
    state.mark('append.conflict.truncate')
    if (state.tracker.holdsInFlight(first.index)) state.mark('storage.aba.voided')
    state.log.truncateFrom(first.index)
    state.tracker.truncateFrom(first.index)
    if (state.configs.truncateFrom(first.index)) state.mark('append.config.rolled-back')
  }
  state.log.append(fresh)
  state.configs.append(fresh)
}

function acknowledge(state: RaftState, message: AppendMessage, matchIndex: LogIndex): void {
  state.outbox.messagesAfterAppend.push({
    kind: 'append-ack',
    from: state.id,
    to: message.from,
    term: state.term,
    matchIndex,
    seq: message.seq,
    ...replyStatus(state),
  })
}

function reject(state: RaftState, message: AppendMessage): void {
  const hint = state.log.highestWithTermAtMost(message.prevIndex, message.prevTerm)
  state.outbox.messagesAfterAppend.push({
    kind: 'append-reject',
    from: state.id,
    to: message.from,
    term: state.term,
    rejectedIndex: message.prevIndex,
    hintIndex: hint.index,
    hintTerm: hint.term,
    seq: message.seq,
    ...replyStatus(state),
  })
}

function haltDiverged(state: RaftState, index: LogIndex, theirs: number): void {
  const ours = state.log.chain(index)
  halt(state, `log differs from the leader's at or below ${index}: chain ${ours}, not ${theirs}`)
}
