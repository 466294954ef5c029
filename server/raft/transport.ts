/**
 * How Raft messages travel between servers: best effort, in any order, possibly doubled or lost.
 *
 * Implemented in memory by memory-transport.ts and over gRPC streams by the server's RPC. The transport's
 * envelope carries the cluster id; messages of another cluster never reach `onMessage`.
 */

import type { RaftMessage } from '../../core/raft/messages.ts'

export interface RaftTransport {
  /** Takes the message or drops it; never blocks and never throws for a lost peer. */
  send(message: RaftMessage): void
  /** Sets the one receiver. @returns stops receiving; idempotent */
  onMessage(receiver: (message: RaftMessage) => void): () => void
}
