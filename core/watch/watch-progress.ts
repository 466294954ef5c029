/**
 * How far one watch has come: what to ask next, and what of an answer is news (agent-config.md section 10). Pure.
 *
 * Guarantees: what is handed out differs from what was handed out before; each event is handed out once; the first
 * answer always is. A watch of events begins with those that the agent remembers.
 */

import { compactJson } from './compact-json.ts'
import type { WatchTarget } from './watch-target.ts'

const RETRY_STEP_MS = 5_000
const RETRY_MAX_MS = 180_000

export interface WatchAnswer {
  /** Of the header that the target blocks on; undefined when it is missing. */
  readonly mark: string | undefined
  /** Nothing is there: 404. */
  readonly isAbsent: boolean
  /** JSON, or anything where `isAbsent`. */
  readonly body: string
}

export interface WatchNews {
  /** Compact JSON. */
  readonly json: string
  readonly mark: string
}

export class WatchProgress {
  readonly #target: WatchTarget
  #mark = ''
  #told: string | undefined
  #lastEvent: string | undefined
  #failures = 0

  constructor(target: WatchTarget) {
    this.#target = target
  }

  get query(): WatchTarget['query'] {
    const { query, blocksOn } = this.#target
    return this.#mark === '' ? query : { ...query, [blocksOn]: this.#mark }
  }

  /** @returns what is to be handed out, or null */
  onAnswer(answer: WatchAnswer): WatchNews | null {
    this.#failures = 0
    const mark = answer.mark ?? ''
    if (mark === this.#mark && this.#told !== undefined) return null
    // An index that goes back is that of another state: what follows it cannot be waited for.
    this.#mark = this.#isBack(mark) ? '' : mark
    const json = this.#jsonOf(answer)
    if (json === null || json === this.#told) return null
    this.#told = json
    return { json, mark }
  }

  /** @returns ms until the next attempt */
  onFailure(): number {
    this.#failures++
    return Math.min(RETRY_MAX_MS, RETRY_STEP_MS * this.#failures ** 2)
  }

  #isBack(mark: string): boolean {
    const { blocksOn, gives } = this.#target
    // The index of events has no order.
    if (blocksOn === 'hash' || gives === 'events' || this.#mark === '') return false
    return Number(mark) < Number(this.#mark)
  }

  #jsonOf({ isAbsent, body }: WatchAnswer): string | null {
    const { gives } = this.#target
    if (isAbsent) return gives === 'list' || gives === 'events' ? '[]' : 'null'
    const json = compactJson(body)
    if (gives === 'first') return json === '[]' ? 'null' : json.slice(1, -1)
    return gives === 'events' ? this.#newEvents(json) : json
  }

  #newEvents(json: string): string | null {
    const events: unknown = JSON.parse(json)
    if (!Array.isArray(events)) return null
    const seen = events.findIndex((event) => event?.ID === this.#lastEvent)
    const news = events.slice(seen + 1)
    this.#lastEvent = events.at(-1)?.ID
    const isFirst = this.#told === undefined
    return news.length === 0 && !isFirst ? null : JSON.stringify(news)
  }
}
