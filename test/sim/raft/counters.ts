/**
 * How often what happened in a run: faults by kind, crashes by point, marks of the core. A run that did
 * nothing proves nothing, so these are what is published and what coverage is judged by.
 */

export class Counters {
  readonly #counts = new Map<string, number>()

  add(name: string, count = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + count)
  }

  /** Keeps the highest value ever given. */
  raise(name: string, value: number): void {
    if (value > (this.#counts.get(name) ?? 0)) this.#counts.set(name, value)
  }

  get(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  /** Sorted by name. */
  toRecord(): Readonly<Record<string, number>> {
    const sorted = [...this.#counts].sort(([x], [y]) => (x < y ? -1 : 1))
    return Object.fromEntries(sorted)
  }
}

/** Sums, but the highest where the name begins with `max.`. */
export function addCounts(
  total: Record<string, number>,
  counts: Readonly<Record<string, number>>,
): void {
  for (const [name, count] of Object.entries(counts)) {
    const before = total[name] ?? 0
    total[name] = name.startsWith('max.') ? Math.max(before, count) : before + count
  }
}
