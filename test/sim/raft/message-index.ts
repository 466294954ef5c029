/**
 * The one number of a message that says most about it, for traces.
 */

import type { RaftMessage } from '../../../core/raft/messages.ts'

export function indexOf(message: RaftMessage): number {
  switch (message.kind) {
    case 'append':
      return message.prevIndex + message.entries.length
    case 'append-ack':
      return message.matchIndex
    case 'append-reject':
      return message.rejectedIndex
    case 'heartbeat':
      return message.commit
    case 'pre-vote':
    case 'vote':
      return message.lastIndex
    case 'vote-reply':
    case 'pre-vote-reply':
      return Number(message.granted)
    case 'read-reply':
      return message.index
    case 'snapshot-offer':
      return message.snapshot.index
    case 'heartbeat-ack':
    case 'timeout-now':
    case 'read-request':
      return 0
  }
}
