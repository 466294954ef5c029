/**
 * The receiving end of images: an offer goes through the core, the bytes into the snapshot store.
 *
 * Guarantees that the core hears of an image only when it is whole, proven and durable, and that it hears
 * of every one that it wanted and will not get. Bound: one image at a time; another is declined meanwhile.
 * Source: Raft specification 9.3.
 */

import type { Logger } from '../../core/log.ts'
import type { SnapshotOfferMessage } from '../../core/raft/messages.ts'
import type { RaftInput, SnapshotMeta, SnapshotOffer } from '../../core/raft/types.ts'
import type { SnapshotReception, SnapshotStore } from '../../runtime/storage/snapshot-store.ts'
import { ImageReception } from './image-reception.ts'
import type { ImageFacts, SnapshotReceiver, SnapshotSink } from './transport.ts'

export interface ImageReceiverDeps {
  readonly snapshots: SnapshotStore
  readonly log: Logger
  /** Hands a message to the core in the next turn; false when it was dropped. */
  readonly receive: (message: SnapshotOfferMessage) => boolean
  readonly input: (input: RaftInput) => void
}

export class ImageReceiver implements SnapshotReceiver {
  readonly #deps: ImageReceiverDeps
  readonly #reception = new ImageReception()
  #judge: ((isWanted: boolean) => void) | null = null
  #isClosed = false

  constructor(deps: ImageReceiverDeps) {
    this.#deps = deps
  }

  async offered(offer: SnapshotOfferMessage, image: ImageFacts): Promise<SnapshotSink | null> {
    const { snapshots, log } = this.#deps
    const { snapshot } = offer
    if (this.#isClosed || !this.#reception.offered(snapshot)) return null
    if (!this.#deps.receive(offer)) {
      this.#reception.ended()
      return null
    }
    const isWanted = await new Promise<boolean>((resolve) => {
      this.#judge = resolve
    })
    if (!isWanted) return null
    try {
      const sink = this.#sink(snapshot, await snapshots.receive(snapshot, image))
      log.info('receiving an image', {
        peer: offer.from,
        index: snapshot.index,
        sizeBytes: image.sizeBytes,
        resumeFrom: sink.resumeFrom,
      })
      return sink
    } catch (thrown) {
      this.#abandoned(snapshot)
      throw thrown
    }
  }

  /** At the end of a turn. @param wanted what the core wants of what it was offered in this turn */
  judged(wanted: SnapshotOffer | null): void {
    const verdict = this.#reception.judged(wanted?.snapshot ?? null)
    if (verdict === null) return
    this.#judge?.(verdict === 'wanted')
    this.#judge = null
  }

  /** Offers and images that are on their way come to nothing. */
  close(): void {
    this.#isClosed = true
    this.#reception.ended()
    this.#judge?.(false)
    this.#judge = null
  }

  #sink(snapshot: SnapshotMeta, reception: SnapshotReception): SnapshotSink {
    return {
      resumeFrom: reception.received,
      write: (chunk) => reception.write(chunk),
      finish: async () => {
        try {
          await reception.finish()
        } catch (thrown) {
          this.#abandoned(snapshot)
          throw thrown
        }
        if (this.#isClosed) return
        this.#deps.log.info('image received', { index: snapshot.index })
        this.#reception.ended()
        this.#deps.input({ kind: 'snapshot-received', snapshot })
      },
      abandon: async () => {
        try {
          await reception.pause()
        } finally {
          this.#abandoned(snapshot)
        }
      },
    }
  }

  #abandoned(snapshot: SnapshotMeta): void {
    if (this.#isClosed) return
    this.#reception.ended()
    this.#deps.input({ kind: 'snapshot-abandoned', snapshot })
  }
}
