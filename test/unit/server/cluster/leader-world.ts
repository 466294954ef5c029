/**
 * A leader's view of a cluster for its duties: a model of Raft that changes its members as told, gossip and
 * peers that a test sets, the real state store.
 */

import { FairleadError } from '../../../../core/errors.ts'
import type { Member } from '../../../../core/membership.ts'
import {
  type Configuration,
  type ConfigurationChange,
  EMPTY_CONFIGURATION,
} from '../../../../core/raft/configuration.ts'
import { serverId } from '../../../../core/raft/types.ts'
import type { PeerStats } from '../../../../core/rpc/peer-calls.ts'
import { ServerDirectory } from '../../../../server/cluster/server-directory.ts'
import { STATUS_BEFORE_START } from '../../../../server/raft/status.ts'
import type { RaftStatus } from '../../../../server/raft/types.ts'

export const CLUSTER = { clusterId: 'c1', epoch: 1 }

export class LeaderWorld {
  readonly changes: string[] = []
  /** Thrown by the next changes. */
  readonly refusals: FairleadError[] = []
  readonly peers = new Map<string, Partial<PeerStats> | 'silent'>()
  readonly directory: ServerDirectory
  #members = new Map<string, Member>()
  #voters: readonly string[]
  #learners: readonly string[] = []
  #addresses = new Map<string, string>()
  readonly #listeners = new Set<(members: readonly Member[]) => void>()

  /** The first one leads. */
  constructor(...voters: readonly string[]) {
    this.#voters = voters
    for (const id of voters) {
      this.#addresses.set(id, `${id}:8300`)
      this.gossip(id, 'alive')
    }
    this.directory = new ServerDirectory(
      { datacenter: 'dc1' },
      { membership: this.membership, self: () => undefined },
    )
    this.directory.follow()
  }

  readonly membership = {
    members: (): readonly Member[] => [...this.#members.values()],
    onChange: (listener: (members: readonly Member[]) => void) => {
      this.#listeners.add(listener)
      return () => void this.#listeners.delete(listener)
    },
  }

  /** Gossip has forgotten a member. */
  forget(id: string): void {
    this.#members.delete(id)
    this.#tell()
  }

  gossip(id: string, status: Member['status'], address = id): void {
    this.#members.set(id, {
      name: `node-${id}`,
      address,
      port: 8301,
      status,
      tags: { role: 'consul', dc: 'dc1', id, port: '8300', expect: '3' },
    })
    this.#tell()
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener([...this.#members.values()])
  }

  readonly calls = {
    stats: async (address: string): Promise<PeerStats> => {
      const id = address.split(':')[0] ?? ''
      const peer = this.peers.get(id) ?? {}
      if (peer === 'silent') throw new FairleadError('NO_SERVERS', `${id} does not answer`)
      return {
        serverId: id,
        cluster: CLUSTER,
        lastTerm: 3,
        lastIndex: 100,
        commitIndex: 100,
        leaderId: this.#voters[0] ?? null,
        lastContactMs: 10,
        bootstrapExpect: 3,
        version: '1',
        ...peer,
      }
    },
  }

  readonly raft = {
    status: (): RaftStatus => ({
      ...STATUS_BEFORE_START,
      role: 'leader',
      term: 3,
      leaderId: this.#voters[0] ?? null,
      lastLogIndex: 100,
      lastLogTerm: 3,
      lastContactMs: 0,
      configuration: this.configuration,
      cluster: CLUSTER,
    }),
    changeMembers: async (change: ConfigurationChange): Promise<void> => {
      const refusal = this.refusals.shift()
      if (refusal !== undefined) throw refusal
      if (change.kind !== 'simple') throw new Error('only simple changes are made')
      const { kind, id } = change.change
      this.changes.push(`${kind} ${id}`)
      if (kind !== 'remove') this.#addresses.set(id, change.change.address)
      else this.#addresses.delete(id)
      if (kind === 'address') return
      this.#voters = this.#voters.filter((each) => each !== id)
      this.#learners = this.#learners.filter((each) => each !== id)
      if (kind === 'voter') this.#voters = [...this.#voters, id]
      if (kind === 'learner') this.#learners = [...this.#learners, id]
    },
  }

  get configuration(): Configuration {
    return {
      ...EMPTY_CONFIGURATION,
      incoming: [...this.#voters].sort().map(serverId),
      learners: [...this.#learners].sort().map(serverId),
      addresses: [...this.#addresses]
        .sort()
        .map(([id, address]) => ({ id: serverId(id), address })),
    }
  }
}
