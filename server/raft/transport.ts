/**
 * How Raft's messages and images travel between servers: best effort, in any order, possibly doubled or lost.
 *
 * Implemented in memory by memory-transport.ts and over gRPC by server/rpc/. Every message carries the
 * cluster it belongs to; one of a foreign cluster never reaches a receiver, except that a server that
 * belongs to none yet hears everybody, and takes the cluster of the first leader that lists it as a member
 * (a leader speaks to members only). What is sent before `setCluster` names one is dropped. Requests reach
 * the peers of `setPeers`; replies also reach a server that is not among them, the way its request came.
 * Append messages, heartbeats and images use connections of their own, so that none waits for another.
 * Source: Raft specification 3, 5.5, 9.3.
 */

import type { RaftMessage, SnapshotOfferMessage } from '../../core/raft/messages.ts'
import type { ServerId } from '../../core/raft/types.ts'
import type { ClusterName } from '../../core/rpc/peer-calls.ts'
import type { OpenedSnapshot } from '../../runtime/storage/snapshot-store.ts'

export interface RaftTransport {
  /** Takes the message or drops it; never blocks and never throws for a lost peer. */
  send(message: RaftMessage): void
  /** Sets the one receiver. @returns stops receiving; idempotent */
  onMessage(receiver: (message: RaftMessage, cluster: ClusterName) => void): () => void
  /** Told when the connection to a peer is lost, once for each loss. @returns stops; idempotent */
  onUnreachable(listener: (peer: ServerId) => void): () => void
  /** Where members are reached from now on; who is not named is disconnected. Called at every change. */
  setPeers(peers: readonly { readonly id: ServerId; readonly address: string }[]): void
  /** The cluster this server speaks for; null until it belongs to one. */
  setCluster(cluster: ClusterName | null): void
  /**
   * Offers an image and streams it when the peer wants it, resuming where an earlier attempt at the same
   * image broke off. Bounded in rate, so that appends and heartbeats are not starved.
   *
   * @returns 'received' once the peer has it whole and proven, 'declined' when it does not want it
   * @throws the transport's failure, or the abort reason
   */
  sendSnapshot(
    offer: SnapshotOfferMessage,
    image: OpenedSnapshot,
    signal: AbortSignal,
  ): Promise<'received' | 'declined'>
  /** Sets the one receiver of images. @returns stops receiving; idempotent */
  onSnapshot(receiver: SnapshotReceiver): () => void
}

/** The receiving end of images: judged by the core, written by the snapshot store. */
export interface SnapshotReceiver {
  /**
   * An image is offered: the message goes through the core as any other does.
   *
   * @returns where to put it, or null when it is not wanted
   */
  offered(offer: SnapshotOfferMessage, image: ImageFacts): Promise<SnapshotSink | null>
}

export interface ImageFacts {
  readonly sizeBytes: number
  /** SHA-256 of the image, hex. */
  readonly digest: string
}

export interface SnapshotSink {
  /** Bytes that an earlier, broken attempt at the same image left here. */
  readonly resumeFrom: number
  /** In order, without a gap. @throws FairleadError STORAGE_FAILED */
  write(chunk: Uint8Array): Promise<void>
  /** All bytes were written: proves the digest, makes it durable, tells the core. @throws STORAGE_CORRUPT */
  finish(): Promise<void>
  /** The stream broke off; what was received is kept for the next attempt. */
  abandon(): Promise<void>
}
