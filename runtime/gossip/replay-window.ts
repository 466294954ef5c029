/**
 * Which numbers of one sender were seen: each is accepted once (gossip.md 10; the window of RFC 4303, 3.4.3).
 *
 * Guarantees: no number is accepted twice, and none that is WINDOW_SIZE or more below the highest.
 */

export const WINDOW_SIZE = 1024
const WORD_BITS = 32

export class ReplayWindow {
  readonly #seen = new Uint32Array(WINDOW_SIZE / WORD_BITS)
  #highest = 0

  /** @param count from 1 on */
  isNew(count: number): boolean {
    if (count > this.#highest) return true
    return count > this.#highest - WINDOW_SIZE && count > 0 && !this.#bit(count)
  }

  /** Of one that is new and was proven to be genuine. */
  note(count: number): void {
    if (count > this.#highest) {
      this.#forget(count)
      this.#highest = count
    }
    const slot = count % WINDOW_SIZE
    const word = Math.floor(slot / WORD_BITS)
    this.#seen[word] = (this.#seen[word] ?? 0) | (1 << (slot % WORD_BITS))
  }

  #bit(count: number): boolean {
    const slot = count % WINDOW_SIZE
    return (((this.#seen[Math.floor(slot / WORD_BITS)] ?? 0) >>> (slot % WORD_BITS)) & 1) === 1
  }

  /** The slots between the highest so far and the new one belong to numbers not seen yet. */
  #forget(count: number): void {
    if (count - this.#highest >= WINDOW_SIZE) {
      this.#seen.fill(0)
      return
    }
    for (let each = this.#highest + 1; each <= count; each++) {
      const slot = each % WINDOW_SIZE
      const word = Math.floor(slot / WORD_BITS)
      this.#seen[word] = (this.#seen[word] ?? 0) & ~(1 << (slot % WORD_BITS))
    }
  }
}
