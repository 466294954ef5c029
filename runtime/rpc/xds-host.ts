/**
 * The gRPC listener for Envoy: incremental aggregated discovery, and nothing else (mesh.md 14.1).
 *
 * Guarantees: what cannot be decoded ends its stream with a status that says so, and nothing else; after `stop` nothing
 * of it listens. What is sent on a stream is its user's business. Bounds: STREAMS_MAX at once, XDS_REQUEST_BYTES_MAX.
 */

import type {
  Server,
  ServerDuplexStream,
  ServiceDefinition,
  UntypedHandleCall,
} from '@grpc/grpc-js'
import { FairleadError, toFairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { DeltaResponse } from '../../core/xds/delta-session.ts'
import { AggregatedDiscoveryService } from './discovery-service.ts'
import {
  decodeXdsRequest,
  type EncodedResource,
  encodeXdsResponse,
  XDS_REQUEST_BYTES_MAX,
  type XdsRequest,
} from './envoy-codec.ts'
import { type GrpcLibrary, loadGrpc } from './grpc-library.ts'
import { toStatus } from './rpc-errors.ts'
import { TlsListener, type TlsListenerOptions } from './tls-listener.ts'

/** Every sidecar of a host has one or, while Envoy is replaced, two. */
const STREAMS_MAX = 1024
const KEEPALIVE_MS = 30_000
const KEEPALIVE_TIMEOUT_MS = 20_000
/** Of a secret, as metadata of gRPC carries it. */
const TOKEN_KEY = 'x-consul-token'

export interface XdsStream {
  /** Whom the other end says to be; '' for nobody. */
  readonly token: string
  onRequest(listener: (request: XdsRequest) => void): void
  /** Called once, however the stream ends. */
  onEnd(listener: () => void): void
  send(response: DeltaResponse<EncodedResource>): void
  /** Ends the stream with a status. */
  fail(error: FairleadError): void
}

export interface XdsHostOptions {
  readonly addresses: readonly string[]
  /** 0 takes a free one. */
  readonly port: number
  /** Absent where it is spoken in clear. */
  readonly tls?: TlsListenerOptions
}

export interface XdsHostDeps {
  readonly accept: (stream: XdsStream) => void
  readonly log: Logger
}

type Call = ServerDuplexStream<Buffer, Buffer>

export class XdsHost {
  readonly #options: XdsHostOptions
  readonly #deps: XdsHostDeps
  readonly #streams = new Set<Call>()
  readonly #listeners: TlsListener[] = []
  #server: Server | undefined
  #port = -1

  constructor(options: XdsHostOptions, deps: XdsHostDeps) {
    this.#options = options
    this.#deps = deps
  }

  /** The bound port; -1 while there is none. */
  get port(): number {
    return this.#port
  }

  /** @throws FairleadError INVALID_CONFIG when an address cannot be bound */
  async start(): Promise<void> {
    const grpc = await loadGrpc()
    const server = new grpc.Server({
      'grpc.max_receive_message_length': XDS_REQUEST_BYTES_MAX,
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      'grpc.max_concurrent_streams': STREAMS_MAX,
    })
    server.addService(AggregatedDiscoveryService as ServiceDefinition, {
      deltaAggregatedResources: ((call: Call) => this.#take(call, grpc)) as UntypedHandleCall,
      streamAggregatedResources: ((call: Call) => {
        const message = 'state-of-the-world discovery is not supported: use api_type DELTA_GRPC'
        call.emit('error', status(grpc, new FairleadError('NOT_SUPPORTED', message)))
      }) as UntypedHandleCall,
    })
    const open = this.#opener(grpc, server)
    let port = this.#options.port
    for (const address of this.#options.addresses) {
      try {
        port = await open(address, port)
      } catch (err) {
        this.#closeListeners()
        server.forceShutdown()
        throw new FairleadError(
          'INVALID_CONFIG',
          `cannot listen for Envoy on ${address} port ${port}: ${(err as Error).message}`,
          { cause: err },
        )
      }
    }
    this.#port = port
    this.#server = server
  }

  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    this.#closeListeners()
    if (server === undefined) return
    for (const call of this.#streams) {
      // Envoy keeps what it has and asks again.
      call.end()
    }
    const closed = new Promise<void>((resolve) => server.tryShutdown(() => resolve()))
    server.forceShutdown()
    await closed
  }

  /** How to listen at an address. @returns the port */
  #opener(grpc: GrpcLibrary, server: Server): (address: string, port: number) => Promise<number> {
    const { tls } = this.#options
    if (tls === undefined) {
      return (address, port) =>
        bind(grpc, server, address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`)
    }
    const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure())
    return (address, port) => {
      const listener = new TlsListener(tls, (socket) => injector.injectConnection(socket))
      this.#listeners.push(listener)
      return listener.listen(address, port)
    }
  }

  #closeListeners(): void {
    for (const listener of this.#listeners.splice(0)) listener.close()
  }

  #take(call: Call, grpc: GrpcLibrary): void {
    const fail = (error: FairleadError): void => void call.emit('error', status(grpc, error))
    if (this.#streams.size >= STREAMS_MAX) {
      const message = 'this agent already serves as many discovery streams as it may'
      fail(new FairleadError('RATE_LIMITED', message))
      return
    }
    this.#streams.add(call)
    const ended = new Set<() => void>()
    let isOver = false
    const over = (): void => {
      if (isOver) return
      isOver = true
      this.#streams.delete(call)
      for (const listener of ended) listener()
    }
    for (const event of ['cancelled', 'close', 'finish', 'error']) call.on(event, over)
    call.on('end', () => call.end())
    const token = call.metadata.get(TOKEN_KEY)[0]
    this.#deps.accept({
      token: typeof token === 'string' ? token : '',
      onRequest: (listener) => {
        call.on('data', (bytes: Buffer) => {
          try {
            listener(decodeXdsRequest(bytes))
          } catch (thrown) {
            this.#deps.log.warn('discovery stream ended', { err: thrown })
            fail(toFairleadError(thrown))
          }
        })
      },
      onEnd: (listener) => {
        if (isOver) listener()
        else ended.add(listener)
      },
      send: (response) => {
        if (!isOver) call.write(encodeXdsResponse(response))
      },
      fail,
    })
  }
}

function status(grpc: GrpcLibrary, error: FairleadError): ReturnType<typeof toStatus> {
  return toStatus(error, () => new grpc.Metadata())
}

async function bind(grpc: GrpcLibrary, server: Server, address: string): Promise<number> {
  return await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (err, port) => {
      if (err === null) resolve(port)
      else reject(err)
    })
  })
}
