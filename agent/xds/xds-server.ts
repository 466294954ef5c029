/**
 * The part of the agent that drives Envoys: its gRPC listener and what becomes of their streams.
 */

import type { AgentConfig } from '../../core/config/model.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import type { Instant } from '../../core/time.ts'
import { XdsHost } from '../../runtime/rpc/xds-host.ts'
import { EnvoyStream, type EnvoyStreamDeps } from './envoy-stream.ts'

export class XdsServer implements Service {
  readonly #host: XdsHost | undefined
  readonly #isOptional: boolean
  readonly #log: Logger
  #started: Promise<void> | undefined

  constructor(config: Pick<AgentConfig, 'ports' | 'grpcAddresses'>, deps: EnvoyStreamDeps) {
    const { grpc: port, grpcIsOptional } = config.ports
    this.#isOptional = grpcIsOptional
    this.#log = deps.log
    if (port < 0) return
    this.#host = new XdsHost(
      { addresses: config.grpcAddresses, port },
      { log: deps.log, accept: (stream) => void new EnvoyStream(stream, deps) },
    )
  }

  /** -1 while there is none. */
  get port(): number {
    return this.#host?.port ?? -1
  }

  /** @throws FairleadError INVALID_CONFIG when its port cannot be bound */
  async start(): Promise<void> {
    this.#started ??= this.#begin()
    await this.#started
  }

  async drain(_deadline: Instant): Promise<void> {}

  async stop(): Promise<void> {
    await this.#host?.stop()
  }

  async #begin(): Promise<void> {
    try {
      await this.#host?.start()
    } catch (err) {
      if (!this.#isOptional) throw err
      this.#log.warn('no listener for envoy, choose another ports.grpc to have one', { err })
    }
  }
}
