/**
 * Messages that wait to be passed on, each a limited number of times, those sent least often first (gossip.md 7.1).
 *
 * Guarantees: a message goes out at most `limit` times and at most once in a packet; a newer message about the
 * same subject replaces the older; among those sent equally often the longest that fits goes first, then the newest.
 * Bounds: `depthMax`, given with each insert; at the bound the message sent most often, then the oldest, is dropped
 * and counted. The count of a subject's earlier message is not inherited.
 */

import { PART_OVERHEAD } from './packet-codec.ts'

interface Entry {
  readonly bytes: Uint8Array
  /** Order of insertion: larger is newer. */
  readonly order: number
  readonly subject: string
  readonly onDone: (() => void) | undefined
  sent: number
}

export class BroadcastQueue {
  /** By times sent; each tier sorted by length, longest first, then newest first. */
  readonly #tiers: Entry[][] = []
  readonly #bySubject = new Map<string, Entry>()
  #order = 0
  #dropped = 0

  get length(): number {
    return this.#bySubject.size
  }

  /** Messages dropped at the bound. */
  get dropped(): number {
    return this.#dropped
  }

  /**
   * @param onDone called once, when the message was sent often enough, was replaced, dropped or cleared
   */
  add(
    subject: string,
    bytes: Uint8Array,
    options: { readonly depthMax: number; readonly onDone?: () => void },
  ): void {
    const older = this.#bySubject.get(subject)
    if (older !== undefined) this.#finish(older)
    const entry = { subject, bytes, order: this.#order++, sent: 0, onDone: options.onDone }
    this.#bySubject.set(subject, entry)
    this.#insert(entry)
    while (this.#bySubject.size > options.depthMax) this.#dropLast()
  }

  /**
   * Takes messages for one packet and counts them as sent.
   *
   * @param budget bytes left in the packet, each part's overhead included in what is taken from it
   */
  take(budget: number, countMax: number, limit: number): Uint8Array[] {
    const taken: Entry[] = []
    let left = budget
    for (const entries of this.#tiers) {
      // What follows the longest that fits is no longer than it: runs of them leave together.
      let at = firstFitting(entries, 0, left - PART_OVERHEAD)
      while (at < entries.length && taken.length < countMax) {
        let end = at
        for (; end < entries.length && taken.length < countMax; end++) {
          const entry = entries[end]
          if (entry === undefined || entry.bytes.length > left - PART_OVERHEAD) break
          taken.push(entry)
          left -= PART_OVERHEAD + entry.bytes.length
        }
        entries.splice(at, end - at)
        at = firstFitting(entries, at, left - PART_OVERHEAD)
      }
    }
    // Put back only now, or a message could go twice into one packet.
    const done: Entry[] = []
    for (const entry of taken) {
      entry.sent++
      if (entry.sent < limit) this.#insert(entry)
      else done.push(entry)
    }
    for (const entry of done) this.#bySubject.delete(entry.subject)
    // Last, because who is told may add the next message.
    for (const entry of done) entry.onDone?.()
    return taken.map((entry) => entry.bytes)
  }

  /** There is nobody to tell. */
  clear(): void {
    for (const entry of [...this.#bySubject.values()]) this.#finish(entry)
  }

  #insert(entry: Entry): void {
    while (this.#tiers.length <= entry.sent) this.#tiers.push([])
    const tier = this.#tiers[entry.sent] ?? []
    tier.splice(positionOf(tier, entry), 0, entry)
  }

  #dropLast(): void {
    const tier = this.#tiers.findLast((entries) => entries.length > 0) ?? []
    let oldest: Entry | undefined
    for (const entry of tier) if (oldest === undefined || entry.order < oldest.order) oldest = entry
    if (oldest === undefined) return
    this.#dropped++
    this.#finish(oldest)
  }

  #finish(entry: Entry): void {
    const tier = this.#tiers[entry.sent] ?? []
    tier.splice(positionOf(tier, entry), 1)
    this.#bySubject.delete(entry.subject)
    entry.onDone?.()
  }
}

/** Where `entry` is or belongs in a sorted tier. */
function positionOf(tier: readonly Entry[], entry: Entry): number {
  let low = 0
  let high = tier.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (isBefore(tier[middle] ?? entry, entry)) low = middle + 1
    else high = middle
  }
  return low
}

function isBefore(a: Entry, b: Entry): boolean {
  if (a.bytes.length !== b.bytes.length) return a.bytes.length > b.bytes.length
  return a.order > b.order
}

/** Index of the first entry from `from` on of at most `size` bytes; the length of the tier when there is none. */
function firstFitting(tier: readonly Entry[], from: number, size: number): number {
  let low = from
  let high = tier.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((tier[middle]?.bytes.length ?? 0) > size) low = middle + 1
    else high = middle
  }
  return low
}
