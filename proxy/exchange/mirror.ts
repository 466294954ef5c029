/**
 * Copies of requests that other instances get as well, and whose answers nobody reads (mesh.md 10.9).
 *
 * Guarantees: the request itself is sent first and takes no notice of its copies; one whose caller goes away before it is whole
 * takes them along. Bounds: MIRRORS_MAX copies under way in a proxy, MIRROR_BODY_MAX bytes of a body; a copy beyond them is
 * dropped and counted. Upgrades are not copied.
 */

import { BODY_LENGTH, BODY_NONE, type RequestHead } from '../http1/message.ts'
import type { MirrorLeg } from '../routing/mirror-policy.ts'
import { copyOf } from './head-copy.ts'
import type { RequestSink, ResponseSink } from './types.ts'

const MIRRORS_MAX = 256
const MIRROR_BODY_MAX = 64 * 1024

/** Of one proxy. */
export class Mirrors {
  active = 0
  dropped = 0

  /** There is room for another copy of this request; without it one is counted as dropped. */
  admits(head: RequestHead): boolean {
    if (head.upgrade) return false
    const isShort = head.body !== BODY_LENGTH || head.length <= MIRROR_BODY_MAX
    if (isShort && this.active < MIRRORS_MAX) return true
    this.dropped++
    return false
  }
}

export function mirrorHead(head: RequestHead, { keepsHost, request }: MirrorLeg): RequestHead {
  const text = keepsHost ? head.text : head.text.replace(HOST, '$1-shadow$2')
  return copyOf(head, request === undefined ? text : request.apply(text))
}

/** A name, not an address in brackets, which would be none any more. */
const HOST = /(\r\nhost: [^[\]:\r]+)((?::\d+)?\r\n)/i

/** Reads the answer to one copy, and forgets it. */
export class MirrorCopy implements ResponseSink {
  readonly #mirrors: Mirrors
  #isOver = false

  constructor(mirrors: Mirrors) {
    this.#mirrors = mirrors
    mirrors.active++
  }

  onInterim(): void {}

  onResponse(): void {}

  onData(): boolean {
    return true
  }

  onTrailers(): void {}

  onResponseEnd(): void {
    this.over()
  }

  onFailed(): void {
    this.over()
  }

  resumeRequest(): void {}

  over(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#mirrors.active--
  }
}

/** One copy as it is sent. */
export interface SentCopy {
  readonly sink: RequestSink
  readonly answer: MirrorCopy
}

/** @returns what takes the request from now on: `primary` itself where nothing follows the head */
export function withCopies(
  primary: RequestSink,
  head: RequestHead,
  copies: readonly SentCopy[],
  mirrors: Mirrors,
): RequestSink {
  return head.body === BODY_NONE || copies.length === 0
    ? primary
    : new MirroredRequest(primary, copies, mirrors)
}

class MirroredRequest implements RequestSink {
  readonly #primary: RequestSink
  readonly #mirrors: Mirrors
  #copies: readonly SentCopy[]
  #bytes = 0

  constructor(primary: RequestSink, copies: readonly SentCopy[], mirrors: Mirrors) {
    this.#primary = primary
    this.#copies = copies
    this.#mirrors = mirrors
  }

  data(bytes: Buffer, from: number, to: number): boolean {
    const isRoomy = this.#primary.data(bytes, from, to)
    if (this.#copies.length === 0) return isRoomy
    this.#bytes += to - from
    if (this.#bytes > MIRROR_BODY_MAX) {
      this.#mirrors.dropped += this.#copies.length
      this.#giveUp()
    }
    // Whether they are slow is no matter: what they hold is bounded.
    for (const { sink } of this.#copies) sink.data(bytes, from, to)
    return isRoomy
  }

  trailers(text: string): void {
    this.#primary.trailers(text)
    for (const { sink } of this.#copies) sink.trailers(text)
  }

  end(): void {
    this.#primary.end()
    for (const { sink } of this.#copies) sink.end()
    // Whole now, so what becomes of the request no longer concerns them.
    this.#copies = []
  }

  abort(): void {
    this.#primary.abort()
    this.#giveUp()
  }

  resumeResponse(): void {
    this.#primary.resumeResponse()
  }

  #giveUp(): void {
    const copies = this.#copies
    this.#copies = []
    for (const { sink, answer } of copies) {
      sink.abort()
      answer.over()
    }
  }
}
