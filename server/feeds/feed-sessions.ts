/**
 * The streams of feeds of all agents that have chosen this server, and the bookmarks they get.
 *
 * Guarantees: while something moves an agent hears every BOOKMARK_MS how far this server has come, else a beat
 * every BEAT_MS; spread over time, a few agents a step. A stampede is let in at ADMITTED_PER_SECOND; who
 * comes too soon is told to come again (BUSY), and waits a random while. After `close` no stream is open.
 * A change of rights counts for open streams within BOOKMARK_MS.
 * Bounds: SESSIONS_MAX streams, ADMITTED_BURST at once.
 */

import type { StateStoreApi } from '../../core/catalog/store-api.ts'
import { FairleadError } from '../../core/errors.ts'
import { type Clock, type Instant, instant, type Timer } from '../../core/time.ts'
import type { ByteStream } from '../../runtime/rpc/byte-stream.ts'
import { encodeFeedMessage } from '../../runtime/rpc/feed-messages.ts'
import { FeedEncoder } from './feed-encoder.ts'
import { FeedSession, type FeedSessionDeps, type FollowRights } from './feed-session.ts'
import type { FeedStartDeps } from './feed-start.ts'

export const SESSIONS_MAX = 65_536
export const ADMITTED_PER_SECOND = 500
export const ADMITTED_BURST = 500
export const BOOKMARK_MS = 1_000
export const BEAT_MS = 5_000
const STEP_MS = 50
const STEPS = BOOKMARK_MS / STEP_MS
const ROUNDS_PER_BEAT = BEAT_MS / BOOKMARK_MS

export interface FeedSessionsDeps {
  readonly store: Pick<StateStoreApi, 'follow' | 'lastIndex'>
  readonly start: FeedStartDeps
  readonly clock: Clock
  /** False when no leader was heard of for so long that there may be more than this server knows. */
  readonly hasLeader: () => boolean
  /** Absent without access control. */
  readonly rights?: FollowRights
}

interface Bookmark {
  readonly index: number
  readonly hasLeader: boolean
  readonly bytes: Buffer
}

export class FeedSessions {
  readonly #deps: FeedSessionsDeps
  readonly #sessions = new Set<FeedSession>()
  /** The same for all of them. */
  readonly #sessionDeps: FeedSessionDeps
  /** Those of the present round that wait for their step. */
  #round: FeedSession[] = []
  #rounds = 0
  #steps = 0
  #perStep = 0
  #timer: Timer | undefined
  #tokens = ADMITTED_BURST
  #refilledAt: Instant
  #bookmark: Bookmark | undefined
  #isClosed = false
  #refused = 0
  #dropped = 0

  constructor(deps: FeedSessionsDeps) {
    this.#deps = deps
    this.#refilledAt = deps.clock.now()
    this.#sessionDeps = {
      store: deps.store,
      start: deps.start,
      encoder: new FeedEncoder(),
      rights: deps.rights,
      bookmark: () => this.#present(),
      onDropped: () => {
        this.#dropped += 1
      },
      onEnd: (session) => this.#sessions.delete(session),
    }
  }

  get size(): number {
    return this.#sessions.size
  }

  /** Streams that were not taken. */
  get refused(): number {
    return this.#refused
  }

  /** Queues that were given up for snapshots. */
  get dropped(): number {
    return this.#dropped
  }

  accept(stream: ByteStream): void {
    const refusal = this.#refusal()
    if (refusal !== undefined) {
      this.#refused += 1
      stream.onBytes(() => {})
      stream.end(refusal)
      return
    }
    this.#sessions.add(new FeedSession(stream, this.#sessionDeps))
    this.#arm()
  }

  /** Ends all streams; their agents turn to other servers. Idempotent. */
  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#timer = undefined
    const error = new FairleadError('SHUTTING_DOWN', 'The server is shutting down')
    for (const session of [...this.#sessions]) session.end(error)
    this.#round = []
  }

  #refusal(): FairleadError | undefined {
    if (this.#isClosed) return new FairleadError('SHUTTING_DOWN', 'The server is shutting down')
    if (this.#sessions.size >= SESSIONS_MAX) {
      return new FairleadError('RATE_LIMITED', `Already ${SESSIONS_MAX} agents are served`)
    }
    const now = this.#deps.clock.now()
    const gained = ((now - this.#refilledAt) / 1000) * ADMITTED_PER_SECOND
    this.#tokens = Math.min(ADMITTED_BURST, this.#tokens + gained)
    this.#refilledAt = now
    if (this.#tokens < 1) return new FairleadError('BUSY', 'Too many agents come at once')
    this.#tokens -= 1
    return undefined
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#isClosed || this.#sessions.size === 0) return
    const { clock } = this.#deps
    this.#timer = clock.timer(instant(clock.now() + STEP_MS), () => {
      this.#timer = undefined
      this.#step()
      this.#arm()
    })
  }

  #step(): void {
    this.#steps += 1
    if (this.#steps % STEPS === 0) {
      this.#round = [...this.#sessions]
      this.#perStep = Math.ceil(this.#round.length / STEPS)
      this.#rounds += 1
    }
    const bytes = this.#present()
    const isBeat = this.#rounds % ROUNDS_PER_BEAT === 0
    for (const session of this.#round.splice(-this.#perStep)) {
      session.judge()
      session.bookmark(bytes, isBeat)
    }
  }

  /** Encoded once for all who get it. */
  #present(): Buffer {
    const { store, hasLeader } = this.#deps
    const index = store.lastIndex
    const isLed = hasLeader()
    if (this.#bookmark?.index !== index || this.#bookmark.hasLeader !== isLed) {
      const bytes = encodeFeedMessage({ kind: 'bookmark', index, hasLeader: isLed })
      this.#bookmark = { index, hasLeader: isLed, bytes }
    }
    return this.#bookmark.bytes
  }
}
