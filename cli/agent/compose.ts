/**
 * The composition root: the only place where server, agent, clock, disk and network are put together.
 *
 * Parts start in the order of the list and stop in exact reverse; a failed start undoes what had begun.
 * Nothing here decides anything: it hands each part what it needs.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDnsServer, type DnsServer } from '../../agent/dns/dns-server.ts'
import { createHttpApi, type HttpApi } from '../../agent/http/server.ts'
import { DefinitionFiles } from '../../agent/local/definition-files.ts'
import { LocalState } from '../../agent/local/local-state.ts'
import { StaticMembership } from '../../agent/members/static-membership.ts'
import { createMesh, type Mesh } from '../../agent/mesh/mesh.ts'
import { AntiEntropy } from '../../agent/sync/anti-entropy.ts'
import { SubscribedViews } from '../../agent/view/catalog-views.ts'
import type { AgentConfig } from '../../core/config/model.ts'
import type { FairleadError } from '../../core/errors.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import type { Membership } from '../../core/membership.ts'
import type { Rng } from '../../core/rng.ts'
import { type Clock, type Instant, instant } from '../../core/time.ts'
import { loadOrCreateNodeId } from '../../runtime/host/node-id.ts'
import { createKeyAndCsr } from '../../runtime/pki/csr.ts'
import { systemRng } from '../../runtime/random/system-random.ts'
import { createServer, type Server } from '../../server/server.ts'
import type { BoundPorts } from './banner.ts'
import type { LoadedConfig } from './load-config.ts'
import { writePidFile } from './pid-file.ts'
import { DefinitionReload } from './reload.ts'

export interface AgentVersions {
  readonly fairlead: string
  /** The Consul version whose formats are spoken. */
  readonly consul: string
}

export interface AgentDeps {
  readonly clock: Clock
  readonly log: Logger
  /** Aborts the start. */
  readonly signal: AbortSignal
  readonly onFatal: (error: FairleadError) => void
  readonly onLeave: () => Promise<void>
  readonly onReload: () => Promise<void>
}

export interface Agent extends AsyncDisposable {
  readonly config: AgentConfig
  readonly ports: BoundPorts
  drain(deadline: Instant): Promise<void>
  /** Takes over service and check definitions. @throws FairleadError for one that is refused */
  reload(loaded: LoadedConfig): Promise<void>
}

interface Parts {
  readonly server: Server
  readonly views: SubscribedViews
  readonly local: LocalState
  readonly sync: AntiEntropy
  readonly mesh: Mesh
  readonly http: HttpApi
  readonly dns: DnsServer
}

/** How long one part may finish its work, once what gives it work has stopped. */
const PART_DRAIN_MS = 2_000

/** The running order, and the only copy of it. */
const START_ORDER = ['server', 'views', 'local', 'sync', 'mesh', 'http', 'dns'] as const

export async function composeAgent(
  loaded: LoadedConfig,
  versions: AgentVersions,
  deps: AgentDeps,
): Promise<Agent> {
  await using undo = new AsyncDisposableStack()
  const config = await withIdentity(loaded.config)
  if (config.pidFile !== '') undo.use(await writePidFile(config.pidFile))
  const devFolder = config.dataDir === '' ? undo.use(await temporaryFolder()).path : ''
  const parts = createParts({ ...loaded, config }, versions, { ...deps, devFolder })
  const inOrder = START_ORDER.map((name): Service => {
    return name === 'mesh' ? parts.mesh.controller : parts[name]
  })
  // All of them, started or not: a part may hold something of another from its construction on.
  for (const part of inOrder) undo.defer(() => endPart(part, deps.clock))
  for (const part of inOrder) {
    await part.start(deps.signal)
    deps.signal.throwIfAborted()
  }
  return new RunningAgent(config, parts, loaded, undo.move())
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

function createParts(
  loaded: LoadedConfig,
  versions: AgentVersions,
  deps: AgentDeps & { readonly devFolder: string },
): Parts {
  const { config } = loaded
  const { clock, log } = deps
  const rng: Rng = systemRng()
  const membership = aloneHere(config, versions, () => portOf(server.rpcAddress))
  const server: Server = createServer(config, {
    clock,
    log,
    membership,
    rng: rng.fork('server'),
    onFatal: deps.onFatal,
  })
  const servers = server.api
  const views = new SubscribedViews({
    servers,
    clock,
    rng: rng.fork('views'),
    log: log.child('view'),
  })
  const local = createLocalState(loaded, { clock, log })
  const sync = new AntiEntropy(
    {
      nodeAddress: config.advertiseAddress,
      nodeTaggedAddresses: config.taggedAddresses,
      checkUpdateIntervalMs: config.checks.updateIntervalMs,
    },
    { clock, log: log.child('sync'), local, servers, membership, rng: rng.fork('sync') },
  )
  const mesh = createMesh(config, {
    clock,
    log,
    servers,
    local,
    views,
    rng: rng.fork('mesh'),
    makeKey: async (uri) => {
      const { privateKeyPem, csrPem } = await createKeyAndCsr({ uri })
      return { keyPem: privateKeyPem, csrPem }
    },
    proxyCommand,
    devFolder: deps.devFolder,
  })
  const http = createHttpApi(
    {
      config,
      build: {
        version: versions.consul,
        revision: 'fairlead',
        date: '1970-01-01T00:00:00Z',
        fairleadVersion: versions.fairlead,
      },
    },
    {
      clock,
      log,
      servers,
      local,
      membership,
      leaves: mesh.leafSource,
      onLeave: deps.onLeave,
      onReload: deps.onReload,
    },
  )
  const dns = createDnsServer(
    { addresses: config.clientAddresses, port: config.ports.dns },
    { views, servers, config, clock, rng: rng.fork('dns'), log: log.child('dns') },
  )
  return { server, views, local, sync, mesh, http, dns }
}

/** Until gossip is there. Asked for anew each time, because the RPC port is known only once it is bound. */
function aloneHere(
  config: AgentConfig,
  versions: AgentVersions,
  rpcPort: () => number,
): Membership {
  const current = (): StaticMembership =>
    new StaticMembership({
      nodeName: config.nodeName,
      nodeId: config.nodeId,
      datacenter: config.datacenter,
      address: config.advertiseAddress,
      port: config.ports.serfLan,
      build: `${versions.consul}:fairlead`,
      ...(config.server
        ? {
            server: {
              rpcPort: rpcPort(),
              grpcPort: 0,
              bootstrapExpect: config.bootstrapExpect,
              raftVersion: 3,
            },
          }
        : {}),
    })
  return {
    self: () => current().self(),
    members: () => current().members(),
    onChange: () => () => {},
  }
}

function createLocalState(
  { config, definitions }: LoadedConfig,
  { clock, log }: Pick<AgentDeps, 'clock' | 'log'>,
): LocalState {
  const localLog = log.child('local')
  return new LocalState(
    {
      nodeName: config.nodeName,
      nodeId: config.nodeId,
      nodeMeta: config.nodeMeta,
      sidecarPorts: { min: config.ports.sidecarMin, max: config.ports.sidecarMax },
      scripts: {
        enableScripts: config.checks.enableScripts,
        enableLocalScripts: config.checks.enableLocalScripts,
      },
      outputMaxSize: config.checks.outputMaxSize,
      discardOutput: config.checks.discardOutput,
      definitions,
    },
    {
      clock,
      log: localLog,
      ...(config.dataDir === ''
        ? {}
        : { files: new DefinitionFiles({ dataDir: config.dataDir }, { log: localLog }) }),
    },
  )
}

class RunningAgent implements Agent {
  readonly config: AgentConfig
  readonly #parts: Parts
  readonly #stack: AsyncDisposableStack
  readonly #reload: DefinitionReload

  constructor(
    config: AgentConfig,
    parts: Parts,
    loaded: LoadedConfig,
    stack: AsyncDisposableStack,
  ) {
    this.config = config
    this.#parts = parts
    this.#stack = stack
    this.#reload = new DefinitionReload(parts.local, loaded.definitions)
  }

  get ports(): BoundPorts {
    const { http, dns, server } = this.#parts
    return {
      http: http.addresses[0] === undefined ? -1 : portOf(http.addresses[0]),
      dns: dns.addresses[0]?.port ?? -1,
      grpc: -1,
      server: portOf(server.rpcAddress),
      // There is no gossip yet.
      serfLan: -1,
    }
  }

  /** What takes work from outside; the others drain one by one as they stop. */
  async drain(deadline: Instant): Promise<void> {
    const { http, dns } = this.#parts
    await Promise.all([http.drain(deadline), dns.drain(deadline)])
  }

  async reload(loaded: LoadedConfig): Promise<void> {
    await this.#reload.apply(loaded.definitions)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}

/** The same program and Node; the launcher's environment is inherited. */
function proxyCommand(socketPath: string): readonly [string, ...string[]] {
  const main = join(import.meta.dirname, '..', 'main.ts')
  return [process.execPath, ...process.execArgv, main, 'proxy', '-control', socketPath]
}

async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'fairlead-dev-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1))
}
