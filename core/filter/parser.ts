/**
 * Parser of filter expressions: recursive descent over the grammar of http-api.md section 7.
 *
 * Precedence is not, and, or. Does not know field types; see compile.ts.
 * Bounds: parentheses and `not` nest at most `FILTER_DEPTH_MAX` deep, deeper is a syntax error.
 */

import type { Expression, Match } from './ast.ts'
import { FilterError } from './errors.ts'
import { position, type Token, tokenize } from './lexer.ts'

export const FILTER_DEPTH_MAX = 100

/** @throws FilterError with the position of the first thing that does not fit */
export function parseFilter(text: string): Expression {
  return new Parser(text).parse()
}

class Parser {
  readonly #text: string
  readonly #tokens: readonly Token[]
  #at = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
    this.#tokens = tokenize(text)
  }

  parse(): Expression {
    const expression = this.#or()
    if (this.#peek().kind !== 'end') throw this.#unexpected('"and", "or" or the end')
    return expression
  }

  #or(): Expression {
    const operands = [this.#and()]
    while (this.#takeWord('or')) operands.push(this.#and())
    return operands.length === 1 ? (operands[0] as Expression) : { kind: 'or', operands }
  }

  #and(): Expression {
    const operands = [this.#not()]
    while (this.#takeWord('and')) operands.push(this.#not())
    return operands.length === 1 ? (operands[0] as Expression) : { kind: 'and', operands }
  }

  #not(): Expression {
    if (!this.#isWord('not')) return this.#primary()
    this.#at++
    this.#descend()
    const operand = this.#not()
    this.#depth--
    return { kind: 'not', operand }
  }

  #primary(): Expression {
    if (!this.#takeMark('(')) return this.#match()
    this.#descend()
    const inner = this.#or()
    if (!this.#takeMark(')')) throw this.#unexpected('")"')
    this.#depth--
    return inner
  }

  #match(): Match {
    const first = this.#peek()
    if (first.kind === 'word') {
      const selector = this.#selector()
      return this.#selectorFirst(selector) ?? this.#valueFirst(selector.join('.'))
    }
    if (first.kind === 'string' || first.kind === 'number') {
      this.#at++
      return this.#valueFirst(first.text)
    }
    throw this.#unexpected('a selector, a value, "not" or "("')
  }

  /** `selector == value`, `selector is empty`, …; null when the word read is the value of `value in selector`. */
  #selectorFirst(selector: readonly string[]): Match | null {
    if (this.#takeMark('==')) return this.#withValue(selector, 'equal', false)
    if (this.#takeMark('!=')) return this.#withValue(selector, 'equal', true)
    if (this.#takeWord('is')) {
      const negated = this.#takeWord('not')
      if (!this.#takeWord('empty')) throw this.#unexpected('"empty"')
      return { kind: 'match', selector, operator: 'empty', negated, value: '' }
    }
    const negated = this.#isWord('not')
    const operator = this.#peek(negated ? 1 : 0)
    if (operator.kind !== 'word') return null
    if (operator.text !== 'contains' && operator.text !== 'matches') return null
    this.#at += negated ? 2 : 1
    return this.#withValue(selector, operator.text === 'contains' ? 'in' : 'matches', negated)
  }

  #valueFirst(value: string): Match {
    const negated = this.#takeWord('not')
    if (!this.#takeWord('in')) throw this.#unexpected('an operator')
    if (this.#peek().kind !== 'word') throw this.#unexpected('a selector')
    return { kind: 'match', selector: this.#selector(), operator: 'in', negated, value }
  }

  #withValue(
    selector: readonly string[],
    operator: 'equal' | 'in' | 'matches',
    negated: boolean,
  ): Match {
    return { kind: 'match', selector, operator, negated, value: this.#value() }
  }

  #value(): string {
    const token = this.#peek()
    if (token.kind === 'word') return this.#selector().join('.')
    if (token.kind !== 'string' && token.kind !== 'number') throw this.#unexpected('a value')
    this.#at++
    return token.text
  }

  #selector(): string[] {
    const path = [this.#peek().text]
    this.#at++
    for (;;) {
      if (this.#takeMark('.')) {
        if (this.#peek().kind !== 'word') throw this.#unexpected('a field name')
        path.push(this.#peek().text)
        this.#at++
      } else if (this.#takeMark('[')) {
        if (this.#peek().kind !== 'string') throw this.#unexpected('a quoted key')
        path.push(this.#peek().text)
        this.#at++
        if (!this.#takeMark(']')) throw this.#unexpected('"]"')
      } else {
        return path
      }
    }
  }

  #descend(): void {
    this.#depth++
    if (this.#depth > FILTER_DEPTH_MAX) {
      throw new FilterError(`expression nests deeper than ${FILTER_DEPTH_MAX} levels`)
    }
  }

  #peek(ahead = 0): Token {
    return (this.#tokens[this.#at + ahead] ?? this.#tokens[this.#tokens.length - 1]) as Token
  }

  #isWord(text: string): boolean {
    const token = this.#peek()
    return token.kind === 'word' && token.text === text
  }

  #takeWord(text: string): boolean {
    if (!this.#isWord(text)) return false
    this.#at++
    return true
  }

  #takeMark(text: string): boolean {
    const token = this.#peek()
    if (token.kind !== 'punctuation' || token.text !== text) return false
    this.#at++
    return true
  }

  #unexpected(expected: string): FilterError {
    const token = this.#peek()
    const found = token.kind === 'end' ? 'the end of the expression' : JSON.stringify(token.text)
    return new FilterError(
      `${position(this.#text, token.at)}: no match found, expected ${expected}, found ${found}`,
    )
  }
}
