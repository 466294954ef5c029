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
import type { JoinTokenRecord } from '../join/join-token.ts'
import type { ReadName, Reads } from '../rpc/reads.ts'
import type { ApplyResult, Command, Outcome } from './commands.ts'
import { startDraft } from './draft.ts'
import { execute, type TableCommand } from './execute.ts'
import type { FeedFrame, Topic, TopicKey } from './feed.ts'
import { type FeedBounds, FeedHub } from './feed-hub.ts'
import { ImageReader } from './image-reader.ts'
import { type ImageContents, writeImage } from './image-writer.ts'
import { joinTokenByHash } from './join-token-table.ts'
import { advanceClock } from './kv.ts'
import { aclReader } from './read-acl.ts'
import { readState } from './read-state.ts'
import type { RequestId } from './request-id.ts'
import { type Answer, RequestWindow } from './request-window.ts'
import {
  isRestoreCommand,
  type RestoreCommand,
  restoredState,
  stepRestore,
  unlessIdle,
} from './restore.ts'
import { StagedRestore } from './staged-restore.ts'
import { emptyState, type State } from './state.ts'
import { type StateSizes, stateSizes } from './state-sizes.ts'
import type {
  AclReader,
  Evaluated,
  Restoration,
  StateSnapshot,
  StateStoreApi,
  WatchKey,
} from './store-api.ts'
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
  #requests = new RequestWindow()
  /** A user's snapshot on its way in; nobody sees it. */
  #staged: StagedRestore | null = null
  #isApplying = false

  constructor(options: StateStoreOptions) {
    this.#options = options
    this.#feeds = new FeedHub(0, options.feeds)
  }

  get lastIndex(): number {
    return this.#state.lastIndex
  }

  /** The newest time that a leader has stamped, in milliseconds since the epoch; 0 before the first. */
  get clock(): number {
    return this.#state.clock
  }

  sizes(): StateSizes {
    return stateSizes(this.#state)
  }

  apply(index: number, command: Command, requestId?: RequestId): ApplyResult {
    assert(!this.#isApplying, 'apply was called by a watch or a follower')
    assert(index > this.#state.lastIndex, 'apply needs an index above every earlier one')
    if (requestId === undefined) return this.#execute(index, command)
    const found = this.#requests.find(requestId)
    if (found !== null) {
      this.#state = { ...this.#state, lastIndex: index }
      return replayed(found.answer)
    }
    const result = this.#execute(index, command)
    this.#requests.record(requestId, index, this.#state.clock, result)
    return result
  }

  #execute(index: number, command: Command): Outcome {
    const result = isRestoreCommand(command)
      ? this.#restoreStep(index, command)
      : this.#executeOnTables(index, command)
    this.#staged = unlessIdle(this.#staged, this.#state.clock)
    return result
  }

  #executeOnTables(index: number, command: TableCommand): Outcome {
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

  #restoreStep(index: number, command: RestoreCommand): Outcome {
    const base = this.#state
    const now = 'now' in command ? command.now : 0
    const staged = unlessIdle(this.#staged, Math.max(base.clock, now))
    const step = stepRestore(staged, command)
    this.#staged = step.staged
    if (!step.result.ok) {
      this.#state = { ...base, lastIndex: index }
      return step.result
    }
    const draft = startDraft(base, index, this.#options.datacenter)
    advanceClock(draft, now)
    if (step.state === undefined) this.#state = draft.next
    else this.#become(restoredState(draft.next, step.state, index))
    return step.result
  }

  #become(state: State): void {
    this.#state = state
    this.#isApplying = true
    try {
      this.#feeds.restart(state)
      this.#watches.fireAll()
    } finally {
      this.#isApplying = false
    }
  }

  read<N extends ReadName>(name: N, request: Reads[N]['request']): Evaluated<N> {
    return readState(this.#state, name, request)
  }

  caProvider(): CaProviderState | null {
    return this.#state.caProvider
  }

  acl(): AclReader {
    return aclReader(this.#state)
  }

  joinTokenByHash(hash: string): JoinTokenRecord | undefined {
    return joinTokenByHash(this.#state, hash)
  }

  snapshot(): StateSnapshot {
    return new Snapshot({
      state: this.#state,
      requests: this.#requests.freeze(),
      staged: this.#staged?.freeze() ?? null,
    })
  }

  /** @throws FairleadError STORAGE_CORRUPT | NOT_SUPPORTED; the state then is as before */
  restore(image: Iterable<Uint8Array>): void {
    const restoration = this.startRestore()
    for (const chunk of image) restoration.push(chunk)
    restoration.finish()
  }

  startRestore(): Restoration {
    const reader = new ImageReader((id, touchedAt) => new StagedRestore(id, touchedAt))
    return {
      push: (chunk) => reader.push(chunk),
      finish: () => {
        assert(!this.#isApplying, 'the state was replaced by a watch or a follower')
        const { state, requests, staged } = reader.end()
        this.#requests = requests
        this.#staged = staged
        this.#become(state)
      },
    }
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
  readonly #contents: ImageContents

  constructor(contents: ImageContents) {
    this.#contents = contents
  }

  get lastIndex(): number {
    return this.#contents.state.lastIndex
  }

  read<N extends ReadName>(name: N, request: Reads[N]['request']): Evaluated<N> {
    return readState(this.#contents.state, name, request)
  }

  caProvider(): CaProviderState | null {
    return this.#contents.state.caProvider
  }

  acl(): AclReader {
    return aclReader(this.#contents.state)
  }

  joinTokenByHash(hash: string): JoinTokenRecord | undefined {
    return joinTokenByHash(this.#contents.state, hash)
  }

  image(): Iterable<Uint8Array> {
    const contents = this.#contents
    return { [Symbol.iterator]: () => writeImage(contents) }
  }
}

function replayed(answer: Answer | null): ApplyResult {
  if (answer?.result) return { ...answer.result, replayOf: answer.index }
  const what =
    answer === null
      ? 'The request was sent before and its outcome is no longer known'
      : `The request was applied at index ${answer.index} and its result, being large, was not kept`
  const replayOf = answer === null ? {} : { replayOf: answer.index }
  return { ok: false, code: 'RESULT_FORGOTTEN', message: what, ...replayOf }
}
