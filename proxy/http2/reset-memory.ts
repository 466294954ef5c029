/**
 * Which streams were reset lately, and by whom: frames that were on their way then are no breach.
 *
 * Bounds: the last REMEMBERED_MAX.
 */

const REMEMBERED_MAX = 256

export class ResetMemory {
  readonly #by = new Map<number, 'us' | 'peer'>()

  add(id: number, by: 'us' | 'peer'): void {
    this.#by.set(id, by)
    if (this.#by.size <= REMEMBERED_MAX) return
    for (const oldest of this.#by.keys()) {
      this.#by.delete(oldest)
      return
    }
  }

  whoReset(id: number): 'us' | 'peer' | undefined {
    return this.#by.get(id)
  }
}
