/**
 * The server role of one process: Raft, state store, API, RPC, certificate authority and leader's duties.
 *
 * Guarantees: `start` resolves when this server can serve; on a sole server that is once it leads and its
 * own node is in the catalog (the CA may still be a moment away, signing waits for it). A failed start
 * undoes what had begun; after `stop` no timer, socket or file of ours is left. With a data directory all
 * state survives kill -9; without one (`-dev`) nothing does.
 * Does not join others yet: a cluster of several servers needs Raft's own transport.
 */

import { StateStore } from '../core/catalog/state-store.ts'
import type { AgentConfig } from '../core/config/model.ts'
import { FairleadError } from '../core/errors.ts'
import type { Service } from '../core/lifecycle.ts'
import type { Logger } from '../core/log.ts'
import type { Membership } from '../core/membership.ts'
import type { Rng } from '../core/rng.ts'
import type { ServerApi } from '../core/rpc/server-api.ts'
import type { Clock, Instant } from '../core/time.ts'
import { newUuid } from '../runtime/random/system-random.ts'
import { RpcHost } from '../runtime/rpc/rpc-host.ts'
import { diskRaftStorage, memoryRaftStorage } from '../runtime/storage/raft-storage.ts'
import { CommandWriter } from './api/command-writer.ts'
import { LocalServerApi } from './api/local-server-api.ts'
import { CertificateAuthority } from './ca/certificate-authority.ts'
import { LeaderDuties } from './leader/leader-duties.ts'
import { MemberReconciler } from './leader/member-reconciler.ts'
import { SessionTimers } from './leader/session-timers.ts'
import { TombstoneReaper } from './leader/tombstone-reaper.ts'
import { MemoryNetwork } from './raft/memory-transport.ts'
import { RaftNode } from './raft/raft-node.ts'
import { serverApiHandlers } from './rpc/server-api-handlers.ts'
import { StateMachine } from './state-machine.ts'

/** Raft's tick at `raft_multiplier` 1. */
const TICK_MS = 10

export interface ServerDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly membership: Membership
  /** The server can serve no more and the process must exit; called at most once. */
  readonly onFatal: (error: FairleadError) => void
}

export interface Server extends Service {
  /** May be called before `start`: requests are then held until there is a leader. */
  readonly api: ServerApi
  /** `host:port` at which others reach this server's RPC; the port is 0 until `start` has bound one. */
  readonly rpcAddress: string
}

/** @throws FairleadError INVALID_CONFIG | BAD_REQUEST | NOT_SUPPORTED for settings no server can have */
export function createServer(config: AgentConfig, deps: ServerDeps): Server {
  checkConfig(config)
  return new ServerRole(config, deps)
}

class ServerRole implements Server {
  readonly #config: AgentConfig
  readonly #clock: Clock
  readonly #raft: RaftNode
  readonly #api: LocalServerApi
  readonly #rpc: RpcHost
  readonly #duties: LeaderDuties
  #started: Promise<void> | undefined
  #stopped: Promise<void> | undefined

  constructor(config: AgentConfig, deps: ServerDeps) {
    const { clock, rng } = deps
    const log = deps.log.child('server')
    this.#config = config
    this.#clock = clock

    const store = new StateStore({ datacenter: config.datacenter })
    const stateMachine = new StateMachine(store)
    this.#raft = this.#createRaft(stateMachine, { ...deps, log: deps.log.child('raft') })
    const writer = new CommandWriter({ raft: this.#raft, clock })

    const ca = new CertificateAuthority(
      {
        isEnabled: config.connect.enabled,
        datacenter: config.datacenter,
        clusterId: config.connect.clusterId,
        leafTtlMs: config.connect.leafCertTtlMs,
        rootTtlMs: config.connect.rootCertTtlMs,
        config: config.connect.caConfig ?? {},
      },
      { store, writer, clock, rng: rng.fork('ca'), log: deps.log.child('ca'), newId: newUuid },
    )
    const sessions = new SessionTimers({
      store,
      clock,
      log,
      destroy: (id) => writer.write({ kind: 'session.destroy', id, now: clock.wall() }),
    })
    const tombstones = new TombstoneReaper({
      clock,
      log,
      lastIndex: () => store.lastIndex,
      reap: (index) => writer.write({ kind: 'tombstone.reap', index }),
    })
    stateMachine.observe((applied) => {
      sessions.observe(applied)
      tombstones.observe(applied)
      // Outside of apply: the duties write.
      if (applied.command.kind === 'restore.end' && applied.result.ok) {
        queueMicrotask(() => this.#duties.restored())
      }
    })
    const reconciler = new MemberReconciler({
      store,
      membership: deps.membership,
      ownTags: () => ({ role: 'consul', id: config.nodeId, port: String(this.#rpc.port) }),
      clock,
      log,
      write: (command) => writer.write(command),
    })
    this.#duties = new LeaderDuties({
      raft: this.#raft,
      reconciler,
      sessions,
      tombstones,
      ca,
      clock,
      log,
    })
    this.#api = new LocalServerApi(
      { datacenter: config.datacenter, nodeId: config.nodeId, holdMs: config.rpcHoldTimeoutMs },
      {
        store,
        raft: this.#raft,
        writer,
        clock,
        rng: rng.fork('api'),
        signLeaf: (csrPem, signal) => ca.sign(csrPem, signal),
        checkCaConfig: (command) => ca.checkConfig(command),
        touchSession: (session) => sessions.touch(session),
        newId: newUuid,
        rpcAddress: () => this.rpcAddress,
      },
    )
    this.#rpc = new RpcHost(
      { address: config.bindAddress, port: config.ports.server },
      { handlers: serverApiHandlers(this.#api), log: deps.log.child('rpc') },
    )
  }

  get api(): ServerApi {
    return this.#api
  }

  get rpcAddress(): string {
    const { advertiseAddress, bindAddress, ports } = this.#config
    const host = advertiseAddress === '' ? bindAddress : advertiseAddress
    const port = this.#rpc.port === 0 ? ports.server : this.#rpc.port
    return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  }

  start(signal: AbortSignal): Promise<void> {
    this.#started ??= this.#start(signal)
    return this.#started
  }

  async drain(deadline: Instant): Promise<void> {
    this.#api.close()
    const overdue = new AbortController()
    const timer = this.#clock.timer(deadline, () => overdue.abort())
    try {
      await this.#rpc.drain(overdue.signal)
      await this.#raft.drain(deadline)
    } finally {
      timer.cancel()
    }
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #start(signal: AbortSignal): Promise<void> {
    try {
      signal.throwIfAborted()
      this.#duties.start()
      // The port first: Raft writes this server's address into the first configuration.
      await this.#rpc.start()
      await this.#raft.start(signal)
      // A sole server leads when Raft has started; then readers of this host should find its node.
      if (this.#raft.status().role === 'leader') await this.#duties.settled(signal)
    } catch (thrown) {
      await this.stop()
      throw thrown
    }
  }

  async #stop(): Promise<void> {
    this.#api.close()
    await this.#duties.stop()
    await this.#rpc.stop()
    await this.#raft.stop()
  }

  #createRaft(stateMachine: StateMachine, deps: ServerDeps): RaftNode {
    const config = this.#config
    // Read when Raft starts, after the port is known.
    const address = (): string => this.rpcAddress
    const self = {
      id: config.nodeId,
      get address(): string {
        return address()
      },
    }
    const isFirst = config.bootstrapExpect === 1 || config.devMode
    return new RaftNode(
      {
        id: self.id,
        get address(): string {
          return address()
        },
        tickMs: TICK_MS * config.raft.multiplier,
        ...(isFirst ? { bootstrap: { clusterId: newUuid(), members: [self] } } : {}),
      },
      {
        clock: deps.clock,
        rng: deps.rng.fork('raft'),
        log: deps.log,
        openStorage: config.dataDir === '' ? memoryRaftStorage() : diskRaftStorage(config.dataDir),
        transport: new MemoryNetwork().join(config.nodeId),
        stateMachine,
        onFatal: deps.onFatal,
      },
    )
  }
}

function checkConfig(config: AgentConfig): void {
  if (config.nodeId === '') {
    throw new FairleadError('INVALID_CONFIG', 'A server needs the id of its node')
  }
  if (config.dataDir === '' && !config.devMode) {
    throw new FairleadError('INVALID_CONFIG', 'A server needs a data directory outside -dev')
  }
  if (config.bootstrapExpect > 1) {
    throw new FairleadError(
      'NOT_SUPPORTED',
      `bootstrap_expect is ${config.bootstrapExpect}; clusters of several servers are not supported yet`,
    )
  }
}
