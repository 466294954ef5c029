/**
 * Autopilot's host on the leader: gathers the facts every 2 s, acts on core/autopilot's verdicts every 10 s
 * (Raft specification 12).
 *
 * Guarantees: acts only between `start` and `stop`; one change of the configuration at a time, and one that
 * fails is judged anew in the next round. Facts are asked for in parallel, each for half the interval at
 * most; the leader's own log is looked at before, so that nobody seems behind for having answered first. A
 * server that lost data, or belongs elsewhere, counts as silent.
 */

import { promotions } from '../../core/autopilot/promotions.ts'
import { removals } from '../../core/autopilot/removals.ts'
import { autopilotState } from '../../core/autopilot/state.ts'
import type {
  AutopilotConfig,
  AutopilotInput,
  AutopilotSettings,
  AutopilotState,
  ServerStats,
} from '../../core/autopilot/types.ts'
import type { Command } from '../../core/catalog/commands.ts'
import type { StateStoreApi } from '../../core/catalog/store-api.ts'
import { toFairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { MemberChange } from '../../core/raft/configuration.ts'
import { serverId } from '../../core/raft/types.ts'
import { isSameCluster, type PeerCalls } from '../../core/rpc/peer-calls.ts'
import type { WriteResult } from '../../core/rpc/server-api.ts'
import type { Clock } from '../../core/time.ts'
import { instant } from '../../core/time.ts'
import type { RaftNodeApi } from '../raft/types.ts'
import type { ServerDirectory } from './server-directory.ts'

export const UPDATE_INTERVAL_MS = 2_000
/** Updates from one reconciliation to the next. */
export const UPDATES_A_ROUND = 5
const STATS_TIMEOUT_MS = UPDATE_INTERVAL_MS / 2

export interface AutopilotOptions {
  readonly nodeId: string
  /** Written when the cluster has none yet. */
  readonly initial: AutopilotSettings
  /** Heartbeats are this much slower than at 1, and so is the contact that can be asked for. */
  readonly raftMultiplier: number
}

export interface AutopilotDeps {
  readonly raft: Pick<RaftNodeApi, 'status' | 'changeMembers'>
  readonly store: Pick<StateStoreApi, 'read'>
  readonly write: (command: Command) => Promise<WriteResult>
  readonly directory: ServerDirectory
  readonly calls: Pick<PeerCalls, 'stats'>
  readonly clock: Clock
  readonly log: Logger
}

export class Autopilot {
  readonly #options: AutopilotOptions
  readonly #deps: AutopilotDeps
  #reign: AbortController | undefined
  #running: Promise<void> = Promise.resolve()
  #runningSince = 0
  #state: AutopilotState | null = null

  constructor(options: AutopilotOptions, deps: AutopilotDeps) {
    this.#options = options
    this.#deps = deps
  }

  start(): void {
    if (this.#reign !== undefined) return
    const reign = new AbortController()
    this.#reign = reign
    this.#running = this.#running.then(() => this.#run(reign.signal))
  }

  /** Resolves when nothing of it runs any more. Idempotent. */
  async stop(): Promise<void> {
    this.#reign?.abort()
    this.#reign = undefined
    await this.#running
  }

  /** The replicated settings, or those that would be the first. */
  config(): AutopilotConfig {
    const found = this.#deps.store.read('autopilot.config', {}).value
    return found ?? { ...this.#options.initial, createIndex: 0, modifyIndex: 0 }
  }

  /** @returns false when `cas` is not the present modify index */
  async setConfig(config: AutopilotSettings, cas: number | undefined): Promise<boolean> {
    const result = await this.#deps.write({
      kind: 'autopilot.config.set',
      config,
      ...(cas === undefined ? {} : { cas }),
    })
    return result.ok && result.value !== false
  }

  /** As of the last look, at most UPDATE_INTERVAL_MS ago. @throws FairleadError NO_LEADER on other servers */
  async state(): Promise<AutopilotState> {
    return this.#state ?? (await this.#look(new AbortController().signal)).state
  }

  /** As of the last look; null while this server does not lead, or before the first look. */
  get latest(): AutopilotState | null {
    return this.#reign === undefined ? null : this.#state
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps
    this.#state = null
    this.#runningSince = clock.wall()
    let next = clock.now()
    for (let updates = 1; !signal.aborted; updates++) {
      try {
        await this.#writeFirstConfig()
        const { state, input } = await this.#look(signal)
        if (signal.aborted) return
        this.#state = state
        if (updates % UPDATES_A_ROUND === 0) await this.#act(state, input, signal)
      } catch (err) {
        if (!signal.aborted) log.warn('autopilot could not finish a round', { err })
      }
      next = instant(Math.max(next + UPDATE_INTERVAL_MS, clock.now()))
      try {
        await clock.sleep(next - clock.now(), signal)
      } catch {
        return // the reign is over
      }
    }
  }

  async #writeFirstConfig(): Promise<void> {
    if (this.#deps.store.read('autopilot.config', {}).value !== null) return
    await this.setConfig(this.#options.initial, 0)
  }

  async #look(
    signal: AbortSignal,
  ): Promise<{ readonly state: AutopilotState; readonly input: AutopilotInput }> {
    const { raft, directory, clock } = this.#deps
    const { nodeId, raftMultiplier } = this.#options
    const before = raft.status()
    const stats = await this.#askAll(signal)
    const config = this.config()
    const input: AutopilotInput = {
      now: clock.wall(),
      runningSince: this.#runningSince,
      config: {
        ...config,
        lastContactThresholdMs: config.lastContactThresholdMs * raftMultiplier,
      },
      raft: {
        leaderId: nodeId,
        term: before.term,
        lastIndex: before.lastLogIndex,
        // As it is now: what is decided must hold for the present members.
        configuration: raft.status().configuration,
      },
      known: directory.servers(),
      stats,
      previous: this.#state,
    }
    return { state: autopilotState(input), input }
  }

  async #askAll(signal: AbortSignal): Promise<ReadonlyMap<string, ServerStats>> {
    const { raft, directory, clock } = this.#deps
    const { configuration, progress, cluster } = raft.status()
    const late = new AbortController()
    const timer = clock.timer(instant(clock.now() + STATS_TIMEOUT_MS), () => late.abort())
    const ended = AbortSignal.any([signal, late.signal])
    const found = new Map<string, ServerStats>()
    try {
      await Promise.all(
        configuration.addresses.map(async ({ id, address }) => {
          if (id === this.#options.nodeId || progress.get(id)?.isAmnesiac === true) return
          try {
            const stats = await this.#deps.calls.stats(directory.addressOf(id) ?? address, ended)
            if (stats.serverId !== id || stats.cluster === null || cluster === null) return
            if (isSameCluster(stats.cluster, cluster)) found.set(id, stats)
          } catch (err) {
            this.#deps.log.debug('a server did not tell how it is', { peer: id, err })
          }
        }),
      )
    } finally {
      timer.cancel()
    }
    return found
  }

  async #act(state: AutopilotState, input: AutopilotInput, signal: AbortSignal): Promise<void> {
    const { addresses } = input.raft.configuration
    const changes: readonly MemberChange[] = [
      ...removals(state, input).map((id) => ({ kind: 'remove' as const, id: serverId(id) })),
      ...promotions(state, input).flatMap((id) => {
        const member = addresses.find((each) => each.id === id)
        return member === undefined ? [] : [{ kind: 'voter' as const, ...member }]
      }),
    ]
    for (const change of changes) {
      if (signal.aborted) return
      const act = change.kind === 'voter' ? 'promotes' : 'removes'
      this.#deps.log.info(`autopilot ${act} a server`, { peer: change.id })
      try {
        await this.#deps.raft.changeMembers({ kind: 'simple', change })
      } catch (thrown) {
        const err = toFairleadError(thrown)
        this.#deps.log.warn('autopilot could not change the members', { peer: change.id, err })
        return
      }
    }
  }
}
