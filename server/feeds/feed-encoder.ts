/**
 * The bytes of what is sent about a topic, made once for all agents that get it.
 *
 * The store hands one frame object to all followers of a channel, one after the other; the bytes of the last few
 * frames are kept for that. Not in a weak map: the collector would have to look through all of it while
 * everything stands still. Snapshots are made anew for each follower, but those of one topic at one index are the
 * same: when a whole fleet comes at once, most of them are encoded once.
 * Bounds: DELTAS_MAX deltas, each in two spellings of a name at a time (SPELLINGS_MAX); the snapshots of one index,
 * SNAPSHOT_BYTES_MAX of them. What is beyond is encoded each time.
 */

import type { FeedFrame, TopicKey } from '../../core/catalog/feed.ts'
import { encodeFeedMessage } from '../../runtime/rpc/feed-messages.ts'

const DELTAS_MAX = 16
const SPELLINGS_MAX = 2
export const SNAPSHOT_BYTES_MAX = 16 * 1024 * 1024

export class FeedEncoder {
  /** Oldest first. */
  readonly #deltas = new Map<FeedFrame, Map<string, Buffer>>()
  readonly #snapshots = new Map<string, Buffer>()
  #snapshotBytes = 0
  /** Of all that is in `#snapshots`. */
  #index = 0
  #epoch = ''

  /** @param name of the topic, as `topicText` writes it */
  encode(name: string, topic: TopicKey, frame: FeedFrame, epoch: string): Buffer {
    if (epoch !== this.#epoch) {
      this.#deltas.clear()
      this.#forgetSnapshots()
      this.#epoch = epoch
    }
    const make = (): Buffer => encodeFeedMessage({ kind: 'frame', topic, epoch, frame })
    return frame.kind === 'snapshot'
      ? this.#snapshot(name, frame.index, make)
      : this.#delta(name, frame, make)
  }

  #delta(name: string, frame: FeedFrame, make: () => Buffer): Buffer {
    const known = this.#deltas.get(frame)
    const found = known?.get(name)
    if (found !== undefined) return found
    const bytes = make()
    if (known === undefined) this.#keep(frame, new Map([[name, bytes]]))
    else if (known.size < SPELLINGS_MAX) known.set(name, bytes)
    return bytes
  }

  #keep(frame: FeedFrame, spellings: Map<string, Buffer>): void {
    this.#deltas.set(frame, spellings)
    if (this.#deltas.size <= DELTAS_MAX) return
    for (const oldest of this.#deltas.keys()) {
      this.#deltas.delete(oldest)
      return
    }
  }

  #snapshot(name: string, index: number, make: () => Buffer): Buffer {
    if (index !== this.#index) this.#forgetSnapshots()
    this.#index = index
    const known = this.#snapshots.get(name)
    if (known !== undefined) return known
    const bytes = make()
    if (this.#snapshotBytes + bytes.length > SNAPSHOT_BYTES_MAX) return bytes
    this.#snapshots.set(name, bytes)
    this.#snapshotBytes += bytes.length
    return bytes
  }

  #forgetSnapshots(): void {
    this.#snapshots.clear()
    this.#snapshotBytes = 0
  }
}
