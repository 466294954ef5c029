/**
 * Raft messages and images between servers of one process, for tests and for a server that has no peers.
 *
 * Keeps the whole contract of transport.ts: what a server of no cluster sends is dropped, and so is what a
 * foreign one sends; requests reach named peers only, replies reach whoever asked. Delivery is asynchronous
 * and in order. `disconnect` cuts a server off: messages to and from it are lost, images break off, and
 * both sides are told. Bound: none of its own, the receiver's queue is bounded.
 */

import { FairleadError } from '../../core/errors.ts'
import { isReply, type RaftMessage, type SnapshotOfferMessage } from '../../core/raft/messages.ts'
import type { ServerId } from '../../core/raft/types.ts'
import { type ClusterName, isSameCluster } from '../../core/rpc/peer-calls.ts'
import type { OpenedSnapshot } from '../../runtime/storage/snapshot-store.ts'
import type { RaftTransport, SnapshotReceiver, SnapshotSink } from './transport.ts'

export class MemoryNetwork {
  readonly #members = new Map<string, MemoryTransport>()
  readonly #cutOff = new Set<string>()

  /** A server that joins again, as after a restart, takes the place of its former self. */
  join(id: string): RaftTransport {
    const transport = new MemoryTransport(id, {
      find: (peer) => this.#members.get(peer),
      isCut: (a, b) => this.#cutOff.has(a) || this.#cutOff.has(b),
    })
    this.#members.set(id, transport)
    return transport
  }

  disconnect(id: string): void {
    if (this.#cutOff.has(id)) return
    this.#cutOff.add(id)
    for (const [member, transport] of this.#members) {
      if (member !== id) transport.lost(id)
      else for (const other of this.#members.keys()) if (other !== id) transport.lost(other)
    }
  }

  reconnect(id: string): void {
    this.#cutOff.delete(id)
  }
}

interface Wires {
  find(id: string): MemoryTransport | undefined
  isCut(a: string, b: string): boolean
}

class MemoryTransport implements RaftTransport {
  readonly #id: string
  readonly #wires: Wires
  readonly #unreachableListeners = new Set<(peer: ServerId) => void>()
  #peers = new Set<string>()
  #cluster: ClusterName | null = null
  #receiver: ((message: RaftMessage, cluster: ClusterName) => void) | null = null
  #snapshotReceiver: SnapshotReceiver | null = null

  constructor(id: string, wires: Wires) {
    this.#id = id
    this.#wires = wires
  }

  send(message: RaftMessage): void {
    const cluster = this.#cluster
    if (cluster === null) return
    if (!isReply(message) && !this.#peers.has(message.to)) return
    queueMicrotask(() => {
      if (this.#wires.isCut(message.from, message.to)) return
      this.#wires.find(message.to)?.deliver(message, cluster)
    })
  }

  deliver(message: RaftMessage, cluster: ClusterName): void {
    if (message.to !== this.#id || !this.#hears(cluster)) return
    this.#receiver?.(message, cluster)
  }

  onMessage(receiver: (message: RaftMessage, cluster: ClusterName) => void): () => void {
    this.#receiver = receiver
    return () => {
      if (this.#receiver === receiver) this.#receiver = null
    }
  }

  onUnreachable(listener: (peer: ServerId) => void): () => void {
    this.#unreachableListeners.add(listener)
    return () => this.#unreachableListeners.delete(listener)
  }

  lost(peer: string): void {
    if (!this.#peers.has(peer)) return
    for (const listener of this.#unreachableListeners) listener(peer as ServerId)
  }

  setPeers(peers: readonly { readonly id: ServerId; readonly address: string }[]): void {
    this.#peers = new Set(peers.map(({ id }) => id))
  }

  setCluster(cluster: ClusterName | null): void {
    this.#cluster = cluster
  }

  async sendSnapshot(
    offer: SnapshotOfferMessage,
    image: OpenedSnapshot,
    signal: AbortSignal,
  ): Promise<'received' | 'declined'> {
    signal.throwIfAborted()
    const sink = await this.#offer(offer, image)
    if (sink === null) return 'declined'
    try {
      for await (const chunk of image.image(sink.resumeFrom)) {
        signal.throwIfAborted()
        this.#checkWire(offer)
        await sink.write(chunk)
      }
      signal.throwIfAborted()
    } catch (thrown) {
      await sink.abandon()
      throw thrown
    }
    await sink.finish()
    return 'received'
  }

  onSnapshot(receiver: SnapshotReceiver): () => void {
    this.#snapshotReceiver = receiver
    return () => {
      if (this.#snapshotReceiver === receiver) this.#snapshotReceiver = null
    }
  }

  async #offer(offer: SnapshotOfferMessage, image: OpenedSnapshot): Promise<SnapshotSink | null> {
    this.#checkWire(offer)
    const peer = this.#wires.find(offer.to)
    if (this.#cluster === null || peer === undefined || !peer.#hears(this.#cluster)) {
      throw new FairleadError('REJECTED', `Server "${offer.to}" belongs to another cluster`)
    }
    const { sizeBytes, digest } = image
    return (await peer.#snapshotReceiver?.offered(offer, { sizeBytes, digest })) ?? null
  }

  #checkWire(offer: SnapshotOfferMessage): void {
    const isReachable = this.#peers.has(offer.to) && this.#wires.find(offer.to) !== undefined
    if (isReachable && !this.#wires.isCut(offer.from, offer.to)) return
    throw new FairleadError('NO_SERVERS', `Server "${offer.to}" cannot be reached`)
  }

  /** A server of no cluster yet hears everybody. */
  #hears(cluster: ClusterName): boolean {
    return this.#cluster === null || isSameCluster(this.#cluster, cluster)
  }
}
