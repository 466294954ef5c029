/**
 * What waits to be sent to one peer on one lane: leaves in as few frames as possible, or is dropped.
 *
 * Messages of one turn of the event loop share a frame, and so do those that come while FRAMES_IN_FLIGHT_MAX
 * frames are on their way. Guarantees: order is kept; nothing blocks and memory is bounded: beyond the
 * bounds new messages are dropped, which Raft repairs (specification 1.5). While there is no stream only the
 * last few are kept, for the moment there is one. Bounds: QueueBounds, FRAME_BYTES_WANTED a frame but for a
 * single larger message.
 */

import type { RaftMessage } from '../../core/raft/messages.ts'
import type { ClusterName } from '../../core/rpc/peer-calls.ts'
import type { ByteStream } from './byte-stream.ts'
import { encodeFrame, MESSAGES_MAX } from './raft-frame.ts'
import { roomFor } from './raft-message-codec.ts'

export const FRAMES_IN_FLIGHT_MAX = 4
const FRAME_BYTES_WANTED = 1024 * 1024

export interface QueueBounds {
  readonly messagesMax: number
  readonly bytesMax: number
  /** Kept while there is no stream; older ones give way. */
  readonly closedMessagesMax: number
}

export class FrameQueue {
  readonly #bounds: QueueBounds
  readonly #cluster: () => ClusterName | null
  #stream: ByteStream | null = null
  #waiting: RaftMessage[] = []
  #waitingBytes = 0
  #inFlight = 0
  #isScheduled = false
  #dropped = 0

  /** @param cluster asked at every frame; without one nothing is sent */
  constructor(bounds: QueueBounds, cluster: () => ClusterName | null) {
    this.#bounds = bounds
    this.#cluster = cluster
  }

  /** Messages that were not taken, or were given up, since the queue was made. */
  get dropped(): number {
    return this.#dropped
  }

  get hasStream(): boolean {
    return this.#stream !== null
  }

  /** Sends on `stream` from now on, and what waited first; null gives up what waits. */
  use(stream: ByteStream | null): void {
    if (stream === null) {
      this.#dropped += this.#waiting.length
      this.#waiting = []
      this.#waitingBytes = 0
    }
    this.#stream = stream
    this.#inFlight = 0
    this.#schedule()
  }

  push(message: RaftMessage): void {
    const { messagesMax, bytesMax, closedMessagesMax } = this.#bounds
    const bytes = roomFor(message)
    if (this.#stream === null) {
      while (this.#waiting.length >= closedMessagesMax) this.#dropOldest()
    } else if (
      this.#waiting.length >= messagesMax ||
      (this.#waiting.length > 0 && this.#waitingBytes + bytes > bytesMax)
    ) {
      this.#dropped += 1
      return
    }
    this.#waiting.push(message)
    this.#waitingBytes += bytes
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled || this.#stream === null || this.#waiting.length === 0) return
    this.#isScheduled = true
    queueMicrotask(() => {
      this.#isScheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    const stream = this.#stream
    const cluster = this.#cluster()
    if (stream === null || cluster === null) return
    while (this.#waiting.length > 0 && this.#inFlight < FRAMES_IN_FLIGHT_MAX) {
      const messages = this.#take()
      this.#inFlight += 1
      stream.write(encodeFrame({ cluster, messages }), () => {
        if (this.#stream !== stream) return
        this.#inFlight -= 1
        this.#schedule()
      })
    }
  }

  /** As many as fit into a frame; the only one is always taken. */
  #take(): RaftMessage[] {
    let count = 0
    let bytes = 0
    for (const message of this.#waiting) {
      const more = roomFor(message)
      if (count > 0 && (count === MESSAGES_MAX || bytes + more > FRAME_BYTES_WANTED)) break
      count += 1
      bytes += more
    }
    this.#waitingBytes -= bytes
    if (count === this.#waiting.length) {
      const all = this.#waiting
      this.#waiting = []
      return all
    }
    return this.#waiting.splice(0, count)
  }

  #dropOldest(): void {
    const oldest = this.#waiting.shift()
    if (oldest === undefined) return
    this.#waitingBytes -= roomFor(oldest)
    this.#dropped += 1
  }
}
