/**
 * Between the core's append jobs and the disk: order, coalescing, and who may speak when.
 *
 * Guarantees duties 1 and 2 of the core: one write runs at a time, jobs go in order of their tokens, and a
 * message that has to wait for a job leaves after that job is durable, in the order it was made. Jobs that
 * queue up behind a running write share the next one (group commit). Synchronous; shared by the real host
 * and the simulator. Bounds: a write has at most 1,024 entries or 1 MiB unless one job alone exceeds it;
 * jobs queued are bounded by the windows of the leader.
 */

import { assert } from '../../core/assert.ts'
import type { RaftMessage } from '../../core/raft/messages.ts'
import { type AppendJob, type AppendToken, appendToken, type Batch } from '../../core/raft/types.ts'

export const WRITE_ENTRIES_MAX = 1_024
export const WRITE_BYTES_MAX = 1_048_576

export interface AppendPipelineEffects {
  /** Starts one atomic, synced write; its end is told by `finished`. */
  write(jobs: readonly AppendJob[]): void
  send(message: RaftMessage): void
}

interface Held {
  readonly afterToken: AppendToken
  readonly messages: readonly RaftMessage[]
}

export class AppendPipeline {
  readonly #effects: AppendPipelineEffects
  #queued: AppendJob[] = []
  #running: readonly AppendJob[] = []
  #held: Held[] = []
  #durable = appendToken(0)

  constructor(effects: AppendPipelineEffects) {
    this.#effects = effects
  }

  /** No write is running or waiting. */
  get isIdle(): boolean {
    return this.#running.length === 0 && this.#queued.length === 0
  }

  /** Takes over the job and the messages of a batch. */
  push(batch: Pick<Batch, 'job' | 'messages' | 'messagesAfterAppend' | 'afterToken'>): void {
    for (const message of batch.messages) this.#effects.send(message)
    if (batch.messagesAfterAppend.length > 0) {
      this.#held.push({ afterToken: batch.afterToken, messages: batch.messagesAfterAppend })
    }
    if (batch.job !== null) this.#queued.push(batch.job)
    this.#startWrite()
    this.#release()
  }

  /** The running write is durable. @returns its tokens, in order, for the core */
  finished(): readonly AppendToken[] {
    const tokens = this.#running.map((job) => job.token)
    const last = tokens.at(-1)
    assert(last !== undefined, 'a write was running')
    this.#running = []
    this.#durable = last
    this.#release()
    this.#startWrite()
    return tokens
  }

  #startWrite(): void {
    if (this.#running.length > 0 || this.#queued.length === 0) return
    let count = 0
    let entries = 0
    let bytes = 0
    for (const job of this.#queued) {
      entries += job.entries.length
      for (const entry of job.entries) bytes += entry.data.length
      if (count > 0 && (entries > WRITE_ENTRIES_MAX || bytes > WRITE_BYTES_MAX)) break
      count++
    }
    this.#running = this.#queued.slice(0, count)
    this.#queued = this.#queued.slice(count)
    this.#effects.write(this.#running)
  }

  #release(): void {
    let released = 0
    for (const held of this.#held) {
      if (held.afterToken > this.#durable) break
      for (const message of held.messages) this.#effects.send(message)
      released++
    }
    if (released > 0) this.#held = this.#held.slice(released)
  }
}
