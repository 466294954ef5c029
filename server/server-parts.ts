/**
 * Makes the parts of a server and hands each what it needs; starts nothing (server.ts does).
 */

import type { NoticeBoard } from '../core/catalog/notice.ts'
import { StateStore } from '../core/catalog/state-store.ts'
import { hostAndPort } from '../core/cluster/server-members.ts'
import type { AgentConfig } from '../core/config/model.ts'
import type { FairleadError } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import type { Membership } from '../core/membership.ts'
import { SERVER_METRICS } from '../core/metrics/catalogue/server.ts'
import type { Metrics } from '../core/metrics/metrics.ts'
import { serverId } from '../core/raft/types.ts'
import type { Rng } from '../core/rng.ts'
import type { PeerCalls } from '../core/rpc/peer-calls.ts'
import { RequestNames } from '../core/rpc/request-names.ts'
import type { ServerApi } from '../core/rpc/server-api.ts'
import type { Clock } from '../core/time.ts'
import { newUuid } from '../runtime/random/system-random.ts'
import { LimitedServerApi } from '../runtime/rpc/limited-server-api.ts'
import { ObservedServerApi } from '../runtime/rpc/observed-server-api.ts'
import { RpcHost } from '../runtime/rpc/rpc-host.ts'
import { RpcPeerCalls } from '../runtime/rpc/rpc-peer-calls.ts'
import {
  diskRaftStorage,
  diskSpaceWatch,
  memoryRaftStorage,
} from '../runtime/storage/raft-storage.ts'
import { recoveryFiles } from '../runtime/storage/recovery-files.ts'
import type { RpcTls } from '../runtime/tls/rpc-tls.ts'
import { createAcl } from './acl/acl-parts.ts'
import { GuardedServerApi } from './acl/guarded-server-api.ts'
import { CommandWriter } from './api/command-writer.ts'
import { LeaderActs } from './api/leader-acts.ts'
import { LeaderCalls } from './api/leader-calls.ts'
import { LocalServerApi } from './api/local-server-api.ts'
import { OperatorActs } from './api/operator-acts.ts'
import { raftConfigurationView } from './api/raft-view.ts'
import { RequestLimiter } from './api/request-limiter.ts'
import { countRequests } from './api/request-metrics.ts'
import { StateImages } from './api/state-images.ts'
import { CertificateAuthority } from './ca/certificate-authority.ts'
import { SecretSealer } from './ca/sealed-secret.ts'
import { Autopilot } from './cluster/autopilot.ts'
import { Founding } from './cluster/founding.ts'
import { FoundingAcceptor } from './cluster/founding-acceptor.ts'
import { FoundingRecord } from './cluster/founding-record.ts'
import { peerStats } from './cluster/peer-stats.ts'
import { Roster } from './cluster/roster.ts'
import { ServerDirectory } from './cluster/server-directory.ts'
import { showFeedSessions } from './feeds/feed-metrics.ts'
import { FeedSessions } from './feeds/feed-sessions.ts'
import { JoinActs } from './join/join-acts.ts'
import { CoordinateBatches } from './leader/coordinate-batches.ts'
import { LeaderDuties } from './leader/leader-duties.ts'
import { MemberReconciler } from './leader/member-reconciler.ts'
import { Notices } from './leader/notices.ts'
import { SessionTimers } from './leader/session-timers.ts'
import { timed } from './leader/timed.ts'
import { TombstoneReaper } from './leader/tombstone-reaper.ts'
import { RaftNode } from './raft/raft-node.ts'
import { GrpcRaftTransport } from './rpc/grpc-raft-transport.ts'
import { peerHandlers } from './rpc/peer-handlers.ts'
import { serverApiHandlers } from './rpc/server-api-handlers.ts'
import { strangerHandlers } from './rpc/stranger-handlers.ts'
import { StateMachine } from './state-machine.ts'
import { showServer } from './state-metrics.ts'

/** Raft's tick at `raft_multiplier` 1. */
const TICK_MS = 10
/** A leader that was not heard of for so long, at `raft_multiplier` 1, may be one no more: twice its lease. */
const LEADER_SILENCE_MS = 1_000
/** How long the leader gathers coordinates before it writes them. */
const COORDINATES_MS = 5_000
const DEV_COORDINATES_MS = 100

export interface ServerDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly metrics: Metrics
  readonly membership: Membership
  /** Where a leader says how far the catalog has come; absent where there is nobody to tell. */
  readonly board?: NoticeBoard
  /** Of this program, as other servers hear it. */
  readonly version: string
  /** How servers and agents speak to each other; in clear without it. */
  readonly rpcTls?: RpcTls | undefined
  /** Of the pool, base64; '' where gossip is not encrypted. */
  readonly gossipKey?: () => string
  /** The server can serve no more and the process must exit; called at most once. */
  readonly onFatal: (error: FairleadError) => void
}

export interface ServerParts {
  readonly raft: RaftNode
  readonly api: LocalServerApi
  /** `api` as agents use it: what they ask is counted. */
  readonly observed: ServerApi
  readonly rpc: RpcHost
  readonly feeds: FeedSessions
  readonly duties: LeaderDuties
  readonly directory: ServerDirectory
  readonly acceptor: FoundingAcceptor
  /** Absent on a server that elects itself, or waits to be added. */
  readonly founding: Founding | undefined
  readonly log: Logger
  readonly rpcAddress: () => string
  readonly closePeers: () => Promise<void>
  /** Takes over what may change while the server runs. */
  readonly reload: (config: AgentConfig) => void
}

export function createServerParts(config: AgentConfig, deps: ServerDeps): ServerParts {
  const { clock, rng, membership, metrics } = deps
  const { nodeId } = config
  const log = deps.log.child('server')
  const store = new StateStore({ datacenter: config.datacenter })
  const stateMachine = new StateMachine(store, deps)
  const { rpcTls } = deps
  const dialling = rpcTls === undefined ? {} : { tls: rpcTls.outgoing }
  const calls = new RpcPeerCalls({ clock, ...dialling })
  const transport = new GrpcRaftTransport(
    { id: serverId(nodeId) },
    { clock, rng: rng.fork('transport'), log: deps.log.child('raft'), ...dialling },
  )

  const rpcAddress = (): string => {
    const { advertiseAddress, bindAddress, ports } = config
    const host = advertiseAddress === '' ? bindAddress : advertiseAddress
    return hostAndPort(host, rpc.port === 0 ? ports.server : rpc.port)
  }
  const directory = new ServerDirectory(
    { datacenter: config.datacenter },
    {
      membership,
      self: () => ({
        id: nodeId,
        name: config.nodeName,
        address: rpcAddress(),
        status: 'alive',
        version: deps.version,
        meta: {},
        isBootstrap: config.bootstrapExpect === 1,
        expect: config.bootstrapExpect,
      }),
    },
  )
  let { raft: raftSettings } = config
  const raft = createRaft(config, {
    ...deps,
    raftSettings: () => raftSettings,
    stateMachine,
    rpcAddress,
    directory,
    calls,
    transport,
  })
  const writer = new CommandWriter({ raft, store, clock, metrics })
  const ca = createCa(config, { ...deps, store, writer })
  const { sessions, tombstones } = createTimers({ ...deps, log, store, writer, stateMachine })
  const coordinates = new CoordinateBatches(
    { periodMs: config.devMode ? DEV_COORDINATES_MS : COORDINATES_MS },
    { clock, log, write: (command) => writer.write(command) },
  )
  const reconciler = new MemberReconciler({
    store,
    membership,
    reconnectTimeoutMs: config.reconnectTimeoutMs,
    metrics,
    ownTags: () => ({ role: 'consul', id: nodeId, port: String(rpc.port) }),
    clock,
    log,
    write: (command) => writer.write(command),
  })
  const autopilot = new Autopilot(
    { nodeId, initial: config.autopilot, raftMultiplier: config.raft.multiplier },
    {
      raft,
      store,
      write: (command) => writer.write(command),
      directory,
      calls,
      clock,
      log: deps.log.child('autopilot'),
    },
  )
  const roster = new Roster({ nodeId }, { raft, directory, membership, calls, clock, log })
  const { authority, aclActs } = createAcl(config, { ...deps, log, store, writer })
  const duties = new LeaderDuties({
    acl: aclActs,
    raft,
    reconciler,
    sessions,
    tombstones,
    coordinates,
    notices:
      deps.board === undefined
        ? undefined
        : new Notices({
            raft,
            store,
            clock,
            board: deps.board,
            epoch: () => api.feedStart.epoch(),
          }),
    roster,
    autopilot,
    ca,
    clock,
    log,
  })
  stateMachine.observe(({ command, result }) => {
    // Outside of apply: the duties write.
    if (command.kind === 'restore.end' && result.ok) queueMicrotask(() => duties.restored())
  })
  const configuration = () =>
    raftConfigurationView(raft.status(), nodeId, (id) => directory.find(id)?.name)
  const addressOf = (id: string): string | undefined => directory.addressOf(id)
  const join = new JoinActs(config, {
    store,
    write: (command) => writer.write(command),
    membership,
    authorities: () => rpcTls?.authorities ?? [],
    gossipKey: deps.gossipKey ?? (() => ''),
    clock,
    log,
  })
  const operator = new OperatorActs({ raft, configuration, autopilot, acl: aclActs, join })
  const api: LocalServerApi = new LocalServerApi(
    {
      datacenter: config.datacenter,
      nodeId,
      holdMs: config.rpcHoldTimeoutMs,
      defaultRead: config.raft.defaultRead,
    },
    {
      store,
      raft,
      leader: new LeaderCalls({ nodeId }, { raft, calls, addressOf }),
      acts: new LeaderActs({
        raft,
        store,
        writer,
        signLeaf: (csrPem, signal) => ca.sign(csrPem, signal),
        configureCa: (command) => ca.configure(command),
        touchSession: (session) => sessions.touch(session),
        placeNode: (place) => coordinates.add(place),
        operate: (name, request) => operator.run(name, request),
      }),
      images: new StateImages({ stateMachine, raft, configuration }),
      names: new RequestNames({ nodeId, boot: newUuid() }),
      clock,
      rng: rng.fork('api'),
      newId: newUuid,
      addressOf,
      ...(authority === undefined
        ? {}
        : {
            guard: (secret: () => string) =>
              new GuardedServerApi(secret, { servers: api, authority, store }),
          }),
    },
  )
  const limiter = new RequestLimiter(config.requestLimits, {
    clock,
    log: log.child('limits'),
    metrics,
    isLeader: () => raft.status().role === 'leader',
  })
  const observed = new LimitedServerApi(
    new ObservedServerApi(api, countRequests(metrics, clock)),
    (kind, method) => limiter.admit(kind, method),
  )
  const hideFigures = showServer(metrics, clock, {
    sizes: () => store.sizes(),
    autopilot: () => autopilot.latest,
    ttlSessions: () => sessions.activeCount,
    blockedReads: () => api.blockedReads,
  })
  const leaderSilenceMs = LEADER_SILENCE_MS * config.raft.multiplier
  const feeds = new FeedSessions({
    store,
    start: api.feedStart,
    clock,
    hasLeader: () => {
      const { role, lastContactMs } = raft.status()
      return role === 'leader' || lastContactMs < leaderSilenceMs
    },
    ...(authority === undefined ? {} : { rights: authority }),
  })
  const hideFeeds = showFeedSessions(metrics, feeds)
  const handlers = serverApiHandlers(
    authority === undefined ? () => observed : (secret) => observed.as(() => secret),
  )
  const rpc = new RpcHost(
    { address: config.bindAddress, port: config.ports.server },
    {
      handlers,
      strangers: strangerHandlers(handlers, {
        givesCertificates: config.tls.autoEncrypt.isAllowed,
      }),
      feeds: (stream) => feeds.accept(stream),
      peers: peerHandlers({
        stats: () =>
          peerStats(raft.status(), {
            nodeId,
            bootstrapExpect: config.bootstrapExpect,
            version: deps.version,
          }),
        bootstrap: (request) => acceptor.handle(request),
        forwarded: (method, message, signal) => api.forwarded(method, message, signal),
      }),
      raft: (lane, stream) => transport.accept(lane, stream),
      ...(rpcTls === undefined ? {} : { tls: rpcTls.incoming }),
      log: deps.log.child('rpc'),
      clock,
    },
  )
  const acceptor = new FoundingAcceptor(
    { nodeId, expect: config.bootstrapExpect },
    { raft, record: new FoundingRecord(config.dataDir) },
  )
  const founding =
    config.bootstrapExpect <= 1
      ? undefined
      : new Founding(
          { nodeId, expect: config.bootstrapExpect },
          { raft, acceptor, directory, membership, calls, clock, log, newId: newUuid },
        )
  return {
    raft,
    api,
    observed,
    rpc,
    feeds,
    duties,
    directory,
    acceptor,
    founding,
    log,
    rpcAddress,
    closePeers: async () => {
      hideFigures()
      hideFeeds()
      await Promise.all([transport.close(), calls.close()])
    },
    reload: (wanted) => {
      limiter.reload(wanted.requestLimits)
      raftSettings = wanted.raft
    },
  }
}

function createRaft(
  config: AgentConfig,
  deps: ServerDeps & {
    readonly stateMachine: StateMachine
    readonly raftSettings: () => AgentConfig['raft']
    readonly rpcAddress: () => string
    readonly directory: ServerDirectory
    readonly calls: Pick<PeerCalls, 'stats'>
    readonly transport: GrpcRaftTransport
  },
): RaftNode {
  // Read when Raft starts, after the port is known.
  const self = {
    id: config.nodeId,
    get address(): string {
      return deps.rpcAddress()
    },
  }
  const space = config.dataDir === '' ? null : diskSpaceWatch(config.dataDir, deps.clock)
  return new RaftNode(
    {
      id: self.id,
      get address(): string {
        return deps.rpcAddress()
      },
      tickMs: TICK_MS * config.raft.multiplier,
      get snapshots() {
        const { snapshotThreshold, snapshotIntervalMs, trailingLogs } = deps.raftSettings()
        return {
          thresholdEntries: snapshotThreshold,
          intervalMs: snapshotIntervalMs,
          trailingEntries: trailingLogs,
        }
      },
      ...(config.dataDir === '' ? {} : { recoveryFiles: recoveryFiles(config.dataDir) }),
      ...(config.bootstrapExpect === 1
        ? { bootstrap: { clusterId: newUuid(), members: [self] } }
        : {}),
    },
    {
      clock: deps.clock,
      rng: deps.rng.fork('raft'),
      log: deps.log.child('raft'),
      metrics: deps.metrics,
      openStorage: config.dataDir === '' ? memoryRaftStorage() : diskRaftStorage(config.dataDir),
      transport: deps.transport,
      stateMachine: deps.stateMachine,
      addresses: {
        of: (id) => deps.directory.addressOf(id),
        onChange: (listener) => deps.membership.onChange(() => listener()),
      },
      stats: (address, signal) => deps.calls.stats(address, signal),
      ...(space === null ? {} : { space }),
      onFatal: (error) => {
        // The disk may be full: what is left to write on the way out, and the next start, need room.
        space?.freeReserve().catch(() => undefined)
        deps.onFatal(error)
      },
    },
  )
}

function createCa(
  config: AgentConfig,
  {
    store,
    writer,
    clock,
    rng,
    log,
  }: ServerDeps & { readonly store: StateStore; readonly writer: CommandWriter },
): CertificateAuthority {
  return new CertificateAuthority(
    {
      isEnabled: config.connect.enabled,
      datacenter: config.datacenter,
      clusterId: config.connect.clusterId,
      provider: config.connect.caProvider,
      signerCommand: config.connect.caCommand,
      leafTtlMs: config.connect.leafCertTtlMs,
      rootTtlMs: config.connect.rootCertTtlMs,
      config: config.connect.caConfig ?? {},
    },
    {
      store,
      writer,
      sealer: new SecretSealer(config.connect.caSealingKeys.map((key) => key.bytes)),
      clock,
      rng: rng.fork('ca'),
      log: log.child('ca'),
      newId: newUuid,
    },
  )
}

function createTimers({
  store,
  writer,
  stateMachine,
  clock,
  log,
  metrics,
}: ServerDeps & {
  readonly store: StateStore
  readonly writer: CommandWriter
  readonly stateMachine: StateMachine
}): { readonly sessions: SessionTimers; readonly tombstones: TombstoneReaper } {
  const invalidate = metrics.sample(SERVER_METRICS.sessionTtlInvalidate)
  const reap = metrics.sample(SERVER_METRICS.reapTombstones)
  const sessions = new SessionTimers({
    store,
    clock,
    log,
    destroy: (id) =>
      timed(invalidate, clock, () =>
        writer.write({ kind: 'session.destroy', id, now: clock.wall() }),
      ),
  })
  const tombstones = new TombstoneReaper({
    clock,
    log,
    lastIndex: () => store.lastIndex,
    reap: (index) => timed(reap, clock, () => writer.write({ kind: 'tombstone.reap', index })),
  })
  stateMachine.observe((applied) => {
    sessions.observe(applied)
    tombstones.observe(applied)
  })
  return { sessions, tombstones }
}
