/**
 * Reads JSON (RFC 8259) into source values with positions; no comments, no trailing commas.
 *
 * `JSON.parse` has no positions of values, which error messages about a key need. Guarantees a
 * SyntaxProblem with a position for anything that is not JSON, and bounded recursion (DEPTH_MAX).
 */

import {
  DEPTH_MAX,
  DOCUMENT_LENGTH_MAX,
  type Position,
  type SourceEntry,
  type SourceObject,
  type SourceValue,
  SyntaxProblem,
} from './source-value.ts'

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const WORD = /true|false|null/y

/** @throws SyntaxProblem, also when the document is not one object */
export function parseJson(text: string): SourceObject {
  if (text.length > DOCUMENT_LENGTH_MAX) {
    throw new SyntaxProblem(`the document is larger than ${DOCUMENT_LENGTH_MAX} characters`, {
      line: 1,
      column: 1,
    })
  }
  const reader = new Reader(text)
  const value = reader.document()
  if (value.kind !== 'object') {
    throw new SyntaxProblem('the document must be one JSON object', value.at)
  }
  return value
}

class Reader {
  readonly #text: string
  readonly #lines: LineIndex
  #offset = 0

  constructor(text: string) {
    this.#text = text.startsWith('\ufeff') ? text.slice(1) : text
    this.#lines = new LineIndex(this.#text)
  }

  document(): SourceValue {
    const value = this.#value(0)
    this.#skipBlank()
    if (this.#offset < this.#text.length) throw this.#unexpected('the end of the document')
    return value
  }

  #value(depth: number): SourceValue {
    this.#skipBlank()
    const at = this.#position()
    if (depth > DEPTH_MAX) throw new SyntaxProblem('nested too deep', at)
    const c = this.#text[this.#offset]
    if (c === '{') return this.#object(depth, at)
    if (c === '[') return this.#list(depth, at)
    if (c === '"') return { kind: 'string', value: this.#string(), at }
    const number = this.#match(NUMBER)
    if (number !== undefined) return { kind: 'number', value: Number(number), at }
    const word = this.#match(WORD)
    if (word === 'null') return { kind: 'null', at }
    if (word !== undefined) return { kind: 'bool', value: word === 'true', at }
    throw this.#unexpected('a value')
  }

  #object(depth: number, at: Position): SourceObject {
    this.#offset++
    const entries: SourceEntry[] = []
    this.#skipBlank()
    if (this.#take('}')) return { kind: 'object', entries, at }
    for (;;) {
      this.#skipBlank()
      const keyAt = this.#position()
      if (this.#text[this.#offset] !== '"') throw this.#unexpected('a key in quotes')
      const key = this.#string()
      this.#skipBlank()
      if (!this.#take(':')) throw this.#unexpected('":"')
      entries.push({ key, at: keyAt, value: this.#value(depth + 1) })
      this.#skipBlank()
      if (this.#take('}')) return { kind: 'object', entries, at }
      if (!this.#take(',')) throw this.#unexpected('"," or "}"')
    }
  }

  #list(depth: number, at: Position): SourceValue {
    this.#offset++
    const items: SourceValue[] = []
    this.#skipBlank()
    if (this.#take(']')) return { kind: 'list', items, at }
    for (;;) {
      items.push(this.#value(depth + 1))
      this.#skipBlank()
      if (this.#take(']')) return { kind: 'list', items, at }
      if (!this.#take(',')) throw this.#unexpected('"," or "]"')
    }
  }

  #string(): string {
    const at = this.#position()
    let end = this.#offset + 1
    while (end < this.#text.length && this.#text[end] !== '"') {
      end += this.#text[end] === '\\' ? 2 : 1
    }
    const raw = this.#text.slice(this.#offset, end + 1)
    this.#offset = end + 1
    try {
      return JSON.parse(raw)
    } catch (err) {
      throw new SyntaxProblem('this string has no end, a wrong escape or a control character', at, {
        cause: err,
      })
    }
  }

  #take(c: string): boolean {
    if (this.#text[this.#offset] !== c) return false
    this.#offset++
    return true
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#offset
    const match = pattern.exec(this.#text)
    if (match === null) return undefined
    this.#offset += match[0].length
    return match[0]
  }

  #skipBlank(): void {
    for (;;) {
      const c = this.#text[this.#offset]
      if (c !== ' ' && c !== '\t' && c !== '\n' && c !== '\r') return
      this.#offset++
    }
  }

  #unexpected(wanted: string): SyntaxProblem {
    const c = this.#text[this.#offset]
    const found = c === undefined ? 'the end of the document' : JSON.stringify(c)
    const hint = c === '/' || c === '#' ? '; JSON has no comments' : ''
    return new SyntaxProblem(`expected ${wanted}, found ${found}${hint}`, this.#position())
  }

  #position(): Position {
    return this.#lines.at(this.#offset)
  }
}

/** Line and column of offsets that only grow. */
class LineIndex {
  readonly #text: string
  #line = 1
  #lineStart = 0

  constructor(text: string) {
    this.#text = text
  }

  at(offset: number): Position {
    for (;;) {
      const end = this.#text.indexOf('\n', this.#lineStart)
      if (end === -1 || end >= offset) break
      this.#line++
      this.#lineStart = end + 1
    }
    return { line: this.#line, column: offset - this.#lineStart + 1 }
  }
}
