/**
 * The bytes of what is sent about a topic, made once for all agents that follow it.
 *
 * The store hands one frame object to all followers of a channel; its bytes live as long as the frame does.
 * Bound: two spellings of a name at a time for each frame (SPELLINGS_MAX); others are encoded each time.
 */

import type { FeedFrame, TopicKey } from '../../core/catalog/feed.ts'
import { encodeFeedMessage, topicText } from '../../runtime/rpc/feed-messages.ts'

const SPELLINGS_MAX = 2

export class FeedEncoder {
  readonly #known = new WeakMap<FeedFrame, Map<string, Buffer>>()

  encode(topic: TopicKey, frame: FeedFrame, epoch: string): Buffer {
    // A snapshot is made for one follower; keeping its bytes would help nobody.
    if (frame.kind === 'snapshot') return encodeFeedMessage({ kind: 'frame', topic, epoch, frame })
    const name = topicText(topic)
    const known = this.#known.get(frame)
    const found = known?.get(name)
    if (found !== undefined) return found
    const bytes = encodeFeedMessage({ kind: 'frame', topic, epoch, frame })
    if (known === undefined) this.#known.set(frame, new Map([[name, bytes]]))
    else if (known.size < SPELLINGS_MAX) known.set(name, bytes)
    return bytes
  }
}
