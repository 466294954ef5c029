/**
 * Splits a filter expression into tokens (http-api.md section 7).
 *
 * Keywords are not told from field names here: `in` is a word, the parser decides by position. Strings are
 * unescaped as Go string literals are. Bounds: the caller limits the text; one token per character at most.
 */

import { FilterError } from './errors.ts'

type TokenKind = 'word' | 'number' | 'string' | 'punctuation' | 'end'

export interface Token {
  readonly kind: TokenKind
  /** Unescaped content for strings, the source text otherwise; '' at the end. */
  readonly text: string
  /** Offset in the source, 0-based. */
  readonly at: number
}

const SPACE = /[ \t\r\n]*/y
const WORD = /[A-Za-z][A-Za-z0-9_/]*/y
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?![A-Za-z0-9_.])/y
const PUNCTUATION = /==|!=|[()[\].]/y

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
}
const HEX_LENGTH: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 }

/** @throws FilterError at the first character that starts no token */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  let at = matchAt(SPACE, text, 0).length
  while (at < text.length) {
    const token = readToken(text, at)
    tokens.push(token.token)
    at = token.end
    at += matchAt(SPACE, text, at).length
  }
  tokens.push({ kind: 'end', text: '', at: text.length })
  return tokens
}

function readToken(text: string, at: number): { token: Token; end: number } {
  const first = text[at] ?? ''
  if (first === '"') return readQuoted(text, at)
  if (first === '`') return readRaw(text, at)
  const word = matchAt(WORD, text, at)
  if (word !== '') return { token: { kind: 'word', text: word, at }, end: at + word.length }
  const number = matchAt(NUMBER, text, at)
  if (number !== '') return { token: { kind: 'number', text: number, at }, end: at + number.length }
  const mark = matchAt(PUNCTUATION, text, at)
  if (mark !== '') return { token: { kind: 'punctuation', text: mark, at }, end: at + mark.length }
  throw new FilterError(`${position(text, at)}: unexpected character ${JSON.stringify(first)}`)
}

function readRaw(text: string, at: number): { token: Token; end: number } {
  const close = text.indexOf('`', at + 1)
  if (close < 0) throw new FilterError(`${position(text, at)}: unterminated string literal`)
  return { token: { kind: 'string', text: text.slice(at + 1, close), at }, end: close + 1 }
}

function readQuoted(text: string, at: number): { token: Token; end: number } {
  let value = ''
  let i = at + 1
  while (i < text.length) {
    const c = text[i] as string
    if (c === '"') return { token: { kind: 'string', text: value, at }, end: i + 1 }
    if (c === '\n') break
    if (c !== '\\') {
      value += c
      i++
      continue
    }
    const escaped = readEscape(text, i)
    value += escaped.value
    i = escaped.end
  }
  throw new FilterError(`${position(text, at)}: unterminated string literal`)
}

function readEscape(text: string, at: number): { value: string; end: number } {
  const letter = text[at + 1] ?? ''
  const simple = SIMPLE_ESCAPES[letter]
  if (simple !== undefined) return { value: simple, end: at + 2 }
  const length = HEX_LENGTH[letter]
  if (length !== undefined) {
    const digits = text.slice(at + 2, at + 2 + length)
    const code = /^[0-9A-Fa-f]+$/.test(digits) ? Number.parseInt(digits, 16) : -1
    const isScalar = code >= 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff)
    if (digits.length === length && isScalar && (letter !== 'x' || code < 0x80)) {
      return { value: String.fromCodePoint(code), end: at + 2 + length }
    }
  }
  throw new FilterError(`${position(text, at)}: invalid escape in string literal`)
}

function matchAt(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0] ?? ''
}

/** `line:column (offset)`, as parser messages print it. */
export function position(text: string, at: number): string {
  const before = text.slice(0, at)
  const line = before.split('\n').length
  const column = at - (before.lastIndexOf('\n') + 1) + 1
  return `${line}:${column} (${at})`
}
