/**
 * What happened in a run: one number that equal runs share, and the last events in words.
 *
 * Every event is folded into the hash (virtual time, server, what, numbers); only the last `EVENTS_KEPT` are
 * kept. Numbers alone are stored on the way, words are made when somebody asks.
 */

const EVENTS_KEPT = 400
const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193

export interface TraceEvent {
  readonly at: number
  readonly server: string
  readonly what: string
  readonly a: number
  readonly b: number
  readonly c: number
}

export class Trace {
  readonly #events: TraceEvent[] = []
  readonly #codes = new Map<string, number>()
  #next = 0
  #hash = FNV_OFFSET

  get hash(): number {
    return this.#hash >>> 0
  }

  note(at: number, server: string, what: string, a = 0, b = 0, c = 0): void {
    let hash = this.#hash
    hash = Math.imul(hash ^ at, FNV_PRIME)
    hash = Math.imul(hash ^ this.#code(server), FNV_PRIME)
    hash = Math.imul(hash ^ this.#code(what), FNV_PRIME)
    hash = Math.imul(hash ^ a, FNV_PRIME)
    hash = Math.imul(hash ^ b, FNV_PRIME)
    this.#hash = Math.imul(hash ^ c, FNV_PRIME)
    this.#events[this.#next] = { at, server, what, a, b, c }
    this.#next = (this.#next + 1) % EVENTS_KEPT
  }

  /** Oldest first. */
  last(count: number): readonly TraceEvent[] {
    const inOrder = [...this.#events.slice(this.#next), ...this.#events.slice(0, this.#next)]
    return inOrder.slice(-count)
  }

  #code(text: string): number {
    const known = this.#codes.get(text)
    if (known !== undefined) return known
    let code = FNV_OFFSET
    for (let i = 0; i < text.length; i++) code = Math.imul(code ^ text.charCodeAt(i), FNV_PRIME)
    this.#codes.set(text, code)
    return code
  }
}
