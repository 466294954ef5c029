/**
 * The cluster that this server belongs to, and which messages may reach its core (Raft specification 13.1, 13.2).
 *
 * A server of no cluster adopts that of the first leader that replicates to it: only members are replicated
 * to, so that leader lists it as one. Guarantees: the adoption is durable before the core hears a word, so
 * nothing is acknowledged for a cluster that a crash could make this server forget; a message of another
 * cluster or epoch never gets through. Bound: `HELD_MAX` messages wait for the adoption; the rest is dropped.
 */

import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { RaftMessage } from '../../core/raft/messages.ts'
import type { ServerId } from '../../core/raft/types.ts'
import { type ClusterName, isSameCluster } from '../../core/rpc/peer-calls.ts'
import type { LogStore } from '../../runtime/storage/log-store.ts'
import type { RaftTransport } from './transport.ts'

const HELD_MAX = 256

export interface ClusterIdentityDeps {
  readonly serverId: ServerId
  readonly store: Pick<LogStore, 'saveIdentity'>
  readonly transport: Pick<RaftTransport, 'setCluster'>
  readonly log: Logger
  readonly deliver: (message: RaftMessage) => void
  readonly onFatal: (thrown: unknown) => void
}

export class ClusterIdentity {
  readonly #deps: ClusterIdentityDeps
  #cluster: ClusterName | null
  #adopting: { readonly cluster: ClusterName; readonly done: Promise<void> } | null = null
  #held: RaftMessage[] = []

  constructor(cluster: ClusterName | null, deps: ClusterIdentityDeps) {
    this.#cluster = cluster
    this.#deps = deps
    deps.transport.setCluster(cluster)
  }

  get cluster(): ClusterName | null {
    return this.#cluster
  }

  receive(message: RaftMessage, cluster: ClusterName): void {
    if (this.#cluster !== null) {
      if (isSameCluster(this.#cluster, cluster)) this.#deps.deliver(message)
      return
    }
    if (this.#adopting === null) {
      if (!isOfLeader(message)) return
      this.#adopting = { cluster, done: this.#adopt(cluster, message.from) }
    }
    const isOurs = isSameCluster(this.#adopting.cluster, cluster)
    if (isOurs && this.#held.length < HELD_MAX) this.#held.push(message)
  }

  /**
   * Claims a cluster that is about to be founded; until `founded` no other one is adopted.
   *
   * @returns false when this server is a member of it already
   * @throws FairleadError REJECTED when it belongs to another one, BUSY while one is being founded
   */
  async claim(cluster: ClusterName): Promise<boolean> {
    await this.#adopting?.done
    if (this.#cluster === null) {
      if (this.#adopting !== null) {
        throw new FairleadError('BUSY', 'Failed to found a cluster: it is being founded right now')
      }
      this.#adopting = { cluster, done: Promise.resolve() }
      return true
    }
    if (isSameCluster(this.#cluster, cluster)) return false
    throw new FairleadError(
      'REJECTED',
      `Failed to found cluster "${cluster.clusterId}": this server belongs to cluster "${this.#cluster.clusterId}" (epoch ${this.#cluster.epoch})`,
    )
  }

  /** The cluster that was claimed is founded, durably. */
  founded(cluster: ClusterName): void {
    this.#belongTo(cluster)
  }

  async settled(): Promise<void> {
    await this.#adopting?.done
  }

  async #adopt(cluster: ClusterName, leader: ServerId): Promise<void> {
    const { serverId, store, log, onFatal } = this.#deps
    try {
      await store.saveIdentity({ serverId, ...cluster })
    } catch (thrown) {
      onFatal(thrown)
      return
    }
    log.info('joined a cluster', { cluster: cluster.clusterId, epoch: cluster.epoch, leader })
    this.#belongTo(cluster)
  }

  #belongTo(cluster: ClusterName): void {
    this.#cluster = cluster
    this.#deps.transport.setCluster(cluster)
    const held = this.#held
    this.#held = []
    for (const message of held) this.#deps.deliver(message)
  }
}

/** Votes are asked of voters alone, and a voter of a cluster belongs to it already. */
function isOfLeader(message: RaftMessage): boolean {
  switch (message.kind) {
    case 'append':
    case 'heartbeat':
    case 'snapshot-offer':
      return true
    default:
      return false
  }
}
