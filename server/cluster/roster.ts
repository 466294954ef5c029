/**
 * Makes Raft's configuration follow the gossip pool, on the leader: the duty behind core/cluster/roster-plan.ts.
 *
 * Guarantees: one sweep at a time, a change of the pool during it causes one more; a change that fails is
 * tried again after RETRY_MS. A newcomer is asked which cluster it belongs to before it is added: one of
 * another cluster is left alone and named in the log, once. A failure to answer counts as foreign until it does.
 * A member that the pool knew and has forgotten counts as left: an operator pruned it, or it was away so long
 * that the pool gave it up. One that the pool never knew in this reign is autopilot's to judge.
 */

import { nextRosterChange } from '../../core/cluster/roster-plan.ts'
import type { ServerMember } from '../../core/cluster/server-members.ts'
import { toFairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { Membership } from '../../core/membership.ts'
import type { MemberChange } from '../../core/raft/configuration.ts'
import { isSameCluster, type PeerCalls } from '../../core/rpc/peer-calls.ts'
import type { Clock, Timer } from '../../core/time.ts'
import { instant } from '../../core/time.ts'
import type { RaftNodeApi } from '../raft/types.ts'
import type { ServerDirectory } from './server-directory.ts'

const SWEEP_INTERVAL_MS = 60_000
const RETRY_MS = 1_000
const STATS_TIMEOUT_MS = 1_000
/** Changes in one sweep; the rest waits for the next. */
const CHANGES_MAX = 32

export interface RosterDeps {
  readonly raft: Pick<RaftNodeApi, 'status' | 'changeMembers'>
  readonly directory: ServerDirectory
  readonly membership: Pick<Membership, 'onChange'>
  readonly calls: Pick<PeerCalls, 'stats'>
  readonly clock: Clock
  readonly log: Logger
}

export class Roster {
  readonly #nodeId: string
  readonly #deps: RosterDeps
  /** Foreign servers that the log has named already. */
  readonly #named = new Set<string>()
  /** Members of Raft as the pool last knew them in this reign. */
  readonly #known = new Map<string, ServerMember>()
  #reign: AbortController | undefined
  #stopListening: (() => void) | undefined
  #timer: Timer | undefined
  #sweeping: Promise<void> | undefined
  #isDirty = false

  constructor(options: { readonly nodeId: string }, deps: RosterDeps) {
    this.#nodeId = options.nodeId
    this.#deps = deps
  }

  start(): void {
    this.#reign = new AbortController()
    this.#named.clear()
    this.#known.clear()
    this.#stopListening = this.#deps.membership.onChange(() => this.#sweepSoon())
    this.#sweepSoon()
  }

  /** Resolves when no sweep runs any more. Idempotent. */
  async stop(): Promise<void> {
    this.#reign?.abort()
    this.#reign = undefined
    this.#stopListening?.()
    this.#stopListening = undefined
    this.#timer?.cancel()
    this.#timer = undefined
    await this.#sweeping
  }

  #sweepSoon(): void {
    this.#isDirty = true
    if (this.#sweeping !== undefined || this.#reign === undefined) return
    this.#sweeping = this.#sweepUntilClean(this.#reign.signal).finally(() => {
      this.#sweeping = undefined
    })
  }

  async #sweepUntilClean(signal: AbortSignal): Promise<void> {
    let nextMs = SWEEP_INTERVAL_MS
    while (this.#isDirty && !signal.aborted) {
      this.#isDirty = false
      try {
        if (!(await this.#sweep(signal))) nextMs = RETRY_MS
      } catch (thrown) {
        if (signal.aborted) return
        const err = toFairleadError(thrown)
        this.#deps.log.warn('cannot follow the gossip pool with the members of raft', { err })
        nextMs = RETRY_MS
      }
    }
    if (signal.aborted) return
    const { clock } = this.#deps
    this.#timer?.cancel()
    this.#timer = clock.timer(instant(clock.now() + nextMs), () => this.#sweepSoon())
  }

  /** @returns false when somebody has to be asked again */
  async #sweep(signal: AbortSignal): Promise<boolean> {
    const { raft, directory, log } = this.#deps
    const foreign = await this.#foreignServers(signal)
    for (let changes = 0; changes < CHANGES_MAX && !signal.aborted; changes++) {
      const change = nextRosterChange({
        selfId: this.#nodeId,
        configuration: raft.status().configuration,
        servers: this.#servers(),
        isForeign: (id) => foreign.ids.has(id),
      })
      if (change === null) break
      log.info(DOING[change.kind], { peer: change.id, node: directory.find(change.id)?.name })
      await raft.changeMembers({ kind: 'simple', change })
    }
    return foreign.silent === 0
  }

  /** As gossip knows them, and as left those members that it has forgotten. */
  #servers(): readonly ServerMember[] {
    const { raft, directory } = this.#deps
    const servers = directory.servers()
    const present = new Map(servers.map((server) => [server.id, server]))
    const members = new Set<string>(raft.status().configuration.addresses.map(({ id }) => id))
    for (const id of this.#known.keys()) if (!members.has(id)) this.#known.delete(id)
    for (const id of members) {
      const server = present.get(id)
      if (server !== undefined) this.#known.set(id, server)
    }
    const forgotten = [...this.#known.values()].filter(({ id }) => !present.has(id))
    return [...servers, ...forgotten.map((server) => ({ ...server, status: 'left' as const }))]
  }

  async #foreignServers(
    signal: AbortSignal,
  ): Promise<{ readonly ids: ReadonlySet<string>; readonly silent: number }> {
    const { raft, directory, clock } = this.#deps
    const { configuration, cluster } = raft.status()
    const members = new Set<string>(configuration.addresses.map(({ id }) => id))
    const newcomers = directory
      .servers()
      .filter((server) => server.status === 'alive' && !members.has(server.id))
    const ids = new Set<string>()
    let silent = 0
    if (newcomers.length === 0) return { ids, silent }
    const late = new AbortController()
    const timer = clock.timer(instant(clock.now() + STATS_TIMEOUT_MS), () => late.abort())
    try {
      await Promise.all(
        newcomers.map(async ({ id, name, address }) => {
          try {
            const ended = AbortSignal.any([signal, late.signal])
            const stats = await this.#deps.calls.stats(address, ended)
            const theirs = stats.cluster
            if (stats.serverId !== id) ids.add(id)
            else if (theirs !== null && (cluster === null || !isSameCluster(theirs, cluster))) {
              ids.add(id)
              this.#name(id, name, theirs.clusterId)
            }
          } catch (err) {
            ids.add(id)
            silent++
            this.#deps.log.debug('a new server does not answer yet', { peer: id, err })
          }
        }),
      )
    } finally {
      timer.cancel()
    }
    return { ids, silent }
  }

  #name(id: string, node: string, cluster: string): void {
    if (this.#named.has(id)) return
    this.#named.add(id)
    this.#deps.log.error(
      'a server belongs to another cluster, or to this one before a recovery, and is not added; to add it, empty its data directory',
      { peer: id, node, cluster },
    )
  }
}

const DOING: Readonly<Record<MemberChange['kind'], string>> = {
  voter: 'making a server a voter',
  learner: 'adding a server as learner',
  remove: 'removing a server that is gone',
  address: 'a server has moved to another address',
}
