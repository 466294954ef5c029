/**
 * The composition root: the only place where server, agent, clock, disk and network are put together.
 *
 * Parts start in the order of the list and stop in exact reverse; a failed start undoes what had begun.
 * Nothing here decides anything: it hands each part what it needs.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { AgentConfig } from '../../core/config/model.ts'
import { isTlsOn } from '../../core/config/tls.ts'
import type { Service } from '../../core/lifecycle.ts'
import { type Clock, type Instant, instant } from '../../core/time.ts'
import { loadOrCreateNodeId } from '../../runtime/host/node-id.ts'
import type { AgentTls } from '../../runtime/tls/agent-tls.ts'
import type { BoundPorts } from './banner.ts'
import { leaveGracefully } from './leaving.ts'
import type { LoadedConfig } from './load-config.ts'
import { type AgentVersions, createParts, type Parts, type PartsDeps, portOf } from './parts.ts'
import { writePidFile } from './pid-file.ts'

export interface AgentDeps extends Omit<PartsDeps, 'devFolder' | 'createServer' | 'tls'> {
  /** Aborts the start. */
  readonly signal: AbortSignal
}

export interface Agent extends AsyncDisposable {
  readonly config: AgentConfig
  readonly ports: BoundPorts
  readonly isGossipEncrypted: boolean
  /** Says goodbye to the cluster. @throws FairleadError REJECTED, with nothing done, when it would lose its quorum */
  leave(options: { readonly force: boolean }, signal: AbortSignal): Promise<void>
  drain(deadline: Instant): Promise<void>
  /** Takes over what a reload may change. @throws FairleadError for what is refused */
  reload(loaded: LoadedConfig): Promise<void>
}

/** How long one part may finish its work, once what gives it work has stopped. */
const PART_DRAIN_MS = 2_000

/** The running order, and the only copy of it. */
const START_ORDER = [
  'telemetry',
  'ownRenewal',
  'tls',
  'lastSeen',
  'tokens',
  'role',
  'gossip',
  'retryJoin',
  'autoEncrypt',
  'views',
  'meshAuthorities',
  'local',
  'events',
  'sync',
  'coordinates',
  'checks',
  'reaper',
  'mesh',
  'xds',
  'dnsRights',
  'http',
  'dns',
  'watches',
  'bootstrapEntries',
] as const

export async function composeAgent(
  loaded: LoadedConfig,
  versions: AgentVersions,
  deps: AgentDeps,
): Promise<Agent> {
  await using undo = new AsyncDisposableStack()
  const config = await withIdentity(loaded.config)
  if (config.pidFile !== '') undo.use(await writePidFile(config.pidFile))
  const devFolder = config.dataDir === '' ? undo.use(await temporaryFolder()).path : ''
  // A client loads nothing of it: a hundred modules and what they stand on.
  const createServer = config.server
    ? (await import('../../server/server.ts')).createServer
    : undefined
  const tls = await openTls(config, deps)
  const parts = createParts({ ...loaded, config }, versions, {
    ...deps,
    devFolder,
    createServer,
    tls,
  })
  const inOrder = START_ORDER.map((name): Service => {
    if (name === 'mesh') return parts.mesh.controller
    return name === 'role' ? parts.role.life : parts[name]
  })
  // All of them, started or not: a part may hold something of another from its construction on.
  for (const part of inOrder) undo.defer(() => endPart(part, deps.clock))
  for (const part of inOrder) {
    await part.start(deps.signal)
    deps.signal.throwIfAborted()
  }
  return new RunningAgent({ config, clock: deps.clock, tls }, parts, undo.move())
}

async function openTls(config: AgentConfig, deps: AgentDeps): Promise<AgentTls | undefined> {
  if (!isTlsOn(config.tls)) return undefined
  const { AgentTls: Tls } = await import('../../runtime/tls/agent-tls.ts')
  return await Tls.open(config.tls, { clock: deps.clock, log: deps.log.child('tls') })
}

async function endPart(part: Service, clock: Clock): Promise<void> {
  await part.drain(instant(clock.now() + PART_DRAIN_MS))
  await part.stop()
}

/** The id is made once and kept; everything else is as configured. */
async function withIdentity(config: AgentConfig): Promise<AgentConfig> {
  if (config.nodeId !== '') return config
  return { ...config, nodeId: await loadOrCreateNodeId(config.dataDir) }
}

class RunningAgent implements Agent {
  readonly config: AgentConfig
  readonly #clock: Clock
  readonly #parts: Parts
  readonly #stack: AsyncDisposableStack
  readonly #tls: AgentTls | undefined

  constructor(
    {
      config,
      clock,
      tls,
    }: {
      readonly config: AgentConfig
      readonly clock: Clock
      readonly tls: AgentTls | undefined
    },
    parts: Parts,
    stack: AsyncDisposableStack,
  ) {
    this.config = config
    this.#clock = clock
    this.#tls = tls
    this.#parts = parts
    this.#stack = stack
  }

  get ports(): BoundPorts {
    const { http, dns, pool, role } = this.#parts
    return {
      http: httpPortOf(http.addresses),
      https: httpPortOf(http.tlsAddresses),
      dns: dns.addresses[0]?.port ?? -1,
      grpc: this.#parts.xds.port,
      grpcTls: this.#parts.xds.tlsPort,
      server: role.server === undefined ? -1 : portOf(role.server.rpcAddress),
      serfLan: pool.self().port,
    }
  }

  get isGossipEncrypted(): boolean {
    return this.#parts.pool.isEncrypted
  }

  async leave(options: { readonly force: boolean }, signal: AbortSignal): Promise<void> {
    const { role, pool } = this.#parts
    await leaveGracefully({ config: this.config, role, pool, clock: this.#clock }, options, signal)
  }

  /** What takes work from outside; the others drain one by one as they stop. */
  async drain(deadline: Instant): Promise<void> {
    const { http, dns } = this.#parts
    await Promise.all([http.drain(deadline), dns.drain(deadline)])
  }

  /** What can be refused comes first, and leaves everything as it is; the rest cannot fail. */
  async reload(loaded: LoadedConfig): Promise<void> {
    const { dns, local, sync, http, role } = this.#parts
    const { config } = loaded
    const files = await this.#tls?.prepare(config.tls)
    const preparedDns = await dns.prepare(config.dns)
    try {
      await local.reload(loaded.definitions)
    } catch (refusal) {
      preparedDns.discard()
      throw refusal
    }
    preparedDns.putInForce()
    if (files !== undefined) this.#tls?.putInForce(files)
    const former = local.nodeMeta()
    local.reconfigure({ nodeMeta: config.nodeMeta, discardOutput: config.checks.discardOutput })
    http.reload(config)
    if (!isDeepStrictEqual(former, local.nodeMeta())) await sync.syncAll()
    role.reload(config)
    this.#parts.agentTokens?.reload(config.acl.tokens)
    this.#parts.telemetry.reload(loaded.config.telemetry)
    await this.#parts.watches.replace(loaded.config.watches)
    await this.#parts.bootstrapEntries.replace(config.server ? loaded.entries : [])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}

/** The first of those that have one. */
function httpPortOf(addresses: readonly string[]): number {
  const first = addresses.find((address) => !address.startsWith('unix://'))
  return first === undefined ? -1 : portOf(first)
}

async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'fairlead-dev-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}
