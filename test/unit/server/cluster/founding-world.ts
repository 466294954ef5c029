/**
 * Several servers that found a cluster in one process: real founding, acceptors and promises; Raft, gossip and
 * the network between them are models with faults that a test sets.
 */

import assert from 'node:assert/strict'
import { FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import type { Member } from '../../../../core/membership.ts'
import { type Configuration, votersOnly } from '../../../../core/raft/configuration.ts'
import { serverId } from '../../../../core/raft/types.ts'
import type { PeerCalls } from '../../../../core/rpc/peer-calls.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { Founding } from '../../../../server/cluster/founding.ts'
import { FoundingAcceptor } from '../../../../server/cluster/founding-acceptor.ts'
import { type FoundingPromises, NO_PROMISES } from '../../../../server/cluster/founding-record.ts'
import { peerStats } from '../../../../server/cluster/peer-stats.ts'
import { ServerDirectory } from '../../../../server/cluster/server-directory.ts'
import { STATUS_BEFORE_START } from '../../../../server/raft/status.ts'
import type { RaftNodeApi, RaftStatus } from '../../../../server/raft/types.ts'
import { pass } from '../raft-and-store.ts'

const STEP_MS = 100

export interface ServerSetup {
  readonly expect?: number
  readonly isBootstrap?: boolean
}

/** What survives a crash, and what runs. */
interface Host {
  readonly id: string
  readonly setup: Required<ServerSetup>
  promises: FoundingPromises
  begun: { clusterId: string; configuration: Configuration } | null
  /** Ids that its gossip knows; all unless a test says otherwise. */
  sees: ReadonlySet<string> | null
  running: { acceptor: FoundingAcceptor; founding: Founding | null; isDead: boolean } | null
  readonly listeners: Set<(members: readonly Member[]) => void>
}

export class FoundingWorld {
  readonly clock = new ManualClock()
  readonly hosts = new Map<string, Host>()
  /** Called at every durable write and at every call; true kills the server at that moment. */
  crashAt: (id: string, point: string) => boolean = () => false
  /** Servers whose record cannot be removed. */
  readonly fixedRecords = new Set<string>()
  #clusters = 0

  async add(id: string, setup: ServerSetup = {}): Promise<void> {
    this.hosts.set(id, {
      id,
      setup: { expect: setup.expect ?? 3, isBootstrap: setup.isBootstrap ?? false },
      promises: NO_PROMISES,
      begun: null,
      sees: null,
      running: null,
      listeners: new Set(),
    })
    await this.start(id)
  }

  async start(id: string): Promise<void> {
    const host = this.#host(id)
    const life = { isDead: false }
    const raft = this.#raftOf(host, life)
    const acceptor = new FoundingAcceptor(
      { nodeId: id, expect: host.setup.expect },
      { raft, record: this.#recordOf(host, life) },
    )
    await acceptor.load()
    const membership = {
      members: () => this.#membersAt(host),
      onChange: (listener: (members: readonly Member[]) => void) => {
        host.listeners.add(listener)
        return () => void host.listeners.delete(listener)
      },
    }
    const directory = new ServerDirectory(
      { datacenter: 'dc1' },
      { membership, self: () => undefined },
    )
    directory.follow()
    const founding = new Founding(
      { nodeId: id, expect: host.setup.expect },
      {
        raft,
        acceptor,
        directory,
        membership,
        calls: this.#callsOf(host, life),
        clock: this.clock,
        log: silentLogger,
        newId: () => `cluster-${++this.#clusters}`,
      },
    )
    host.running = Object.assign(life, { acceptor, founding })
    this.gossip()
    if (host.setup.expect > 1) founding.start()
  }

  /** As kill -9 would: nothing it still does has an effect. */
  kill(id: string): void {
    const host = this.#host(id)
    if (host.running === null) return
    host.running.isDead = true
    void host.running.founding?.stop()
    host.running = null
    host.listeners.clear()
    this.gossip()
  }

  look(id: string, sees: readonly string[] | null): void {
    this.#host(id).sees = sees === null ? null : new Set([...sees, id])
    this.gossip()
  }

  gossip(): void {
    for (const host of this.hosts.values()) {
      for (const listener of [...host.listeners]) listener(this.#membersAt(host))
    }
  }

  async pass(ms: number): Promise<void> {
    await pass(this.clock, ms, STEP_MS)
  }

  /** Clusters that some server has begun. */
  get begun(): readonly { readonly id: string; readonly clusterId: string }[] {
    return [...this.hosts.values()].flatMap(({ id, begun }) =>
      begun === null ? [] : [{ id, clusterId: begun.clusterId }],
    )
  }

  assertOneConfiguration(): void {
    const seen = new Map<string, string>()
    for (const { begun } of this.hosts.values()) {
      if (begun === null) continue
      const text = JSON.stringify(begun.configuration)
      assert.equal(seen.get(begun.clusterId) ?? text, text, 'one configuration a cluster')
      seen.set(begun.clusterId, text)
    }
    const founders = [...this.hosts.values()].filter(({ begun }) => begun !== null)
    for (const { id, begun } of founders) {
      assert(begun?.configuration.incoming.some((member) => member === id))
    }
    // Two clusters may exist only if no server is in both: each server begins one.
    const members = [...seen.values()].flatMap((text) => {
      const { incoming } = JSON.parse(text) as Configuration
      return incoming
    })
    assert.equal(new Set(members).size, members.length, 'no server belongs to two clusters')
  }

  async end(): Promise<void> {
    for (const id of this.hosts.keys()) this.kill(id)
    await this.pass(STEP_MS)
  }

  #host(id: string): Host {
    const host = this.hosts.get(id)
    assert(host !== undefined)
    return host
  }

  #membersAt(viewer: Host): readonly Member[] {
    return [...this.hosts.values()]
      .filter(({ id }) => viewer.sees === null || viewer.sees.has(id))
      .map(({ id, setup, running }) => ({
        name: `node-${id}`,
        address: `10.0.0.${id.charCodeAt(0)}`,
        port: 8301,
        status: running === null ? 'failed' : 'alive',
        tags: {
          role: 'consul',
          dc: 'dc1',
          id,
          port: '8300',
          ...(setup.isBootstrap ? { bootstrap: '1' } : { expect: String(setup.expect) }),
        },
      }))
  }

  #raftOf(host: Host, life: { isDead: boolean }): Pick<RaftNodeApi, 'status' | 'bootstrap'> {
    return {
      status: (): RaftStatus => ({
        ...STATUS_BEFORE_START,
        lastLogIndex: host.begun === null ? 0 : 1,
        cluster: host.begun === null ? null : { clusterId: host.begun.clusterId, epoch: 1 },
      }),
      bootstrap: async ({ clusterId, members }) => {
        this.#crashPoint(host, life, 'before bootstrap')
        assert.equal(host.begun, null, 'begun once')
        const configuration = votersOnly(
          members.map(({ id, address }) => ({ id: serverId(id), address })),
        )
        host.begun = { clusterId, configuration }
        this.#crashPoint(host, life, 'after bootstrap')
      },
    }
  }

  #recordOf(host: Host, life: { isDead: boolean }) {
    const save = (promises: FoundingPromises): void => {
      this.#crashPoint(host, life, 'before save')
      host.promises = promises
      this.#crashPoint(host, life, 'after save')
    }
    return {
      path: '/founding.json',
      load: async () => host.promises,
      save: async (promises: FoundingPromises) => save(promises),
      remove: async () => {
        if (this.fixedRecords.has(host.id)) throw new FairleadError('STORAGE_FAILED', 'read-only')
        save(NO_PROMISES)
      },
    }
  }

  #callsOf(caller: Host, life: { isDead: boolean }): Pick<PeerCalls, 'stats' | 'bootstrap'> {
    const callee = (address: string): Host => {
      this.#crashPoint(caller, life, 'before call')
      const host = [...this.hosts.values()].find(
        ({ id }) => address === `10.0.0.${id.charCodeAt(0)}:8300`,
      )
      if (host?.running == null) throw new FairleadError('NO_SERVERS', 'nobody is there')
      return host
    }
    return {
      stats: async (address) => {
        const host = callee(address)
        assert(host.running !== null)
        return peerStats(this.#raftOf(host, host.running).status(), {
          nodeId: host.id,
          bootstrapExpect: host.setup.expect,
          version: '1',
        })
      },
      bootstrap: async (address, request) => {
        const answer = await callee(address).running?.acceptor.handle(request)
        this.#crashPoint(caller, life, 'after call')
        if (answer === undefined) throw new FairleadError('NO_SERVERS', 'nobody is there')
        return answer
      },
    }
  }

  #crashPoint(host: Host, life: { isDead: boolean }, point: string): void {
    if (!life.isDead && this.crashAt(host.id, point)) this.kill(host.id)
    if (life.isDead) throw new FairleadError('NO_SERVERS', `killed ${point}`)
  }
}
