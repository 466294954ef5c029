/**
 * The listening side of RPC: one port for the calls of agents, of other servers, for Raft, and for the feeds.
 *
 * What becomes of a call is rpc-calls.ts; feeds are connections of their own (shared-port.ts). While it drains it listens on, so that callers are told, and Raft's
 * streams go on; after `stop` nothing of ours listens.
 * Bounds: CALLS_MAX at once, message sizes of envelope.ts and raft-frame.ts, keepalive below.
 */

import type { Socket } from 'node:net'
import type { Server, ServerDuplexStream, UntypedServiceImplementation } from '@grpc/grpc-js'
import type { Logger } from '../../core/log.ts'
import { type ByteStream, serverStream } from './byte-stream.ts'
import {
  PEERS_SERVICE,
  type PeerMethod,
  REPLY_BYTES_MAX,
  REQUEST_BYTES_MAX,
  SERVERS_SERVICE,
  type UnaryMethod,
} from './envelope.ts'
import { FEED_GREETING, takeFeeds } from './feed-socket.ts'
import { widenConnections, widenStreams } from './flow-control.ts'
import { loadGrpc } from './grpc-library.ts'
import { IMAGES_SERVICE, type ImagePart } from './image-part.ts'
import { FRAME_BYTES_MAX } from './raft-frame.ts'
import { RAFT_SERVICE, type RaftLane, type RaftStreams } from './raft-service.ts'
import { CALLS_MAX, RpcCalls } from './rpc-calls.ts'
import { SharedPort } from './shared-port.ts'

const KEEPALIVE_MS = 30_000
const KEEPALIVE_TIMEOUT_MS = 10_000

type UnaryHandler = (request: unknown, signal: AbortSignal, secret: string) => Promise<unknown>

export type RpcHandlers = { readonly [M in UnaryMethod]: UnaryHandler } & {
  /** A head, then chunks. */
  readonly saveImage: (
    request: unknown,
    signal: AbortSignal,
    secret: string,
  ) => AsyncIterable<ImagePart>
  readonly restoreImage: (
    chunks: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
    secret: string,
  ) => Promise<unknown>
}

export type PeerHandlers = { readonly [M in PeerMethod]: UnaryHandler }

export interface RpcHostOptions {
  readonly address: string
  /** 0 takes a free one. */
  readonly port: number
}

export interface RpcHostDeps {
  readonly handlers: RpcHandlers
  /** Takes the streams of feeds that agents open; without it they are cut. */
  readonly feeds?: (stream: ByteStream) => void
  /** For other servers; without it they are told that the call is unknown. */
  readonly peers?: PeerHandlers
  /** Takes the streams that other servers dial; without it there is no Raft service. */
  readonly raft?: RaftStreams
  readonly log: Logger
}

export class RpcHost {
  readonly #options: RpcHostOptions
  readonly #deps: RpcHostDeps
  #calls: RpcCalls | undefined
  #listening: SharedPort | undefined
  readonly #feedSockets = new Set<Socket>()
  #server: Server | undefined
  #port = 0

  constructor(options: RpcHostOptions, deps: RpcHostDeps) {
    this.#options = options
    this.#deps = deps
  }

  /** The bound port; 0 before `start`. */
  get port(): number {
    return this.#port
  }

  /** @throws FairleadError INVALID_CONFIG when the address cannot be bound */
  async start(): Promise<void> {
    const { handlers, peers, raft, feeds, log } = this.#deps
    const grpc = await loadGrpc()
    const calls = new RpcCalls(grpc, log)
    const server = new grpc.Server({
      'grpc.max_receive_message_length': Math.max(REQUEST_BYTES_MAX, FRAME_BYTES_MAX),
      'grpc.max_send_message_length': REPLY_BYTES_MAX,
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      'grpc.max_concurrent_streams': CALLS_MAX,
      // Channelz stays on: without it grpc-js 1.14 keeps no list of connections and `forceShutdown`
      // leaves them open.
    })
    widenStreams(server)
    server.addService({ ...SERVERS_SERVICE, ...IMAGES_SERVICE }, serversOf(handlers, calls))
    if (peers !== undefined) server.addService(PEERS_SERVICE, peersOf(peers, calls))
    if (raft !== undefined) server.addService(RAFT_SERVICE, raftOf(raft, calls))
    const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure())
    widenConnections(server)
    const port = new SharedPort({
      onGrpc: (socket) => injector.injectConnection(socket),
      others:
        feeds === undefined
          ? new Map()
          : new Map([
              [FEED_GREETING.readUInt8(), (socket: Socket) => this.#takeFeeds(socket, feeds)],
            ]),
    })
    const { address } = this.#options
    try {
      this.#port = await port.listen(address, this.#options.port)
    } catch (thrown) {
      server.forceShutdown()
      throw thrown
    }
    this.#listening = port
    this.#server = server
    this.#calls = calls
  }

  /** Takes no new calls and waits for those that run, until the signal aborts. Raft is not touched. */
  async drain(signal: AbortSignal): Promise<void> {
    await this.#calls?.drain(signal)
  }

  /** Cuts. Idempotent. */
  async stop(): Promise<void> {
    this.#calls?.cut()
    this.#listening?.close()
    this.#listening = undefined
    // Their host has ended them; who does not read what was said last is not waited for.
    for (const socket of this.#feedSockets) socket.destroy()
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    // The first knows when the sockets are gone, the second makes them go.
    const closed = new Promise<void>((resolve) => server.tryShutdown(() => resolve()))
    server.forceShutdown()
    await closed
  }

  #takeFeeds(socket: Socket, accept: (stream: ByteStream) => void): void {
    this.#feedSockets.add(socket)
    socket.once('close', () => this.#feedSockets.delete(socket))
    accept(takeFeeds(socket))
  }
}

function serversOf(handlers: RpcHandlers, calls: RpcCalls): UntypedServiceImplementation {
  return {
    read: calls.unary(handlers.read),
    write: calls.unary(handlers.write),
    signLeaf: calls.unary(handlers.signLeaf),
    renewSession: calls.unary(handlers.renewSession),
    placeNode: calls.unary(handlers.placeNode),
    status: calls.unary(handlers.status),
    operate: calls.unary(handlers.operate),
    saveImage: calls.download(handlers.saveImage),
    restoreImage: calls.upload(handlers.restoreImage),
  }
}

function peersOf(handlers: PeerHandlers, calls: RpcCalls): UntypedServiceImplementation {
  return {
    stats: calls.unary(handlers.stats),
    bootstrap: calls.unary(handlers.bootstrap),
    forward: calls.unary(handlers.forward),
  }
}

/** Raft's streams are no calls: they are neither counted nor waited for. */
function raftOf(accept: RaftStreams, calls: RpcCalls): UntypedServiceImplementation {
  const lane = (name: RaftLane) => (call: ServerDuplexStream<Buffer, Buffer>) =>
    accept(
      name,
      serverStream(call, (error) => calls.status(error)),
    )
  return { append: lane('append'), signal: lane('signal'), image: lane('image') }
}
