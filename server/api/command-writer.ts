/**
 * The one way from a command to its result: stamp the leader's time, propose, read what apply said.
 *
 * Guarantees: stamps are those of leader-stamps.ts, whatever the wall clock does; a refused command becomes
 * the FairleadError that apply named. Does not judge who may write what (local-server-api does) and holds
 * nothing while there is no leader (leader-hold does).
 */

import { encodeCommand } from '../../core/catalog/codec.ts'
import type { ApplyResult, Command } from '../../core/catalog/commands.ts'
import { isFreeing } from '../../core/catalog/freeing.ts'
import type { RequestId } from '../../core/catalog/request-id.ts'
import type { StateStore } from '../../core/catalog/state-store.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Metrics } from '../../core/metrics/metrics.ts'
import type { WriteResult } from '../../core/rpc/server-api.ts'
import type { Clock, WallTime } from '../../core/time.ts'
import type { RaftNodeApi } from '../raft/types.ts'
import { LeaderStamps } from './leader-stamps.ts'
import { WriteMetrics } from './request-metrics.ts'

export interface CommandWriterDeps {
  readonly raft: Pick<RaftNodeApi, 'propose'>
  readonly store: Pick<StateStore, 'clock'>
  readonly clock: Clock
  readonly metrics: Metrics
}

export class CommandWriter {
  readonly #deps: CommandWriterDeps
  readonly #metrics: WriteMetrics
  readonly #stamps = new LeaderStamps()

  constructor(deps: CommandWriterDeps) {
    this.#deps = deps
    this.#metrics = new WriteMetrics(deps.metrics)
  }

  /**
   * One attempt. With a request id it may be repeated: the answer is then that of the first time.
   *
   * @param requestId names the request, so that the state machine executes it once however often it is written
   * @throws FairleadError of `RaftNodeApi.propose`, or the code with which apply refused (REJECTED, …)
   */
  async write(command: Command, requestId?: RequestId): Promise<WriteResult> {
    const data = encodeCommand(this.#stamp(command), requestId)
    const { raft, clock } = this.#deps
    const begun = clock.now()
    const applied = await raft.propose(data, { frees: isFreeing(command) })
    this.#metrics.written(command, clock.now() - begun)
    const result = applied.result as ApplyResult
    const index = result.replayOf ?? applied.index
    if (result.ok) return { ok: true, index, value: result.value }
    if (result.code === 'TXN_FAILED') return { ok: false, index, txnErrors: result.errors }
    throw new FairleadError(result.code, result.message, { facts: { index } })
  }

  #stamp(command: Command): Command {
    switch (command.kind) {
      case 'register':
      case 'deregister':
      case 'kv':
      case 'txn':
      case 'session.destroy':
      case 'intention.set':
      case 'intention.replace':
      case 'ca.revoke':
      case 'acl.bootstrap':
      case 'acl.token.set':
      case 'acl.token.reap':
      case 'restore.begin':
      case 'restore.piece':
      case 'restore.end':
        return { ...command, now: this.#now() }
      default:
        return command
    }
  }

  #now(): WallTime {
    const { clock, store } = this.#deps
    return this.#stamps.next(clock.now(), clock.wall(), store.clock)
  }
}
