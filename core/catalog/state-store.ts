/**
 * The replicated state machine: applies committed commands, answers reads, wakes watchers, feeds followers.
 *
 * Pure and synchronous, deterministic by construction (raft.md 7): the same commands at the same indexes
 * give the same state and the same image on every server. Reads see the last applied version; a snapshot
 * is that version, kept for O(1). Commands and what they hold are kept by reference and must not be
 * changed by the caller afterwards. Bounds: those of watch-registry.ts and feed-hub.ts; the amount of data
 * is bounded by the commands.
 */

import { assert } from '../assert.ts'
import type { ReadName, Reads } from '../rpc/reads.ts'
import type { ApplyResult, Command } from './commands.ts'
import { startDraft } from './draft.ts'
import { execute } from './execute.ts'
import type { FeedFrame, Topic, TopicKey } from './feed.ts'
import { type FeedBounds, FeedHub } from './feed-hub.ts'
import { readImage } from './image-reader.ts'
import { writeImage } from './image-writer.ts'
import { readState } from './read-state.ts'
import { emptyState, type State } from './state.ts'
import type { Evaluated, StateSnapshot, StateStoreApi, WatchKey } from './store-api.ts'
import { deltasOf } from './topics.ts'
import type { CaProviderState } from './types.ts'
import { WatchRegistry } from './watch-registry.ts'

export interface StateStoreOptions {
  /** Written on every node. */
  readonly datacenter: string
  readonly feeds?: FeedBounds
}

export class StateStore implements StateStoreApi {
  readonly #options: StateStoreOptions
  readonly #watches = new WatchRegistry()
  readonly #feeds: FeedHub
  #state: State = emptyState()
  #isApplying = false

  constructor(options: StateStoreOptions) {
    this.#options = options
    this.#feeds = new FeedHub(0, options.feeds)
  }

  get lastIndex(): number {
    return this.#state.lastIndex
  }

  apply(index: number, command: Command): ApplyResult {
    assert(!this.#isApplying, 'apply was called by a watch or a follower')
    assert(index > this.#state.lastIndex, 'apply needs an index above every earlier one')
    const base = this.#state
    const draft = startDraft(base, index, this.#options.datacenter)
    const result = execute(draft, command)
    if (!result.ok) {
      this.#state = { ...base, lastIndex: index }
      return result
    }
    this.#state = draft.next
    this.#isApplying = true
    try {
      this.#feeds.publish(index, deltasOf(draft.changes))
      this.#watches.fire(draft.fired, draft.kvKeys)
    } finally {
      this.#isApplying = false
    }
    return result
  }

  read<N extends ReadName>(name: N, request: Reads[N]['request']): Evaluated<N> {
    return readState(this.#state, name, request)
  }

  caProvider(): CaProviderState | null {
    return this.#state.caProvider
  }

  snapshot(): StateSnapshot {
    return new Snapshot(this.#state)
  }

  /** @throws FairleadError STORAGE_CORRUPT | NOT_SUPPORTED; the state then is as before */
  restore(image: Iterable<Uint8Array>): void {
    this.#state = readImage(image)
    this.#feeds.restart(this.#state)
    this.#watches.fireAll()
  }

  /** @throws FairleadError BUSY at the bound of watch-registry.ts */
  watchOnce(keys: readonly WatchKey[], onChange: () => void): () => void {
    return this.#watches.watchOnce(keys, onChange)
  }

  /** @throws FairleadError BUSY at the bound of feed-hub.ts */
  follow<T extends Topic>(
    topic: TopicKey<T>,
    fromIndex: number | undefined,
    sink: (frame: FeedFrame<T>) => void,
  ): () => void {
    return this.#feeds.follow(this.#state, topic, fromIndex, sink)
  }
}

class Snapshot implements StateSnapshot {
  readonly #state: State

  constructor(state: State) {
    this.#state = state
  }

  get lastIndex(): number {
    return this.#state.lastIndex
  }

  read<N extends ReadName>(name: N, request: Reads[N]['request']): Evaluated<N> {
    return readState(this.#state, name, request)
  }

  caProvider(): CaProviderState | null {
    return this.#state.caProvider
  }

  image(): Iterable<Uint8Array> {
    const state = this.#state
    return { [Symbol.iterator]: () => writeImage(state) }
  }
}
