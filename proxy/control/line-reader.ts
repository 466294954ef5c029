/**
 * Cuts a byte stream into lines of UTF-8 text, bounded.
 */

const NEWLINE = 0x0a

export class LineReader {
  readonly #bytesMax: number
  #pieces: Buffer[] = []
  #size = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** @returns the lines completed by `chunk`, or undefined when one grew too long */
  read(chunk: Buffer): readonly string[] | undefined {
    const lines: string[] = []
    let from = 0
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      this.#pieces.push(chunk.subarray(from, at))
      lines.push(Buffer.concat(this.#pieces).toString('utf8'))
      this.#pieces = []
      this.#size = 0
      from = at + 1
    }
    if (from < chunk.length) {
      this.#pieces.push(chunk.subarray(from))
      this.#size += chunk.length - from
    }
    return this.#size > this.#bytesMax ? undefined : lines
  }
}
