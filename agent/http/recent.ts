/**
 * What was made of the keys that were asked for lately, so that it is made once for what is asked again and again.
 *
 * For keys that always give the same: texts of records, which are immutable, or what a URL means. Two generations: what
 * is asked for moves to the young one, and when that is full the old one goes. Not a weak map: with a value for each
 * record of a large state the collector has to look through all of them while everything stands still (0.6 s with
 * 200,000 records), and they are most of the heap. Bound: twice `generationMax` values, which hold on to their keys; a
 * record that was deleted may stay until others have replaced it.
 */

const GENERATION_MAX = 8_192

/** A value is never undefined. */
export class Recent<K, V extends string | boolean | object> {
  readonly #make: (key: K) => V
  readonly #generationMax: number
  #young = new Map<K, V>()
  #old = new Map<K, V>()

  constructor(make: (key: K) => V, generationMax: number = GENERATION_MAX) {
    this.#make = make
    this.#generationMax = generationMax
  }

  of(key: K): V {
    const known = this.#young.get(key)
    if (known !== undefined) return known
    const value = this.#old.get(key) ?? this.#make(key)
    if (this.#young.size >= this.#generationMax) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, value)
    return value
  }
}
