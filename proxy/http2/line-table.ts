/**
 * Finds fields by their text inside a longer text, without cutting it out: what an HPACK encoder has in its table, or saw
 * lately.
 *
 * A Map would need each line of each head as a string of its own, hashed over its whole length: measured as two thirds of
 * what encoding a head cost. Length and three characters tell most lines apart; the comparison decides.
 */

const BUCKETS = 128

export interface Line {
  readonly text: string
  /** Of the field, as tables count it. */
  readonly size: number
  /** How many fields had entered the dynamic table before it; -1 while it is not in there. */
  at: number
  /** Index in the static table, 0 for none. */
  readonly fixed: number
  /** Next of the same bucket. */
  next: Line | undefined
}

export class LineTable {
  readonly #buckets: (Line | undefined)[] = new Array<Line | undefined>(BUCKETS).fill(undefined)

  /** The line that is `text[from, to)`. */
  find(text: string, from: number, to: number): Line | undefined {
    let line = this.#buckets[bucketOf(text, from, to)]
    const length = to - from
    while (line !== undefined) {
      if (line.text.length === length && text.startsWith(line.text, from)) return line
      line = line.next
    }
    return undefined
  }

  /** Only what is not in there. */
  add(line: Line): void {
    const bucket = bucketOf(line.text, 0, line.text.length)
    line.next = this.#buckets[bucket]
    this.#buckets[bucket] = line
  }

  remove(line: Line): void {
    const bucket = bucketOf(line.text, 0, line.text.length)
    let before = this.#buckets[bucket]
    if (before === line) {
      this.#buckets[bucket] = line.next
      return
    }
    while (before !== undefined && before.next !== line) before = before.next
    if (before !== undefined) before.next = line.next
  }
}

function bucketOf(text: string, from: number, to: number): number {
  if (to === from) return 0
  const middle = from + ((to - from) >>> 1)
  const sum =
    (to - from) * 31 +
    text.charCodeAt(from) * 7 +
    text.charCodeAt(middle) * 13 +
    text.charCodeAt(to - 1)
  return sum & (BUCKETS - 1)
}
