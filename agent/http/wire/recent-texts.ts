/**
 * The texts of records that were printed lately. Records are immutable, so a text holds as long as its record.
 *
 * Two generations: what is asked for moves to the young one, and when that is full the old one goes. Not a
 * weak map: with a text for each record of a large state the collector has to look through all of them
 * while everything stands still (0.6 s with 200,000 records), and they are most of the heap.
 * Bound: twice GENERATION_MAX texts; a record that was deleted may stay until others have replaced it.
 */

const GENERATION_MAX = 8_192

export class RecentTexts<R extends object> {
  readonly #encode: (record: R) => string
  #young = new Map<R, string>()
  #old = new Map<R, string>()

  constructor(encode: (record: R) => string) {
    this.#encode = encode
  }

  of(record: R): string {
    const known = this.#young.get(record)
    if (known !== undefined) return known
    const text = this.#old.get(record) ?? this.#encode(record)
    if (this.#young.size >= GENERATION_MAX) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(record, text)
    return text
  }
}
