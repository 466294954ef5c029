/**
 * The replicated state machine: committed bytes in, the state store's result out.
 *
 * Guarantees: every entry is decoded and applied exactly as it stands in the log, then shown to the
 * observers (the leader's timers) in order. Bytes that this build cannot decode stop the server: going on
 * without them would make it differ from the others.
 */

import { decodeCommand } from '../core/catalog/codec.ts'
import type { ApplyResult, Command } from '../core/catalog/commands.ts'
import type { StateStoreApi } from '../core/catalog/store-api.ts'
import { FairleadError } from '../core/errors.ts'
import type { RaftStateMachine } from './raft/types.ts'

export interface AppliedCommand {
  readonly index: number
  readonly command: Command
  readonly result: ApplyResult
}

export class StateMachine implements RaftStateMachine {
  readonly #store: StateStoreApi
  readonly #observers: ((applied: AppliedCommand) => void)[] = []

  constructor(store: StateStoreApi) {
    this.#store = store
  }

  /** Calls `observer` after every applied command; it must not throw, wait or write. */
  observe(observer: (applied: AppliedCommand) => void): void {
    this.#observers.push(observer)
  }

  /** @throws FairleadError STORAGE_CORRUPT when the entry cannot be decoded */
  apply(index: number, data: Uint8Array): ApplyResult {
    const command = this.#decode(index, data)
    const result = this.#store.apply(index, command)
    for (const observer of this.#observers) observer({ index, command, result })
    return result
  }

  snapshot(): { readonly lastIndex: number; image(): Iterable<Uint8Array> } {
    return this.#store.snapshot()
  }

  restore(image: Iterable<Uint8Array>): void {
    this.#store.restore(image)
  }

  #decode(index: number, data: Uint8Array): Command {
    try {
      return decodeCommand(data)
    } catch (cause) {
      throw new FairleadError(
        'STORAGE_CORRUPT',
        `The committed command at index ${index} cannot be read by this version`,
        { cause, facts: { index } },
      )
    }
  }
}
