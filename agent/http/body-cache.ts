/**
 * Finished bodies of the hottest reads, so that an unchanged answer is neither encoded nor compressed again.
 *
 * An entry is used only while the records it was made of are the very same objects (the store never changes
 * a record in place), so a restored snapshot cannot revive an old body; no index or clock is trusted.
 * Bounds: ENTRIES_MAX and BYTES_MAX; larger bodies and longer keys are not kept. The oldest goes first, but one
 * that was used since it was last looked at is spared once (the clock algorithm): unlike an order of use, this costs
 * a use nothing.
 */

import type { Layout } from './call.ts'
import { renderJson } from './render.ts'
import { RenderedBody } from './reply.ts'

export const ENTRIES_MAX = 512
export const BYTES_MAX = 32 * 1024 * 1024
const BODY_BYTES_MAX = 1024 * 1024
const KEY_LENGTH_MAX = 1024

interface Entry {
  readonly records: unknown
  readonly body: RenderedBody
  wasUsed: boolean
}

export class BodyCache {
  readonly #entries = new Map<string, Entry>()
  #bytes = 0

  /**
   * @param key all that decides the body besides the records
   * @param isSame whether the records of the kept body are identical to `records`
   */
  render<R>(
    key: string,
    layout: Layout,
    records: R,
    steps: {
      readonly isSame: (kept: R, now: R) => boolean
      readonly encode: (records: R) => string
    },
  ): RenderedBody {
    const fullKey = `${layout} ${key}`
    const known = this.#entries.get(fullKey)
    if (known !== undefined && steps.isSame(known.records as R, records)) {
      known.wasUsed = true
      return known.body
    }
    const body = new RenderedBody(Buffer.from(renderJson(steps.encode(records), layout)))
    this.#drop(fullKey)
    if (body.bytes.length <= BODY_BYTES_MAX && fullKey.length <= KEY_LENGTH_MAX) {
      this.#entries.set(fullKey, { records, body, wasUsed: false })
      this.#bytes += body.bytes.length
      this.#shrink()
    }
    return body
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#bytes -= entry.body.bytes.length
  }

  #shrink(): void {
    // Goes on with what it moves to the end, which has no second grace: an end comes at the latest there.
    for (const [key, entry] of this.#entries) {
      if (this.#entries.size <= ENTRIES_MAX && this.#bytes <= BYTES_MAX) return
      if (!entry.wasUsed) this.#drop(key)
      else {
        entry.wasUsed = false
        this.#entries.delete(key)
        this.#entries.set(key, entry)
      }
    }
  }
}
