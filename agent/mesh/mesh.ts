/**
 * Puts the mesh part of an agent together: leaves, supervisor, controller.
 */

import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AgentConfig } from '../../core/config/model.ts'
import type { Logger } from '../../core/log.ts'
import type { Metrics } from '../../core/metrics/metrics.ts'
import type { Rng } from '../../core/rng.ts'
import type { ServerApi } from '../../core/rpc/server-api.ts'
import type { Clock } from '../../core/time.ts'
import { readCertificate } from '../../runtime/pki/certificate.ts'
import type { LocalStateApi } from '../local/types.ts'
import type { CatalogViews } from '../view/types.ts'
import { DataPlanes } from './data-planes.ts'
import { MeshLeafSource } from './leaf-source.ts'
import { type LeafKeyMaker, LeafStore, type LeafStoreDeps } from './leaf-store.ts'
import { MeshController } from './mesh-controller.ts'
import { ProxySupervisor } from './proxy-supervisor.ts'
import { SidecarApi } from './sidecar-api.ts'
import type { LeafSource } from './types.ts'

/** sockaddr_un holds 108 bytes with the final zero; the proxy binds it under a name of up to 16 bytes first. */
const SOCKET_PATH_MAX = 103

export interface MeshDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly metrics: Metrics
  readonly servers: ServerApi
  readonly local: LocalStateApi
  readonly views: CatalogViews
  readonly makeKey: LeafKeyMaker
  /** As LeafStoreDeps has it. */
  readonly signer?: LeafStoreDeps['signer']
  /** As the proxy that `proxyCommand` runs tells it. */
  readonly proxyBuild: string
  /** Program and arguments that run a proxy on the control socket given. */
  readonly proxyCommand: (socketPath: string) => readonly [string, ...string[]]
  /** Where a dev agent, which has no data directory, keeps its control socket. */
  readonly devFolder: string
  /** Of this process: where access logs of type stdout and stderr go. */
  readonly output: (stream: 'stdout' | 'stderr', text: string) => void
}

export interface Mesh {
  readonly controller: MeshController
  readonly leafSource: LeafSource
  readonly supervisor: ProxySupervisor
  readonly dataPlanes: DataPlanes
  readonly sidecars: SidecarApi
}

export function createMesh(config: AgentConfig, deps: MeshDeps): Mesh {
  const log = deps.log.child('mesh')
  const socketPath = controlSocketPath(config.dataDir, deps.devFolder)
  const leaves = new LeafStore({
    spreadMs: config.connect.leafChangeSpreadMs,
    clock: deps.clock,
    rng: deps.rng,
    log,
    servers: deps.servers,
    makeKey: deps.makeKey,
    ...(deps.signer === undefined ? {} : { signer: deps.signer }),
    authorityOf: (certPem) => readCertificate(certPem).authorityKeyId,
  })
  const supervisor = new ProxySupervisor(
    {
      command: deps.proxyCommand(socketPath),
      build: deps.proxyBuild,
      socketPath,
      keepOnStop: config.proxy.keepOnAgentStop && config.dataDir !== '',
    },
    { clock: deps.clock, log, metrics: deps.metrics, output: deps.output },
  )
  const controller = new MeshController(
    {
      datacenter: config.datacenter,
      nodeName: config.nodeName,
      bindAddress: inboundBindAddress(config.bindAddress),
      loopbackBase: config.proxy.loopbackBase,
      virtualPorts: config.proxy.virtualPorts,
      defaultAction: config.defaultIntentionPolicy,
    },
    { clock: deps.clock, log, local: deps.local, views: deps.views, leaves, supervisor },
  )
  const dataPlanes = new DataPlanes()
  return {
    controller,
    supervisor,
    dataPlanes,
    sidecars: new SidecarApi({ local: deps.local, supervisor, controller, dataPlanes }),
    leafSource: new MeshLeafSource(config.datacenter, leaves, deps.views),
  }
}

/**
 * Loopback stays loopback (development); otherwise all addresses, as callers may come to the LAN, a tagged or,
 * for the listener's own check, the loopback address. Only holders of a certificate get further.
 */
function inboundBindAddress(bindAddress: string): string {
  if (bindAddress.startsWith('127.') || bindAddress === '::1') return bindAddress
  return bindAddress.includes(':') ? '::' : '0.0.0.0'
}

/**
 * In the data directory, so that a restarted agent finds the proxy; a path too long for a Unix socket
 * is replaced by a private folder named after a hash of it.
 */
export function controlSocketPath(dataDir: string, devFolder: string): string {
  const path = join(dataDir === '' ? devFolder : dataDir, 'proxy', 'control.sock')
  if (Buffer.byteLength(path) <= SOCKET_PATH_MAX) return path
  const name = createHash('sha256').update(path).digest('hex').slice(0, 16)
  return join(tmpdir(), `fairlead-${name}`, 'control.sock')
}
