/**
 * Raft between servers over gRPC: the real implementation of transport.ts.
 *
 * To each peer it keeps two connections, one for appends and one for what is small and urgent, and dials a
 * third for an image; what peers dial comes in through `accept`, which the RPC host calls. Replies go back
 * on the stream that the request came on, so that a server that nobody here knows yet is answered as well.
 * Guarantees: those of transport.ts. A frame that is broken, of a foreign cluster or of a foreign version
 * ends its stream, the other side is told why, and both log it. Uses no thread of the pool.
 * Bounds: APPEND_BOUNDS, SIGNAL_BOUNDS for each direction of a peer, INBOUND_MAX streams, one image sent and
 * one received at a time. Source: Raft specification 3, 5.5, 9.3, 15.11, 17.
 */

import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import { isReply, type RaftMessage, type SnapshotOfferMessage } from '../../core/raft/messages.ts'
import type { ServerId } from '../../core/raft/types.ts'
import type { Rng } from '../../core/rng.ts'
import { type ClusterName, isSameCluster } from '../../core/rpc/peer-calls.ts'
import type { Clock } from '../../core/time.ts'
import { RareWarnings } from '../../runtime/log/rare-warnings.ts'
import type { ByteStream } from '../../runtime/rpc/byte-stream.ts'
import { FrameQueue, type QueueBounds } from '../../runtime/rpc/frame-queue.ts'
import { RaftConnection } from '../../runtime/rpc/raft-connection.ts'
import { decodeFrame, type RaftFrame } from '../../runtime/rpc/raft-frame.ts'
import type { RaftLane } from '../../runtime/rpc/raft-service.ts'
import type { OpenedSnapshot } from '../../runtime/storage/snapshot-store.ts'
import type { DialTls } from '../../runtime/tls/rpc-tls.ts'
import type { RaftTransport, SnapshotReceiver } from '../raft/transport.ts'
import { ImageReceiver } from './image-receiver.ts'
import { sendImage } from './image-sender.ts'

const MIB = 1024 * 1024
/** Above the 8 MiB that Raft lets be in flight, so that its own window is what holds it back. */
const APPEND_BOUNDS: QueueBounds = { messagesMax: 1024, bytesMax: 16 * MIB, closedMessagesMax: 2 }
const SIGNAL_BOUNDS: QueueBounds = { messagesMax: 4096, bytesMax: 2 * MIB, closedMessagesMax: 8 }
const INBOUND_MAX = 1024
const IMAGE_BYTES_PER_SECOND = 64 * MIB

type FrameLane = Exclude<RaftLane, 'image'>

export interface GrpcRaftTransportOptions {
  readonly id: ServerId
  /** At most so much of an image is sent in a second; default 64 MiB. Less leaves more for appends. */
  readonly imageBytesPerSecond?: number
}

export interface GrpcRaftTransportDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  /** How peers are dialled; in clear without it. */
  readonly tls?: DialTls
}

interface Peer {
  readonly address: string
  readonly lanes: Readonly<Record<FrameLane, RaftConnection>>
}

interface Inbound {
  readonly stream: ByteStream
  readonly queue: FrameQueue
}

export class GrpcRaftTransport implements RaftTransport {
  readonly #id: ServerId
  readonly #options: GrpcRaftTransportOptions
  readonly #deps: GrpcRaftTransportDeps
  readonly #warnings: RareWarnings
  readonly #peers = new Map<ServerId, Peer>()
  readonly #inbound = new Set<Inbound>()
  /** Where replies go: the newest stream on which a server has spoken. */
  readonly #routes: Readonly<Record<FrameLane, Map<ServerId, Inbound>>> = {
    append: new Map(),
    signal: new Map(),
  }
  readonly #unreachableListeners = new Set<(peer: ServerId) => void>()
  readonly #images: ImageReceiver
  readonly #closing = new AbortController()
  #cluster: ClusterName | null = null
  #receiver: ((message: RaftMessage, cluster: ClusterName) => void) | null = null
  #snapshotReceiver: SnapshotReceiver | null = null
  #sending: Promise<unknown> | null = null

  constructor(options: GrpcRaftTransportOptions, deps: GrpcRaftTransportDeps) {
    this.#id = options.id
    this.#options = options
    this.#deps = deps
    this.#warnings = new RareWarnings(deps)
    this.#images = new ImageReceiver({
      clock: deps.clock,
      receiver: () => this.#snapshotReceiver,
      check: ({ cluster, message }) => {
        this.#checkCluster(cluster)
        if (message.to !== this.#id) throw notForUs(this.#id, message.to)
      },
      onFailed: (error) => this.#warnings.warn('an image was not received', { err: error }),
    })
  }

  send(message: RaftMessage): void {
    if (this.#cluster === null || this.#closing.signal.aborted) return
    const lane = laneOf(message)
    const route = isReply(message) ? this.#routes[lane].get(message.to) : undefined
    if (route !== undefined) route.queue.push(message)
    else this.#peers.get(message.to)?.lanes[lane].send(message)
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

  setPeers(peers: readonly { readonly id: ServerId; readonly address: string }[]): void {
    if (this.#closing.signal.aborted) return
    const wanted = new Map(peers.map(({ id, address }) => [id, address]))
    wanted.delete(this.#id)
    for (const [id, peer] of this.#peers) {
      if (wanted.get(id) === peer.address) continue
      this.#peers.delete(id)
      for (const connection of Object.values(peer.lanes)) void connection.close()
    }
    for (const [id, address] of wanted) {
      if (!this.#peers.has(id)) this.#peers.set(id, this.#connect(id, address))
    }
  }

  setCluster(cluster: ClusterName | null): void {
    this.#cluster = cluster
  }

  async sendSnapshot(
    offer: SnapshotOfferMessage,
    image: OpenedSnapshot,
    signal: AbortSignal,
  ): Promise<'received' | 'declined'> {
    const { log, clock } = this.#deps
    const peer = this.#peers.get(offer.to)
    const cluster = this.#cluster
    if (peer === undefined || cluster === null) {
      throw new FairleadError('NO_SERVERS', `Server "${offer.to}" cannot be reached`)
    }
    if (this.#sending !== null) {
      throw new FairleadError('BUSY', 'An image is being sent to another server')
    }
    const { address } = peer
    const bytesPerSecond = this.#options.imageBytesPerSecond ?? IMAGE_BYTES_PER_SECOND
    const either = AbortSignal.any([signal, this.#closing.signal])
    const sending = sendImage(
      { address, cluster, offer, image, bytesPerSecond, tls: this.#deps.tls?.() },
      clock,
      either,
    )
    this.#sending = sending
    try {
      const outcome = await sending
      log.debug('an image was sent', { peer: offer.to, outcome, sizeBytes: image.sizeBytes })
      return outcome
    } finally {
      this.#sending = null
    }
  }

  onSnapshot(receiver: SnapshotReceiver): () => void {
    this.#snapshotReceiver = receiver
    return () => {
      if (this.#snapshotReceiver === receiver) this.#snapshotReceiver = null
    }
  }

  /** Takes what another server dialled; for the RPC host. */
  accept(lane: RaftLane, stream: ByteStream): void {
    if (this.#closing.signal.aborted) stream.end(SHUTTING_DOWN)
    else if (lane === 'image') this.#images.accept(stream)
    else this.#acceptFrames(lane, stream)
  }

  /** Ends every connection; nothing of this runs afterwards. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort(SHUTTING_DOWN)
    const closed = [...this.#peers.values()].flatMap(({ lanes }) =>
      Object.values(lanes).map((connection) => connection.close()),
    )
    this.#peers.clear()
    for (const { stream } of this.#inbound) stream.end(SHUTTING_DOWN)
    await Promise.all([...closed, this.#images.close(), this.#sending?.catch(() => undefined)])
  }

  #connect(id: ServerId, address: string): Peer {
    const lane = (name: FrameLane, bounds: QueueBounds): RaftConnection =>
      new RaftConnection(
        { address, lane: name, bounds },
        {
          clock: this.#deps.clock,
          rng: this.#deps.rng,
          cluster: () => this.#cluster,
          tls: this.#deps.tls,
          onOpen: () => this.#deps.log.debug('raft connection made', { peer: id, lane: name }),
          onBytes: (bytes, stream) => this.#receive(bytes, { lane: name, stream, queue: null }),
          onLost: (error) => this.#lost(id, name, error),
          onFailed: (err) =>
            this.#deps.log.debug('raft connection not made', { peer: id, lane: name, err }),
        },
      )
    return {
      address,
      lanes: { append: lane('append', APPEND_BOUNDS), signal: lane('signal', SIGNAL_BOUNDS) },
    }
  }

  #lost(peer: ServerId, lane: FrameLane, error: FairleadError | null): void {
    if (error !== null && error.code !== 'NO_SERVERS' && error.code !== 'SHUTTING_DOWN') {
      this.#warnings.warn('a server refuses our raft messages', { peer, err: error })
    }
    // Appends are what Raft has counted on; the other lane has nothing in flight that it waits for.
    if (lane !== 'append') return
    for (const listener of this.#unreachableListeners) listener(peer)
  }

  #acceptFrames(lane: FrameLane, stream: ByteStream): void {
    if (this.#inbound.size >= INBOUND_MAX) {
      stream.end(new FairleadError('RATE_LIMITED', 'Too many servers speak Raft to this one'))
      return
    }
    const bounds = lane === 'append' ? APPEND_BOUNDS : SIGNAL_BOUNDS
    const inbound: Inbound = { stream, queue: new FrameQueue(bounds, () => this.#cluster) }
    this.#inbound.add(inbound)
    inbound.queue.use(stream)
    stream.onEnd(() => {
      inbound.queue.use(null)
      this.#inbound.delete(inbound)
      for (const [id, route] of this.#routes[lane]) {
        if (route === inbound) this.#routes[lane].delete(id)
      }
    })
    stream.onFinished(() => stream.end())
    stream.onBytes((bytes) => this.#receive(bytes, { lane, stream, queue: inbound }))
  }

  /** @param way.queue where replies go; null on a stream that this server dialled */
  #receive(
    bytes: Buffer,
    way: { readonly lane: FrameLane; readonly stream: ByteStream; readonly queue: Inbound | null },
  ): void {
    let frame: RaftFrame
    try {
      frame = decodeFrame(bytes)
      this.#checkCluster(frame.cluster)
    } catch (thrown) {
      const error = asRefusal(thrown)
      this.#warnings.warn('raft messages were refused', { err: error })
      way.stream.end(error)
      return
    }
    for (const message of frame.messages) {
      if (message.to !== this.#id || message.from === this.#id) {
        const facts = { peer: message.from, to: message.to }
        this.#warnings.warn('a raft message for another server was dropped', facts)
        continue
      }
      if (way.queue !== null) this.#route(way.lane, message.from, way.queue)
      this.#receiver?.(message, frame.cluster)
    }
  }

  #route(lane: FrameLane, peer: ServerId, inbound: Inbound): void {
    const routes = this.#routes[lane]
    // A stream is of one server; one that speaks for many loses their replies, and nobody else does.
    if (!routes.has(peer) && routes.size >= INBOUND_MAX) return
    routes.set(peer, inbound)
  }

  /** A server of no cluster yet hears everybody. */
  #checkCluster(cluster: ClusterName): void {
    const own = this.#cluster
    if (own === null || isSameCluster(own, cluster)) return
    throw new FairleadError(
      'REJECTED',
      `Server "${this.#id}" belongs to cluster ${nameOf(own)}, the messages to ${nameOf(cluster)}`,
    )
  }
}

const SHUTTING_DOWN = new FairleadError('SHUTTING_DOWN', 'The server is shutting down')

function laneOf(message: RaftMessage): FrameLane {
  switch (message.kind) {
    case 'append':
    case 'append-ack':
    case 'append-reject':
      return 'append'
    case 'heartbeat':
    case 'heartbeat-ack':
    case 'pre-vote':
    case 'pre-vote-reply':
    case 'vote':
    case 'vote-reply':
    case 'timeout-now':
    case 'read-request':
    case 'read-reply':
    case 'snapshot-offer':
      return 'signal'
  }
}

function nameOf({ clusterId, epoch }: ClusterName): string {
  return `"${clusterId}" (epoch ${epoch})`
}

function notForUs(self: ServerId, to: ServerId): FairleadError {
  return new FairleadError('REJECTED', `This is server "${self}", not "${to}"`)
}

function asRefusal(thrown: unknown): FairleadError {
  if (thrown instanceof FairleadError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new FairleadError('BAD_REQUEST', `Malformed Raft frame: ${message}`, { cause: thrown })
}
