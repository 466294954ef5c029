/**
 * Where and why a text is no JSON (RFC 8259), in the words of Go's decoder and with the place. Pure.
 *
 * For messages alone: what is JSON is for JSON.parse to say, whose own messages name no place for some faults. Guarantees:
 * finds no fault in what JSON.parse takes, and one in everything else. Linear, no recursion.
 */

export interface JsonFault {
  readonly reason: string
  /** Both from 1; a column is a UTF-16 unit. */
  readonly line: number
  readonly column: number
}

type State = 'value' | 'value or ]' | 'key' | 'key or }' | 'colon' | 'after'

const SPACE = /[ \t\n\r]*/y
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const WORD = /true|false|null/y
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y

/** @returns undefined for JSON */
export function jsonFault(text: string): JsonFault | undefined {
  const scan = new Scan(text)
  const reason = scan.run()
  if (reason === undefined) return undefined
  const before = text.slice(0, scan.at).split('\n')
  return { reason, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
}

class Scan {
  readonly #text: string
  /** Open brackets, outermost first. */
  readonly #open: ('{' | '[')[] = []
  #state: State = 'value'
  at = 0

  constructor(text: string) {
    this.#text = text
  }

  /** @returns the fault at `at` */
  run(): string | undefined {
    for (;;) {
      this.#take(SPACE)
      if (this.at >= this.#text.length) {
        const isWhole = this.#state === 'after' && this.#open.length === 0
        return isWhole ? undefined : 'unexpected EOF'
      }
      const fault = this.#step(this.#text[this.at] as string)
      if (fault !== undefined) return fault
    }
  }

  #step(char: string): string | undefined {
    switch (this.#state) {
      case 'value or ]':
        return char === ']' ? this.#close() : this.#value(char)
      case 'value':
        return this.#value(char)
      case 'key or }':
        return char === '}' ? this.#close() : this.#key(char)
      case 'key':
        return this.#key(char)
      case 'colon':
        return char === ':' ? this.#go('value') : this.#odd('after object key')
      case 'after':
        return this.#afterValue(char)
    }
  }

  #value(char: string): string | undefined {
    if (char === '{' || char === '[') {
      this.#open.push(char)
      return this.#go(char === '{' ? 'key or }' : 'value or ]')
    }
    if (char === '"') return this.#string('after')
    if (!this.#take(NUMBER) && !this.#take(WORD)) return this.#odd('looking for beginning of value')
    this.#state = 'after'
    return undefined
  }

  #key(char: string): string | undefined {
    return char === '"'
      ? this.#string('colon')
      : this.#odd('looking for beginning of object key string')
  }

  #afterValue(char: string): string | undefined {
    const open = this.#open.at(-1)
    if (open === undefined) return this.#odd('after top-level value')
    if (char === ',') return this.#go(open === '{' ? 'key' : 'value')
    if (char === (open === '{' ? '}' : ']')) return this.#close()
    return this.#odd(open === '{' ? 'after object key:value pair' : 'after array element')
  }

  #string(next: State): string | undefined {
    this.at += 1
    for (;;) {
      const char = this.#text[this.at]
      if (char === undefined) return 'unexpected EOF'
      if (char === '"') return this.#go(next)
      if (char < ' ') return this.#odd('in string literal')
      if (char !== '\\') this.at += 1
      else if (!this.#take(ESCAPE)) return this.#odd('in string escape code')
    }
  }

  #close(): undefined {
    this.#open.pop()
    return this.#go('after')
  }

  /** Past the present character. */
  #go(state: State): undefined {
    this.at += 1
    this.#state = state
    return undefined
  }

  /** @returns whether there was anything */
  #take(pattern: RegExp): boolean {
    pattern.lastIndex = this.at
    const found = pattern.exec(this.#text)?.[0] ?? ''
    this.at += found.length
    return found !== ''
  }

  #odd(where: string): string {
    const char = String.fromCodePoint(this.#text.codePointAt(this.at) as number)
    const shown = char < ' ' ? JSON.stringify(char).slice(1, -1) : char
    return `invalid character '${shown}' ${where}`
  }
}
