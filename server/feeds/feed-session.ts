/**
 * One agent's stream of feeds: all topics it follows, in log order, over one connection.
 *
 * Guarantees: for each topic a snapshot or a resumption, then every change, without a gap; a bookmark is sent
 * only when everything before it has been. An agent that is too slow for the bound has its queue dropped; each
 * topic then begins again with a snapshot, one at a time as the connection takes them. Malformed messages end
 * the stream with an error and touch nothing else.
 * Bounds: TOPICS_MAX topics, QUEUE_BYTES_MAX waiting (a lone message of any size excepted), IN_FLIGHT_BYTES_MAX
 * given to the connection.
 */

import type { FeedFrame, FeedPosition, Topic, TopicKey } from '../../core/catalog/feed.ts'
import type { StateStoreApi } from '../../core/catalog/store-api.ts'
import { FairleadError, toFairleadError } from '../../core/errors.ts'
import type { ByteStream } from '../../runtime/rpc/byte-stream.ts'
import {
  decodeFromAgent,
  encodeFeedMessage,
  type FromServer,
  topicText,
} from '../../runtime/rpc/feed-messages.ts'
import type { FeedEncoder } from './feed-encoder.ts'
import { checkedFeedMessage } from './feed-shapes.ts'
import { type FeedStartDeps, feedStart } from './feed-start.ts'

export const TOPICS_MAX = 8192
export const QUEUE_BYTES_MAX = 4 * 1024 * 1024
const IN_FLIGHT_BYTES_MAX = 256 * 1024
const TOO_SLOW = 'The agent does not read what it is sent'

export interface FeedSessionDeps {
  readonly store: Pick<StateStoreApi, 'follow' | 'lastIndex'>
  readonly start: FeedStartDeps
  readonly encoder: FeedEncoder
  /** The present bookmark, encoded; asked for when the agent wants one at once. */
  readonly bookmark: () => Buffer
  /** Called when the agent was too slow and its topics begin anew. */
  readonly onDropped: () => void
  /** Called once, when the stream is over. */
  readonly onEnd: (session: FeedSession) => void
  readonly queueBytesMax?: number
  /** Absent without access control. */
  readonly rights?: FollowRights | undefined
}

export interface FollowRights {
  /** Another number whenever what tokens may do may have changed. */
  version(): number
  /** Whether the bearer of a secret may follow the catalog. */
  mayFollow(secret: string, topic: Topic): boolean
}

interface Followed {
  readonly topic: TopicKey
  /** As `topicText` writes it. */
  readonly name: string
  readonly secret: string
  /** Absent while it waits for its start or for room. */
  leave: (() => void) | undefined
}

export class FeedSession {
  readonly #stream: ByteStream
  readonly #deps: FeedSessionDeps
  readonly #topics = new Map<string, Followed>()
  /** There while a topic waits for its start: with ten thousand streams it would be much to keep. */
  #starting: { readonly over: AbortController; count: number } | undefined
  #queue: Buffer[] = []
  #queuedBytes = 0
  #inFlightBytes = 0
  /** Dropped with the queue; each begins anew when there is room. */
  #dropped: Followed[] = []
  #isFlushing = false
  #lastBookmark: Buffer | undefined
  #judgedAt = -1
  #hasEnded = false

  constructor(stream: ByteStream, deps: FeedSessionDeps) {
    this.#stream = stream
    this.#deps = deps
    stream.onEnd(() => this.#ended())
    stream.onFinished(() => this.end())
    stream.onBytes((bytes) => this.#receive(bytes))
  }

  get topics(): number {
    return this.#topics.size
  }

  /**
   * Tells the agent that all up to the bookmark was sent, if that is so and is news or `isBeat`.
   *
   * @param bytes the same object as long as the bookmark is the same
   */
  bookmark(bytes: Buffer, isBeat: boolean): void {
    if (this.#hasEnded || this.#dropped.length > 0 || this.#queue.length > 0) return
    if (bytes === this.#lastBookmark && !isBeat) return
    this.#lastBookmark = bytes
    this.#push(bytes)
  }

  /** Idempotent. */
  end(error?: FairleadError): void {
    if (this.#hasEnded) return
    this.#stream.end(error)
    this.#ended()
  }

  #receive(bytes: Buffer): void {
    if (this.#hasEnded) return
    try {
      const message = checkedFeedMessage(decodeFromAgent(bytes))
      if (message.kind === 'follow') void this.#follow(message.topic, message)
      else if (message.kind === 'leave') this.#leave(message.topic)
      else this.bookmark(this.#deps.bookmark(), true)
    } catch (thrown) {
      this.end(toFairleadError(thrown))
    }
  }

  async #follow(
    topic: TopicKey,
    { from, secret }: { readonly from?: FeedPosition; readonly secret?: string },
  ): Promise<void> {
    this.#leave(topic)
    const followed: Followed = {
      topic,
      name: topicText(topic),
      secret: this.#kept(secret ?? ''),
      leave: undefined,
    }
    if (this.#topics.size >= TOPICS_MAX) {
      const text = `Already ${TOPICS_MAX} topics are followed on this stream`
      this.#sayRefused(topic, new FairleadError('RATE_LIMITED', text))
      return
    }
    this.#topics.set(followed.name, followed)
    try {
      const fromIndex = await this.#startOf(from)
      // After the start, when this server knows all there was to know.
      if (this.#isFollowed(followed)) this.#begin(followed, fromIndex)
    } catch (thrown) {
      this.#refuse(followed, toFairleadError(thrown))
    }
  }

  async #startOf(from: FeedPosition | undefined): Promise<number | undefined> {
    const starting = this.#starting ?? { over: new AbortController(), count: 0 }
    this.#starting = starting
    starting.count += 1
    try {
      return await feedStart(from, this.#deps.start, starting.over.signal)
    } finally {
      starting.count -= 1
      if (starting.count === 0) this.#starting = undefined
    }
  }

  /** @throws FairleadError BUSY when the store has too many followers, PERMISSION_DENIED */
  #begin(followed: Followed, fromIndex: number | undefined): void {
    const { store, start } = this.#deps
    this.#assertMayFollow(followed)
    const { topic } = followed
    // Frames come from inside the call already. Later, what follows must not hold on to a snapshot.
    let first: FeedFrame[] | undefined = []
    followed.leave = store.follow(topic, fromIndex, (frame) => {
      if (first !== undefined) first.push(frame)
      else this.#deliver(followed, frame)
    })
    const frames = first
    first = undefined
    if (fromIndex !== undefined && frames[0]?.kind !== 'snapshot') {
      this.#tell({ kind: 'resumed', topic, epoch: start.epoch(), index: fromIndex })
    }
    for (const frame of frames) {
      if (followed.leave !== undefined) this.#deliver(followed, frame)
    }
  }

  #deliver(followed: Followed, frame: FeedFrame): void {
    const { encoder, start } = this.#deps
    this.#push(encoder.encode(followed.name, followed.topic, frame, start.epoch()))
  }

  /** Once for each change of rights: what may not be followed any more ends, the rest goes on. */
  judge(): void {
    const version = this.#deps.rights?.version()
    if (version === undefined || version === this.#judgedAt || this.#hasEnded) return
    this.#judgedAt = version
    for (const followed of [...this.#topics.values()]) {
      if (followed.leave === undefined) continue // judged when it begins
      try {
        this.#assertMayFollow(followed)
      } catch (thrown) {
        followed.leave()
        followed.leave = undefined
        this.#refuse(followed, toFairleadError(thrown))
      }
    }
  }

  #assertMayFollow({ topic, secret }: Followed): void {
    if (this.#deps.rights?.mayFollow(secret, topic.topic) === false) throw mayNotFollow(topic)
  }

  /** An agent has one secret for all its topics: one text is kept of it. */
  #kept(secret: string): string {
    const [any] = this.#topics.values()
    return any?.secret === secret ? any.secret : secret
  }

  #leave(topic: TopicKey): void {
    const name = topicText(topic)
    const followed = this.#topics.get(name)
    if (followed === undefined) return
    this.#topics.delete(name)
    followed.leave?.()
    followed.leave = undefined
    if (this.#dropped.length > 0) this.#dropped = this.#dropped.filter((one) => one !== followed)
  }

  #isFollowed(followed: Followed): boolean {
    return !this.#hasEnded && this.#topics.get(followed.name) === followed
  }

  #refuse(followed: Followed, error: FairleadError): void {
    if (!this.#isFollowed(followed)) return
    this.#topics.delete(followed.name)
    this.#sayRefused(followed.topic, error)
  }

  /** Not queued: it must not be dropped, and its order among frames does not matter. */
  #sayRefused(topic: TopicKey, { code, message }: FairleadError): void {
    this.#write(encodeFeedMessage({ kind: 'refused', topic, code, message }))
    if (this.#inFlightBytes > QUEUE_BYTES_MAX) this.end(new FairleadError('BUSY', TOO_SLOW))
  }

  #tell(message: FromServer): void {
    this.#push(encodeFeedMessage(message))
  }

  #push(bytes: Buffer): void {
    if (this.#hasEnded) return
    const max = this.#deps.queueBytesMax ?? QUEUE_BYTES_MAX
    if (this.#queue.length > 0 && this.#queuedBytes + bytes.length > max) {
      this.#drop()
      return
    }
    this.#queue.push(bytes)
    this.#queuedBytes += bytes.length
    this.#flush()
  }

  /** Gives up what waits and follows nothing until there is room. Topics that wait for their start are let be. */
  #drop(): void {
    this.#deps.onDropped()
    this.#queue = []
    this.#queuedBytes = 0
    for (const followed of this.#topics.values()) {
      if (followed.leave === undefined) continue
      followed.leave()
      followed.leave = undefined
      this.#dropped.push(followed)
    }
  }

  #flush(): void {
    if (this.#isFlushing) return
    this.#isFlushing = true
    while (this.#inFlightBytes < IN_FLIGHT_BYTES_MAX && !this.#hasEnded) {
      const bytes = this.#queue.shift()
      if (bytes !== undefined) {
        this.#queuedBytes -= bytes.length
        this.#write(bytes)
        continue
      }
      const followed = this.#dropped.shift()
      if (followed === undefined) break
      this.#beginAnew(followed)
    }
    this.#isFlushing = false
  }

  #write(bytes: Buffer): void {
    this.#inFlightBytes += bytes.length
    this.#stream.write(bytes, () => {
      this.#inFlightBytes -= bytes.length
      if (!this.#hasEnded) this.#flush()
    })
  }

  #beginAnew(followed: Followed): void {
    try {
      this.#begin(followed, undefined)
    } catch (thrown) {
      this.#refuse(followed, toFairleadError(thrown))
    }
  }

  #ended(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#starting?.over.abort(new FairleadError('SHUTTING_DOWN', 'The stream of feeds has ended'))
    for (const followed of this.#topics.values()) followed.leave?.()
    this.#topics.clear()
    this.#queue = []
    this.#dropped = []
    this.#deps.onEnd(this)
  }
}

function mayNotFollow({ topic }: TopicKey): FairleadError {
  return new FairleadError(
    'PERMISSION_DENIED',
    `Permission denied: the agent's token may not follow "${topic}"; it needs node:write on its node, set it with acl set-agent-token agent`,
  )
}
