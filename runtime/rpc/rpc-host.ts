/**
 * The listening side of RPC: one port for the calls of agents, of other servers, for Raft, and for the feeds.
 *
 * What becomes of a call is rpc-calls.ts; feeds are connections of their own (shared-port.ts). While it drains it listens on, so that callers are told, and Raft's
 * streams go on; after `stop` nothing of ours listens.
 * Who may call what depends on the role in which he was let in (core/tls/peer-role.ts).
 * Bounds: CALLS_MAX at once, message sizes of envelope.ts and raft-frame.ts, keepalive below.
 */

import type { Socket } from 'node:net'
import type {
  ConnectionInjector,
  Server,
  ServerDuplexStream,
  UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { Clock } from '../../core/time.ts'
import type { PeerRole, Refusal } from '../../core/tls/peer-role.ts'
import { RareWarnings } from '../log/rare-warnings.ts'
import type { IncomingTls } from '../tls/rpc-tls.ts'
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
import { type GrpcLibrary, loadGrpc } from './grpc-library.ts'
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

const ONE_ROLE: readonly PeerRole[] = ['server']
const ALL_ROLES: readonly PeerRole[] = ['server', 'client', 'stranger']

const NOT_A_SERVER =
  'Permission denied: this is for servers, and the certificate of the caller is none of a server (verify_server_hostname)'
/** For callers without a certificate. */
export const NOT_PROVEN =
  'Permission denied: this needs a certificate; set tls.internal_rpc.cert_file and key_file, or auto_encrypt.tls'
const STRANGE_FEED: Refusal = {
  why: 'refused the feeds of a caller without a certificate',
  hint: 'set tls.internal_rpc.cert_file and key_file on it, or auto_encrypt.tls',
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
  /** For callers that have proven nothing; without it they are refused everything. */
  readonly strangers?: RpcHandlers
  /** For other servers; without it they are told that the call is unknown. */
  readonly peers?: PeerHandlers
  /** Takes the streams that other servers dial; without it there is no Raft service. */
  readonly raft?: RaftStreams
  /** Without it everything is in clear, and every caller may do everything. */
  readonly tls?: IncomingTls
  readonly log: Logger
  /** For warnings that repeat; needed with `tls`. */
  readonly clock?: Clock
}

export class RpcHost {
  readonly #options: RpcHostOptions
  readonly #deps: RpcHostDeps
  #calls: RpcCalls | undefined
  #listening: SharedPort | undefined
  readonly #feedSockets = new Set<Socket>()
  #servers: readonly Server[] = []
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
    const { log, tls, feeds } = this.#deps
    const grpc = await loadGrpc()
    const calls = new RpcCalls(grpc, log)
    const entries = new Map<PeerRole, ConnectionInjector>()
    const servers = (tls === undefined ? ONE_ROLE : ALL_ROLES).map((role) => {
      const server = this.#createServer(grpc, calls, role)
      entries.set(role, server.createConnectionInjector(grpc.ServerCredentials.createInsecure()))
      widenConnections(server)
      return server
    })
    const warn = this.#refusalLog()
    const port = new SharedPort({
      onGrpc: (socket, role) => entries.get(role)?.injectConnection(socket),
      others:
        feeds === undefined
          ? new Map()
          : new Map([
              [
                FEED_GREETING.readUInt8(),
                (socket: Socket, role: PeerRole) => {
                  if (role !== 'stranger') return this.#takeFeeds(socket, feeds)
                  warn(STRANGE_FEED, socket.remoteAddress ?? '')
                  return socket.on('error', () => {}).destroy()
                },
              ],
            ]),
      ...(tls === undefined ? {} : { tls }),
      onRefused: warn,
    })
    const { address } = this.#options
    try {
      this.#port = await port.listen(address, this.#options.port)
    } catch (thrown) {
      for (const server of servers) server.forceShutdown()
      throw thrown
    }
    this.#listening = port
    this.#servers = servers
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
    const servers = this.#servers
    this.#servers = []
    await Promise.all(servers.map(shutDown))
  }

  /** What callers of one role may call. Each has a server of its own, so that a call costs no look at who makes it. */
  #createServer(grpc: GrpcLibrary, calls: RpcCalls, role: PeerRole): Server {
    const { handlers, strangers, peers, raft } = this.#deps
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
    const own = role === 'stranger' ? (strangers ?? refusedHandlers(NOT_PROVEN)) : handlers
    server.addService({ ...SERVERS_SERVICE, ...IMAGES_SERVICE }, serversOf(own, calls))
    const isServer = role === 'server'
    const refused = role === 'client' ? NOT_A_SERVER : NOT_PROVEN
    if (peers !== undefined) {
      server.addService(PEERS_SERVICE, peersOf(isServer ? peers : refusedPeers(refused), calls))
    }
    if (raft !== undefined) {
      const refuse: RaftStreams = (_lane, stream) => stream.end(refusal(refused))
      server.addService(RAFT_SERVICE, raftOf(isServer ? raft : refuse, calls))
    }
    return server
  }

  #refusalLog(): (refusal: Refusal, peer: string) => void {
    const { log, clock } = this.#deps
    const warnings = clock === undefined ? log : new RareWarnings({ clock, log })
    return ({ why, hint }, peer) => warnings.warn(why, { peer, hint })
  }

  #takeFeeds(socket: Socket, accept: (stream: ByteStream) => void): void {
    this.#feedSockets.add(socket)
    socket.once('close', () => this.#feedSockets.delete(socket))
    accept(takeFeeds(socket))
  }
}

/** The first knows when the sockets are gone, the second makes them go. */
async function shutDown(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.tryShutdown(() => resolve()))
  server.forceShutdown()
  await closed
}

function refusal(message: string): FairleadError {
  return new FairleadError('PERMISSION_DENIED', message)
}

/** Refuses everything. */
export function refusedHandlers(message: string): RpcHandlers {
  const refuse = async (): Promise<never> => {
    throw refusal(message)
  }
  return {
    read: refuse,
    write: refuse,
    signLeaf: refuse,
    renewSession: refuse,
    placeNode: refuse,
    status: refuse,
    operate: refuse,
    // biome-ignore lint/correctness/useYield: it has nothing to give
    saveImage: async function* () {
      throw refusal(message)
    },
    restoreImage: refuse,
  }
}

function refusedPeers(message: string): PeerHandlers {
  const { read: refuse } = refusedHandlers(message)
  return { stats: refuse, bootstrap: refuse, forward: refuse }
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
