/**
 * Tokens of HCL version 1 (the language of Consul's configuration files), with positions.
 *
 * Guarantees: never loops without consuming a character; every failure is a SyntaxProblem with a position.
 * Source: the HCL 1 language as documented: `#`, `//` and block comments, quoted strings with escapes,
 * heredocs (`<<EOF`, indented `<<-EOF`), decimal, hexadecimal, octal and floating numbers.
 */

import { DOCUMENT_LENGTH_MAX, type Position, SyntaxProblem } from './source-value.ts'

export type Token =
  | { readonly kind: 'identifier' | 'string'; readonly text: string; readonly at: Position }
  | { readonly kind: 'number'; readonly value: number; readonly at: Position }
  | { readonly kind: '{' | '}' | '[' | ']' | ',' | '=' | 'end'; readonly at: Position }

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
}

const IDENTIFIER = /[\p{L}_][\p{L}\p{N}_.-]*/uy
const NUMBER = /-?(?:0[xX][0-9a-fA-F]+|[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)/y
const HEREDOC = /<<(-?)([\p{L}\p{N}_]+)\r?\n/uy

export function tokenizeHcl(text: string): readonly Token[] {
  if (text.length > DOCUMENT_LENGTH_MAX) {
    throw new SyntaxProblem(`the document is larger than ${DOCUMENT_LENGTH_MAX} characters`, {
      line: 1,
      column: 1,
    })
  }
  return new Lexer(text).run()
}

class Lexer {
  readonly #text: string
  #offset = 0
  #line = 1
  #lineStart = 0

  constructor(text: string) {
    // A byte order mark is not part of the document.
    this.#text = text.startsWith('\ufeff') ? text.slice(1) : text
  }

  run(): readonly Token[] {
    const tokens: Token[] = []
    for (;;) {
      this.#skipBlank()
      const token = this.#next()
      tokens.push(token)
      if (token.kind === 'end') return tokens
    }
  }

  #next(): Token {
    const at = this.#position()
    const c = this.#text[this.#offset]
    if (c === undefined) return { kind: 'end', at }
    switch (c) {
      case '{':
      case '}':
      case '[':
      case ']':
      case ',':
      case '=':
        this.#offset++
        return { kind: c, at }
      case '"':
        return { kind: 'string', text: this.#quoted(at), at }
      case '<':
        return { kind: 'string', text: this.#heredoc(at), at }
    }
    const number = this.#match(NUMBER)
    if (number !== undefined) {
      if (this.#match(IDENTIFIER) !== undefined) {
        throw new SyntaxProblem('a name may not begin with a digit', at)
      }
      return { kind: 'number', value: numberOf(number), at }
    }
    const identifier = this.#match(IDENTIFIER)
    if (identifier !== undefined) return { kind: 'identifier', text: identifier, at }
    throw new SyntaxProblem(`unexpected character ${JSON.stringify(c)}`, at)
  }

  #quoted(at: Position): string {
    this.#offset++
    let out = ''
    let braces = 0
    for (;;) {
      const c = this.#text[this.#offset]
      if (c === undefined) throw new SyntaxProblem('the string that begins here has no end', at)
      // Inside ${ } a quote does not end the string; the text is kept as it is, nothing is interpolated.
      if (c === '$' && this.#text[this.#offset + 1] === '{') braces++
      if (c === '}' && braces > 0) braces--
      if (c === '\n' && braces === 0) {
        throw new SyntaxProblem('a quoted string may not span lines; use a heredoc (<<EOF)', at)
      }
      if (c === '"' && braces === 0) {
        this.#offset++
        return out
      }
      if (c === '\\' && braces === 0) {
        out += this.#escape()
        continue
      }
      out += c
      this.#advance()
    }
  }

  #escape(): string {
    const at = this.#position()
    const c = this.#text[this.#offset + 1] ?? ''
    const simple = SIMPLE_ESCAPES[c]
    if (simple !== undefined) {
      this.#offset += 2
      return simple
    }
    const length = { x: 2, u: 4, U: 8 }[c]
    const digits = length === undefined ? '' : this.#text.slice(this.#offset + 2).slice(0, length)
    if (length !== undefined && digits.length === length && /^[0-9a-fA-F]+$/.test(digits)) {
      const code = Number.parseInt(digits, 16)
      if (code <= 0x10ffff) {
        this.#offset += 2 + length
        return String.fromCodePoint(code)
      }
    }
    throw new SyntaxProblem(`unknown escape \\${c}; write \\\\ for a backslash`, at)
  }

  #heredoc(at: Position): string {
    HEREDOC.lastIndex = this.#offset
    const match = HEREDOC.exec(this.#text)
    if (match === null)
      throw new SyntaxProblem('expected a heredoc: <<NAME at the end of a line', at)
    const isIndented = match[1] === '-'
    const marker = match[2] ?? ''
    this.#newline(this.#offset + match[0].length)
    const lines: string[] = []
    for (;;) {
      if (this.#offset >= this.#text.length) {
        throw new SyntaxProblem(`the heredoc that begins here has no closing line "${marker}"`, at)
      }
      const found = this.#text.indexOf('\n', this.#offset)
      const end = found === -1 ? this.#text.length : found
      const line = this.#text.slice(this.#offset, end).replace(/\r$/, '')
      if (line.trim() === marker) {
        this.#offset = end
        return joinHeredoc(lines, isIndented ? /^[ \t]*/.exec(line)?.[0].length : undefined)
      }
      lines.push(line)
      if (found === -1) this.#offset = end
      else this.#newline(end + 1)
    }
  }

  #skipBlank(): void {
    for (;;) {
      const c = this.#text[this.#offset]
      const next = this.#text[this.#offset + 1]
      if (c === ' ' || c === '\t' || c === '\r' || c === '\n') this.#advance()
      else if (c === '#' || (c === '/' && next === '/')) this.#skipLine()
      else if (c === '/' && next === '*') this.#skipBlockComment()
      else return
    }
  }

  #skipLine(): void {
    const end = this.#text.indexOf('\n', this.#offset)
    this.#offset = end === -1 ? this.#text.length : end
  }

  #skipBlockComment(): void {
    const at = this.#position()
    const end = this.#text.indexOf('*/', this.#offset + 2)
    if (end === -1) throw new SyntaxProblem('the comment that begins here has no end', at)
    while (this.#offset < end + 2) this.#advance()
  }

  #advance(): void {
    if (this.#text[this.#offset] === '\n') this.#newline(this.#offset + 1)
    else this.#offset++
  }

  #newline(offset: number): void {
    this.#offset = offset
    this.#line++
    this.#lineStart = offset
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#offset
    const match = pattern.exec(this.#text)
    if (match === null) return undefined
    this.#offset += match[0].length
    return match[0]
  }

  #position(): Position {
    return { line: this.#line, column: this.#offset - this.#lineStart + 1 }
  }
}

/** Drops from each line as much indentation as the closing marker has, unless some line has less. */
function joinHeredoc(lines: readonly string[], indent: number | undefined): string {
  const text = lines.map((line) => `${line}\n`).join('')
  if (indent === undefined || indent === 0) return text
  const isFullyIndented = lines.every((line) => /^[ \t]*$/.test(line.slice(0, indent)))
  return isFullyIndented ? lines.map((line) => `${line.slice(indent)}\n`).join('') : text
}

function numberOf(text: string): number {
  const sign = text.startsWith('-') ? -1 : 1
  const digits = sign === -1 ? text.slice(1) : text
  const isOctal = /^0[0-7]+$/.test(digits)
  return sign * (isOctal ? Number.parseInt(digits, 8) : Number(digits))
}
