/**
 * The words in which a scenario tells what happens: one line for each thing, with all that matters of it.
 */

import { type Configuration, decodeConfiguration } from '../../../core/raft/configuration.ts'
import type { RaftMessage } from '../../../core/raft/messages.ts'
import type { PeerView } from '../../../core/raft/raft-core.ts'
import type {
  AppendJob,
  Entry,
  InputOutcome,
  LogPosition,
  SnapshotMeta,
} from '../../../core/raft/types.ts'

export function printMessage(message: RaftMessage): string {
  const head = `${message.from}>${message.to} ${message.kind} t${message.term}`
  switch (message.kind) {
    case 'append':
      return `${head} after ${message.prevIndex}/${message.prevTerm} [${printEntries(message.entries)}] commit ${message.leaderCommit}`
    case 'append-ack':
      return `${head} match ${message.matchIndex}${printStatus(message)}`
    case 'append-reject':
      return `${head} not after ${message.rejectedIndex}, try ${message.hintIndex}/${message.hintTerm}${printStatus(message)}`
    case 'heartbeat':
      return `${head} commit ${message.commit} read ${message.readSeq} lease ${message.leaseSeq}`
    case 'heartbeat-ack':
      return `${head} read ${message.readSeq} lease ${message.leaseSeq}${message.isRecovering ? ' recovering' : ''}`
    case 'pre-vote':
    case 'vote':
      return `${head} last ${message.lastIndex}/${message.lastTerm}${message.transfer ? ' transfer' : ''}`
    case 'pre-vote-reply':
    case 'vote-reply':
      return `${head} ${message.granted ? 'granted' : 'refused'}`
    case 'timeout-now':
      return head
    case 'read-request':
      return `${head} ${message.context}`
    case 'read-reply':
      return `${head} ${message.context} at ${message.index}`
    case 'snapshot-offer':
      return `${head} ${printSnapshot(message.snapshot)}`
  }
}

export function printEntries(entries: readonly Entry[]): string {
  return entries.map(printEntry).join(', ')
}

export function printEntry(entry: Entry): string {
  const head = `${entry.index}/${entry.term}`
  if (entry.type === 'config') {
    return `${head} config ${printConfiguration(decodeConfiguration(entry.data))}`
  }
  if (entry.type === 'normal') return `${head} ${Buffer.from(entry.data).toString()}`
  return `${head} ${entry.type}`
}

export function printConfiguration(c: Configuration): string {
  const parts = [`(${c.incoming.join(' ')})`]
  if (c.outgoing.length > 0) parts.push(`from (${c.outgoing.join(' ')})`)
  if (c.learners.length > 0) parts.push(`learners (${c.learners.join(' ')})`)
  if (c.learnersNext.length > 0) parts.push(`next learners (${c.learnersNext.join(' ')})`)
  if (c.autoLeave) parts.push('auto-leave')
  const moved = c.addresses.filter((member) => member.address !== `${member.id}:1`)
  for (const member of moved) parts.push(`${member.id} at ${member.address}`)
  return parts.join(' ')
}

export function printSnapshot(snapshot: SnapshotMeta): string {
  const { index, term, configuration, configurationIndex } = snapshot
  return `image ${index}/${term} config ${configurationIndex} ${printConfiguration(configuration)}`
}

export function printJob(job: AppendJob): string {
  const { hardState } = job
  const parts = [`t${hardState.term} vote ${hardState.vote ?? 'none'} commit ${hardState.commit}`]
  if (job.snapshot !== null) parts.push(`instead of all: ${printSnapshot(job.snapshot)}`)
  if (job.truncateFrom !== null) parts.push(`cut from ${job.truncateFrom}`)
  if (job.entries.length > 0) parts.push(`[${printEntries(job.entries)}]`)
  return parts.join(', ')
}

export function printOutcome(outcome: InputOutcome): string | null {
  switch (outcome.kind) {
    case 'done':
      return null
    case 'appended':
      return `appended from ${outcome.firstIndex} in t${outcome.term}`
    case 'rejected':
      return `rejected: ${outcome.reason}${outcome.detail === undefined ? '' : `: ${outcome.detail}`}`
  }
}

export function printPeer(id: string, peer: PeerView): string {
  const flags = [
    peer.isRecentlyActive ? 'active' : 'silent',
    ...(peer.isRecovering ? ['recovering'] : []),
    ...(peer.isAmnesiac ? ['amnesiac'] : []),
  ]
  return `${id} ${peer.mode} match ${peer.match} next ${peer.next} in flight ${peer.inflightCount} ${flags.join(' ')}`
}

export function printPosition(position: LogPosition): string {
  return `${position.index}/${position.term}`
}

function printStatus(message: {
  readonly isRecovering: boolean
  readonly lastIndex: number
}): string {
  return ` last ${message.lastIndex}${message.isRecovering ? ' recovering' : ''}`
}
