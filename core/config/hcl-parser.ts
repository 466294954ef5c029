/**
 * Reads HCL version 1 into source values: `key = value`, `key { }`, `key "label" { }`.
 *
 * Labels nest: `service "web" { port = 1 }` reads as `service = { web = { port = 1 } }`. Items of an object
 * are separated by new lines or commas. Guarantees a SyntaxProblem with a position for anything else, and
 * bounded recursion (DEPTH_MAX). Does not interpolate and knows no key.
 */

import { type Token, tokenizeHcl } from './hcl-lexer.ts'
import {
  DEPTH_MAX,
  type Position,
  type SourceEntry,
  type SourceObject,
  type SourceValue,
  SyntaxProblem,
} from './source-value.ts'

/** Longest chain of labels of one block. */
const LABELS_MAX = 8

/** @throws SyntaxProblem */
export function parseHcl(text: string): SourceObject {
  const parser = new Parser(tokenizeHcl(text))
  return parser.document()
}

class Parser {
  readonly #tokens: readonly Token[]
  #next = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  document(): SourceObject {
    const first = this.#peek()
    // A document may stand in braces, as JSON does.
    if (first.kind === '{') {
      const object = this.#object(0)
      const rest = this.#peek()
      if (rest.kind !== 'end') throw unexpected(rest, 'the end of the document')
      return object
    }
    const entries = this.#entries('end', 0)
    return { kind: 'object', entries, at: { line: 1, column: 1 } }
  }

  #entries(end: '}' | 'end', depth: number): readonly SourceEntry[] {
    if (depth > DEPTH_MAX) throw new SyntaxProblem('nested too deep', this.#peek().at)
    const entries: SourceEntry[] = []
    for (;;) {
      const token = this.#peek()
      if (token.kind === end) return entries
      entries.push(this.#entry(depth))
      if (this.#peek().kind === ',') this.#next++
    }
  }

  #entry(depth: number): SourceEntry {
    const keys = this.#keys()
    const [first, ...labels] = keys
    if (first === undefined) throw unexpected(this.#peek(), 'a name')
    const token = this.#peek()
    let value: SourceValue
    if (token.kind === '=') {
      if (labels.length > 0) throw unexpected(token, '"{" after a label')
      this.#next++
      value = this.#value(depth)
    } else if (token.kind === '{') {
      value = this.#object(depth + labels.length)
    } else {
      throw unexpected(token, `"=" or "{" after "${keys.at(-1)?.text}"`)
    }
    for (const label of labels.reverse()) {
      value = { kind: 'object', entries: [{ key: label.text, at: label.at, value }], at: label.at }
    }
    return { key: first.text, at: first.at, value }
  }

  #keys(): readonly { readonly text: string; readonly at: Position }[] {
    const keys: { text: string; at: Position }[] = []
    for (;;) {
      const token = this.#peek()
      if (token.kind !== 'identifier' && token.kind !== 'string') return keys
      if (keys.length > LABELS_MAX) throw new SyntaxProblem('too many labels', token.at)
      keys.push({ text: token.text, at: token.at })
      this.#next++
    }
  }

  #value(depth: number): SourceValue {
    const token = this.#peek()
    switch (token.kind) {
      case 'number':
        this.#next++
        return { kind: 'number', value: token.value, at: token.at }
      case 'string':
        this.#next++
        return { kind: 'string', value: token.text, at: token.at }
      case 'identifier':
        this.#next++
        if (token.text === 'true' || token.text === 'false') {
          return { kind: 'bool', value: token.text === 'true', at: token.at }
        }
        throw new SyntaxProblem(`"${token.text}" is not a value; put text in quotes`, token.at)
      case '{':
        return this.#object(depth)
      case '[':
        return this.#list(depth)
      default:
        throw unexpected(token, 'a value')
    }
  }

  #object(depth: number): SourceObject {
    const open = this.#peek()
    this.#next++
    const entries = this.#entries('}', depth + 1)
    this.#next++
    return { kind: 'object', entries, at: open.at }
  }

  #list(depth: number): SourceValue {
    const open = this.#peek()
    this.#next++
    if (depth > DEPTH_MAX) throw new SyntaxProblem('nested too deep', open.at)
    const items: SourceValue[] = []
    for (;;) {
      if (this.#peek().kind === ']') break
      items.push(this.#value(depth + 1))
      const token = this.#peek()
      if (token.kind === ',') this.#next++
      else if (token.kind !== ']') throw unexpected(token, '"," or "]" in the list')
    }
    this.#next++
    return { kind: 'list', items, at: open.at }
  }

  /** The token to be read next; the last token is `end` and is never passed. */
  #peek(): Token {
    const token = this.#tokens[Math.min(this.#next, this.#tokens.length - 1)]
    if (token === undefined) throw new SyntaxProblem('empty document', { line: 1, column: 1 })
    return token
  }
}

function unexpected(token: Token, wanted: string): SyntaxProblem {
  return new SyntaxProblem(`expected ${wanted}, found ${describeToken(token)}`, token.at)
}

function describeToken(token: Token): string {
  switch (token.kind) {
    case 'identifier':
      return `"${token.text}"`
    case 'string':
      return `the string "${token.text.slice(0, 40)}"`
    case 'number':
      return `the number ${token.value}`
    case 'end':
      return 'the end of the document'
    default:
      return `"${token.kind}"`
  }
}
