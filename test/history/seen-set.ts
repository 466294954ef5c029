/**
 * The memory of the linearizability search: which sets of operations with which state were tried already.
 *
 * Sets live as bits in one large array, found by open addressing over a hash that the caller keeps
 * incrementally; a hit compares the bits, so a collision costs time and never an answer. Bound: `bytesMax`,
 * beyond which `add` says 'full'.
 */

const FIRST_CAPACITY = 64

export class SeenSet {
  readonly #words: number
  readonly #bytesMax: number
  #capacity = FIRST_CAPACITY
  #count = 0
  #bits: Uint32Array
  #states: Int32Array
  #hashes: Uint32Array
  /** Position in the arrays above plus one; 0 is free. Twice as many as sets. */
  #slots: Int32Array

  constructor(options: { readonly words: number; readonly bytesMax: number }) {
    this.#words = options.words
    this.#bytesMax = options.bytesMax
    this.#bits = new Uint32Array(this.#capacity * this.#words)
    this.#states = new Int32Array(this.#capacity)
    this.#hashes = new Uint32Array(this.#capacity)
    this.#slots = new Int32Array(2 * this.#capacity)
  }

  get count(): number {
    return this.#count
  }

  /** @param bits `words` words, copied */
  add(hash: number, bits: Uint32Array, state: number): 'new' | 'seen' | 'full' {
    const key = (Math.imul(state + 1, 0x9e3779b1) ^ hash) >>> 0
    let slot = this.#find(key, bits, state)
    if (this.#slots[slot] !== 0) return 'seen'
    if (this.#count === this.#capacity) {
      if (!this.#grow()) return 'full'
      slot = this.#find(key, bits, state)
    }
    const at = this.#count++
    this.#bits.set(bits, at * this.#words)
    this.#states[at] = state
    this.#hashes[at] = key
    this.#slots[slot] = at + 1
    return 'new'
  }

  #find(key: number, bits: Uint32Array, state: number): number {
    const mask = this.#slots.length - 1
    let slot = key & mask
    for (;;) {
      const at = (this.#slots[slot] as number) - 1
      if (at < 0) return slot
      if (this.#hashes[at] === key && this.#states[at] === state && this.#hasBits(at, bits)) {
        return slot
      }
      slot = (slot + 1) & mask
    }
  }

  #hasBits(at: number, bits: Uint32Array): boolean {
    const base = at * this.#words
    for (let word = 0; word < this.#words; word++) {
      if (this.#bits[base + word] !== bits[word]) return false
    }
    return true
  }

  #grow(): boolean {
    const capacity = 2 * this.#capacity
    if (capacity * (4 * this.#words + 16) > this.#bytesMax) return false
    this.#bits = copied(this.#bits, new Uint32Array(capacity * this.#words))
    this.#hashes = copied(this.#hashes, new Uint32Array(capacity))
    const states = new Int32Array(capacity)
    states.set(this.#states)
    this.#states = states
    this.#capacity = capacity
    this.#slots = new Int32Array(2 * capacity)
    const mask = this.#slots.length - 1
    for (let at = 0; at < this.#count; at++) {
      let slot = (this.#hashes[at] as number) & mask
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
      this.#slots[slot] = at + 1
    }
    return true
  }
}

function copied(from: Uint32Array, to: Uint32Array): Uint32Array {
  to.set(from)
  return to
}
