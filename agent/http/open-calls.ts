/**
 * The requests that are being served, so that all of them can be woken when the API stops.
 *
 * An array in which each call knows its place: the last one takes the place of one that ends. A set or a map would
 * be made anew again and again under load, and each old table holds on to requests that are over until a full
 * collection. Not in any order. Bound: the connections, as each serves one request at a time.
 */

/** What is kept of a call: its place, owned by `OpenCalls` while it is open. */
export interface Placed {
  place: number
}

export class OpenCalls<C extends Placed> {
  readonly #calls: C[] = []

  get size(): number {
    return this.#calls.length
  }

  add(call: C): void {
    call.place = this.#calls.length
    this.#calls.push(call)
  }

  /** Of a call that was added and not removed. */
  remove(call: C): void {
    const last = this.#calls.pop()
    if (last === undefined || last === call) return
    this.#calls[call.place] = last
    last.place = call.place
  }

  /** A copy: what is done to a call may end it. */
  all(): readonly C[] {
    return [...this.#calls]
  }
}
