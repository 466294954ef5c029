/**
 * The server role of one process: Raft, state store, API, RPC, certificate authority and leader's duties.
 *
 * Guarantees: `start` resolves when this server takes part; on a sole server that is once it leads and its
 * own node is in the catalog (the CA may still be a moment away, signing waits for it). A failed start
 * undoes what had begun; after `stop` no timer, socket or file of ours is left. With a data directory all
 * state survives kill -9; without one (`-dev`) nothing does. How it comes to be part of a cluster is in
 * cluster/: founded with others, added by a leader, or alone.
 */

import type { AgentConfig } from '../core/config/model.ts'
import { FairleadError } from '../core/errors.ts'
import type { Service } from '../core/lifecycle.ts'
import type { MemberPool } from '../core/membership.ts'
import type { ServerApi } from '../core/rpc/server-api.ts'
import type { Clock, Instant } from '../core/time.ts'
import { doubtfulFileSystemOf } from '../runtime/storage/file-system.ts'
import { assertMayLeave, handOver, leaveCluster } from './cluster/leaving.ts'
import { createServerParts, type ServerDeps, type ServerParts } from './server-parts.ts'

export interface Server extends Service {
  /** May be called before `start`: requests are then held until there is a leader. */
  readonly api: ServerApi
  /** `host:port` at which others reach this server's RPC; the port is 0 until `start` has bound one. */
  readonly rpcAddress: string
  /** Takes over the keys of Raft's snapshots; the others need a restart. */
  reload(config: AgentConfig): void
  /** @throws FairleadError REJECTED when the cluster would lose its quorum without this server */
  assertMayLeave(): void
  /** The farewell of Raft specification 11; `stop` comes after it. */
  leave(pool: Pick<MemberPool, 'leave'>, signal: AbortSignal): Promise<void>
}

/** @throws FairleadError INVALID_CONFIG | BAD_REQUEST | NOT_SUPPORTED for settings no server can have */
export function createServer(config: AgentConfig, deps: ServerDeps): Server {
  checkConfig(config)
  return new ServerRole(config, deps)
}

class ServerRole implements Server {
  readonly #config: AgentConfig
  readonly #clock: Clock
  readonly #parts: ServerParts
  #stopFollowing: (() => void) | undefined
  #started: Promise<void> | undefined
  #stopped: Promise<void> | undefined

  constructor(config: AgentConfig, deps: ServerDeps) {
    this.#config = config
    this.#clock = deps.clock
    this.#parts = createServerParts(config, deps)
  }

  get api(): ServerApi {
    return this.#parts.observed
  }

  get rpcAddress(): string {
    return this.#parts.rpcAddress()
  }

  start(signal: AbortSignal): Promise<void> {
    this.#started ??= this.#start(signal)
    return this.#started
  }

  reload(config: AgentConfig): void {
    this.#parts.reload(config)
  }

  assertMayLeave(): void {
    assertMayLeave({ nodeId: this.#config.nodeId, force: false }, this.#parts)
  }

  async leave(pool: Pick<MemberPool, 'leave'>, signal: AbortSignal): Promise<void> {
    const options = {
      nodeId: this.#config.nodeId,
      drainMs: this.#config.leave.drainMs,
      // Whoever wants it refused has asked before.
      force: true,
    }
    await leaveCluster(options, { ...this.#parts, pool, clock: this.#clock }, signal)
  }

  async drain(deadline: Instant): Promise<void> {
    const { api, rpc, raft, feeds } = this.#parts
    const overdue = new AbortController()
    const timer = this.#clock.timer(deadline, () => overdue.abort())
    try {
      // While everything still runs: what other servers have sent here must end well.
      await this.#handOver(overdue.signal)
      api.close()
      feeds.close()
      await rpc.drain(overdue.signal)
      await raft.drain(deadline)
    } finally {
      timer.cancel()
    }
  }

  async #handOver(overdue: AbortSignal): Promise<void> {
    const isOverdue = Promise.withResolvers<void>()
    overdue.addEventListener('abort', () => isOverdue.resolve(), { once: true })
    await Promise.race([handOver(this.#config.nodeId, this.#parts), isOverdue.promise])
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { duties, rpc, raft, acceptor, founding, directory, log } = this.#parts
    try {
      signal.throwIfAborted()
      await this.#judgeDisk()
      await acceptor.load()
      this.#stopFollowing = directory.follow()
      duties.start()
      // The port first: Raft writes this server's address into the first configuration.
      await rpc.start()
      await raft.start(signal)
      founding?.start()
      if (founding === undefined && raft.status().cluster === null) {
        log.info('belongs to no cluster yet; waits to be added to that of the servers it joins', {
          hint: 'the first servers of a cluster need bootstrap_expect',
        })
      }
      // A sole server leads when Raft has started; then readers of this host should find its node.
      if (raft.status().role === 'leader') await duties.settled(signal)
    } catch (thrown) {
      await this.stop()
      throw thrown
    }
  }

  async #judgeDisk(): Promise<void> {
    const { dataDir } = this.#config
    const fileSystem = dataDir === '' ? null : await doubtfulFileSystemOf(dataDir)
    if (fileSystem === null) return
    this.#parts.log.warn(
      'data_dir is on a file system that is not known to keep what was synced; use ext4, XFS or Btrfs for servers',
      { dataDir, fileSystem },
    )
  }

  async #stop(): Promise<void> {
    const { api, duties, feeds, founding, rpc, raft, closePeers } = this.#parts
    api.close()
    feeds.close()
    await founding?.stop()
    await duties.stop()
    await rpc.stop()
    await raft.stop()
    await closePeers()
    this.#stopFollowing?.()
  }
}

function checkConfig(config: AgentConfig): void {
  if (config.nodeId === '') {
    throw new FairleadError('INVALID_CONFIG', 'A server needs the id of its node')
  }
  if (config.dataDir === '' && !config.devMode) {
    throw new FairleadError('INVALID_CONFIG', 'A server needs a data directory outside -dev')
  }
}
