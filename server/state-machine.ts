/**
 * The replicated state machine: committed bytes in, the state store's result out.
 *
 * Guarantees: every entry is decoded and applied exactly as it stands in the log, then shown to the
 * observers (the leader's timers) in order; a request that had been applied before is not. Bytes that this
 * build cannot decode stop the server: going on without them would make it differ from the others.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import { decodeLogged, type LoggedCommand } from '../core/catalog/codec.ts'
import type { ApplyResult, Command } from '../core/catalog/commands.ts'
import type { StateStoreApi } from '../core/catalog/store-api.ts'
import { FairleadError } from '../core/errors.ts'
import type { Metrics } from '../core/metrics/metrics.ts'
import type { Clock } from '../core/time.ts'
import { FsmMetrics } from './fsm-metrics.ts'
import type { RaftStateMachine } from './raft/types.ts'

/** An image is read in pieces of this size, with other work in between. */
const PIECE_SIZE = 128 * 1024

export interface AppliedCommand {
  readonly index: number
  readonly command: Command
  readonly result: ApplyResult
}

export class StateMachine implements RaftStateMachine {
  readonly #store: StateStoreApi
  readonly #clock: Clock
  readonly #metrics: FsmMetrics
  readonly #observers: ((applied: AppliedCommand) => void)[] = []

  constructor(
    store: StateStoreApi,
    { clock, metrics }: { readonly clock: Clock; readonly metrics: Metrics },
  ) {
    this.#store = store
    this.#clock = clock
    this.#metrics = new FsmMetrics(metrics)
  }

  /** Calls `observer` after every applied command; it must not throw, wait or write. */
  observe(observer: (applied: AppliedCommand) => void): void {
    this.#observers.push(observer)
  }

  /** @throws FairleadError STORAGE_CORRUPT when the entry cannot be decoded */
  apply(index: number, data: Uint8Array): ApplyResult {
    const { command, requestId } = this.#decode(index, data)
    const begun = this.#clock.now()
    const result = this.#store.apply(index, command, requestId)
    this.#metrics.applied(command, this.#clock.now() - begun)
    if (result.replayOf !== undefined) return result
    for (const observer of this.#observers) observer({ index, command, result })
    return result
  }

  snapshot(): { readonly lastIndex: number; image(): Iterable<Uint8Array> } {
    return this.#store.snapshot()
  }

  async restore(image: AsyncIterable<Uint8Array>): Promise<void> {
    const restoration = this.#store.startRestore()
    for await (const chunk of image) {
      for (let at = 0; at < chunk.length; at += PIECE_SIZE) {
        restoration.push(chunk.subarray(at, at + PIECE_SIZE))
        await nextTurn()
      }
    }
    restoration.finish()
  }

  #decode(index: number, data: Uint8Array): LoggedCommand {
    try {
      return decodeLogged(data)
    } catch (cause) {
      throw new FairleadError(
        'STORAGE_CORRUPT',
        `The committed command at index ${index} cannot be read by this version`,
        { cause, facts: { index } },
      )
    }
  }
}
