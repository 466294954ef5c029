/**
 * The part of the agent that drives Envoys: its gRPC listeners, in clear and over TLS, and what becomes of their streams.
 */

import type { AgentConfig } from '../../core/config/model.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import type { Instant } from '../../core/time.ts'
import { XdsHost, type XdsStream } from '../../runtime/rpc/xds-host.ts'
import type { TlsSide } from '../../runtime/tls/tls-side.ts'
import { EnvoyStream, type EnvoyStreamDeps } from './envoy-stream.ts'

type XdsConfig = Pick<AgentConfig, 'ports' | 'grpcAddresses' | 'grpcTlsAddresses' | 'tls'>

export interface XdsServerDeps extends EnvoyStreamDeps {
  /** What gRPC over TLS is served with; absent where nothing speaks TLS. */
  readonly tls?: TlsSide
}

interface Listener {
  readonly host: XdsHost
  /** Nobody asked for it: where its port is taken the agent does without. */
  readonly isOptional: boolean
  /** The key of its port. */
  readonly key: string
}

export class XdsServer implements Service {
  readonly #inClear: Listener | undefined
  readonly #overTls: Listener | undefined
  readonly #log: Logger
  #started: Promise<void> | undefined

  constructor(
    { ports, grpcAddresses, grpcTlsAddresses, tls }: XdsConfig,
    { tls: side, ...deps }: XdsServerDeps,
  ) {
    this.#log = deps.log
    const hostDeps = {
      log: deps.log,
      accept: (stream: XdsStream) => void new EnvoyStream(stream, deps),
    }
    if (ports.grpc >= 0) {
      const options = { addresses: grpcAddresses, port: ports.grpc }
      const host = new XdsHost(options, hostDeps)
      this.#inClear = { host, isOptional: ports.grpcIsOptional, key: 'ports.grpc' }
    }
    if (ports.grpcTls >= 0 && side !== undefined) {
      const { verifyIncoming } = tls.grpc
      const { handshakeTimeoutMs } = tls.https
      const options = {
        addresses: grpcTlsAddresses,
        port: ports.grpcTls,
        tls: { side, verifyIncoming, handshakeTimeoutMs },
      }
      const host = new XdsHost(options, hostDeps)
      this.#overTls = { host, isOptional: ports.grpcTlsIsOptional, key: 'ports.grpc_tls' }
    }
  }

  /** -1 while there is none. */
  get port(): number {
    return this.#inClear?.host.port ?? -1
  }

  /** -1 while there is none. */
  get tlsPort(): number {
    return this.#overTls?.host.port ?? -1
  }

  /** @throws FairleadError INVALID_CONFIG when a port cannot be bound */
  async start(): Promise<void> {
    this.#started ??= this.#begin()
    await this.#started
  }

  async drain(_deadline: Instant): Promise<void> {}

  async stop(): Promise<void> {
    await this.#inClear?.host.stop()
    await this.#overTls?.host.stop()
  }

  async #begin(): Promise<void> {
    for (const listener of [this.#inClear, this.#overTls]) {
      try {
        await listener?.host.start()
      } catch (err) {
        if (listener?.isOptional !== true) throw err
        const message = 'no listener for envoy, choose another port to have one'
        this.#log.warn(message, { key: listener.key, err })
      }
    }
  }
}
