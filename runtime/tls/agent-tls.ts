/**
 * All TLS of an agent: what is spoken on each of its listeners and to servers, out of the files of its configuration.
 *
 * Guarantees: a reload takes over all files or none. Which protocols speak TLS at all is settled at the start.
 * A certificate that ends within EXPIRY_WARNING_MS is named in the log, at the start and once a day.
 */

import type { TlsConfig } from '../../core/config/tls.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'
import { RpcTls } from './rpc-tls.ts'
import { readTlsFiles, type TlsFiles } from './tls-files.ts'
import { TlsSide } from './tls-side.ts'

const DAY_MS = 24 * 3_600_000
const EXPIRY_WARNING_MS = 21 * DAY_MS

const NAMES = ['internalRpc', 'https', 'grpc'] as const
type SideName = (typeof NAMES)[number]

const KEYS: Readonly<Record<SideName, string>> = {
  internalRpc: 'tls.internal_rpc',
  https: 'tls.https',
  grpc: 'tls.grpc',
}

/** Read and found good, not in force yet. */
export type PreparedTls = Readonly<Record<SideName, TlsFiles>>

export interface AgentTlsDeps {
  readonly clock: Clock
  readonly log: Logger
}

export class AgentTls implements Service {
  readonly internalRpc: TlsSide
  /** What `internalRpc` is for. */
  readonly rpc: RpcTls
  readonly https: TlsSide
  readonly grpc: TlsSide
  readonly #deps: AgentTlsDeps
  #daily: Timer | undefined

  private constructor(config: TlsConfig, files: PreparedTls, deps: AgentTlsDeps) {
    this.#deps = deps
    this.internalRpc = new TlsSide(config.internalRpc, files.internalRpc)
    this.rpc = new RpcTls(config.internalRpc, this.internalRpc)
    this.https = new TlsSide(config.https, files.https)
    this.grpc = new TlsSide(config.grpc, files.grpc)
  }

  /** @throws FairleadError INVALID_CONFIG */
  static async open(config: TlsConfig, deps: AgentTlsDeps): Promise<AgentTls> {
    return new AgentTls(config, await readAll(config), deps)
  }

  /** Reads and judges; nothing changes. @throws FairleadError INVALID_CONFIG */
  prepare(config: TlsConfig): Promise<PreparedTls> {
    return readAll(config)
  }

  putInForce(files: PreparedTls): void {
    for (const name of NAMES) this[name].replace(files[name])
    this.#warnOfEnds()
  }

  async start(): Promise<void> {
    this.#warnOfEnds()
  }

  async drain(): Promise<void> {}

  async stop(): Promise<void> {
    this.#daily?.cancel()
  }

  #warnOfEnds(): void {
    const { clock, log } = this.#deps
    const told = new Set<number>()
    for (const name of NAMES) {
      const notAfter = this[name].notAfter
      if (notAfter === undefined || told.has(notAfter)) continue
      if (notAfter - clock.wall() > EXPIRY_WARNING_MS) continue
      told.add(notAfter)
      const isOver = notAfter <= clock.wall()
      log.warn(isOver ? 'a certificate is over' : 'a certificate ends soon', {
        key: `${KEYS[name]}.cert_file`,
        ends: new Date(notAfter).toISOString(),
        hint: 'write a new one to the same file, then: fairlead reload',
      })
    }
    this.#daily?.cancel()
    this.#daily = clock.timer(instant(clock.now() + DAY_MS), () => this.#warnOfEnds())
  }
}

async function readAll(config: TlsConfig): Promise<PreparedTls> {
  const read = (name: SideName): Promise<TlsFiles> => readTlsFiles(KEYS[name], config[name])
  const [internalRpc, https, grpc] = await Promise.all([
    read('internalRpc'),
    read('https'),
    read('grpc'),
  ])
  return { internalRpc, https, grpc }
}
