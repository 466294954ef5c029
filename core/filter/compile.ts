/**
 * Filter expressions of the HTTP API (http-api.md section 7), compiled once and run over many records.
 *
 * Compatible with the language Consul clients use. Guarantees: compiling and matching never throw, whatever
 * the text and the record. With a schema, unknown selectors and misplaced operators are refused when
 * compiling and omitted fields count as empty; without one, types are taken from each record as it comes.
 * Bounds: `FILTER_LENGTH_MAX` characters, `FILTER_DEPTH_MAX` levels, `FILTER_REGEX_MAX` patterns.
 */

import type { Expression, Match } from './ast.ts'
import { FilterError } from './errors.ts'
import { parseFilter } from './parser.ts'
import { compileRegex } from './regex.ts'
import { type FilterSchema, resolveSelector, type ScalarType } from './schema.ts'

export const FILTER_LENGTH_MAX = 8192
export const FILTER_REGEX_MAX = 16

export type CompiledFilter =
  | { readonly ok: true; matches(record: unknown): boolean }
  /** `message` is complete: prefix of http-api.md 7 and the reason. */
  | { readonly ok: false; readonly message: string }

type Predicate = (record: unknown) => boolean

const PREFIX = 'Failed to create boolean expression evaluator: '

/**
 * @param text the expression; empty or blank matches everything, as an absent `filter` does
 * @param schema what may be selected (schemas.ts holds one per endpoint)
 */
export function compileFilter(text: string, schema?: FilterSchema): CompiledFilter {
  if (text.trim() === '') return { ok: true, matches: () => true }
  try {
    if (text.length > FILTER_LENGTH_MAX) {
      throw new FilterError(`expression is longer than ${FILTER_LENGTH_MAX} characters`)
    }
    const matches = new Compiler(schema).expression(parseFilter(text))
    return { ok: true, matches }
  } catch (thrown) {
    if (!(thrown instanceof FilterError)) throw thrown
    return { ok: false, message: PREFIX + thrown.message }
  }
}

class Compiler {
  readonly #schema: FilterSchema | undefined
  #regexes = 0

  constructor(schema: FilterSchema | undefined) {
    this.#schema = schema
  }

  expression(node: Expression): Predicate {
    switch (node.kind) {
      case 'match':
        return this.#match(node)
      case 'not': {
        const operand = this.expression(node.operand)
        return (record) => !operand(record)
      }
      case 'and': {
        const operands = node.operands.map((o) => this.expression(o))
        return (record) => operands.every((o) => o(record))
      }
      case 'or': {
        const operands = node.operands.map((o) => this.expression(o))
        return (record) => operands.some((o) => o(record))
      }
    }
  }

  #match(match: Match): Predicate {
    const type =
      this.#schema === undefined
        ? undefined
        : resolveSelector(this.#schema, match.selector, match.operator)
    const test = this.#test(match, type)
    const { selector, negated } = match
    // A missing map key equals nothing, is in nothing and is empty.
    const whenMissing = (match.operator === 'empty') !== negated
    const schema = this.#schema
    const outcome: Predicate = negated ? (value) => !test(value) : test
    return (record) => evaluate(record, selector, 0, schema, outcome, whenMissing)
  }

  /** The test of the last value, before negation. */
  #test(match: Match, type: FilterSchema | undefined): Predicate {
    switch (match.operator) {
      case 'equal':
        return equalTest(match, type)
      case 'in':
        return inTest(match)
      case 'empty':
        return isEmpty
      case 'matches': {
        this.#regexes++
        if (this.#regexes > FILTER_REGEX_MAX) {
          throw new FilterError(`expression holds more than ${FILTER_REGEX_MAX} patterns`)
        }
        const regex = compileRegex(match.value)
        return (value) => {
          const text = value === undefined || value === null ? '' : scalarText(value)
          return text !== undefined && regex(text)
        }
      }
    }
  }
}

/** Walks the selector; a list on the way matches when any element does. */
function evaluate(
  value: unknown,
  selector: readonly string[],
  depth: number,
  schema: FilterSchema | undefined,
  test: Predicate,
  whenMissing: boolean,
): boolean {
  if (depth === selector.length) return test(value)
  if (Array.isArray(value)) {
    const of = elementType(schema)
    return value.some((item) => evaluate(item, selector, depth, of, test, whenMissing))
  }
  // An omitted list has no element that could match.
  if (isKind(schema, 'list')) return false
  const name = selector[depth] as string
  const isRecord = typeof value === 'object' && value !== null
  const has = isRecord && Object.hasOwn(value, name)
  if (!has && (schema === undefined || isKind(schema, 'map'))) return whenMissing
  const field = has ? (value as Readonly<Record<string, unknown>>)[name] : undefined
  return evaluate(field, selector, depth + 1, fieldType(schema, name), test, whenMissing)
}

function isKind(schema: FilterSchema | undefined, kind: 'list' | 'map'): boolean {
  return typeof schema === 'object' && schema.kind === kind
}

function elementType(schema: FilterSchema | undefined): FilterSchema | undefined {
  return typeof schema === 'object' && schema.kind === 'list' ? schema.of : undefined
}

function fieldType(schema: FilterSchema | undefined, name: string): FilterSchema | undefined {
  if (typeof schema !== 'object') return undefined
  return schema.kind === 'struct' ? schema.fields[name] : schema.of
}

function equalTest(match: Match, type: FilterSchema | undefined): Predicate {
  const { value } = match
  if (type === undefined) return (actual) => scalarText(actual) === normalise(value, actual)
  if (type === 'string') return (actual) => (actual ?? '') === value
  const wanted = coerce(match, type as ScalarType)
  if (typeof wanted === 'boolean') return (actual) => (actual ?? false) === wanted
  return (actual) => Number(actual ?? 0) === wanted
}

function inTest(match: Match): Predicate {
  const { value } = match
  return (actual) => {
    if (typeof actual === 'string') return actual.includes(value)
    if (Array.isArray(actual)) {
      return actual.some((item) => scalarText(item) === normalise(value, item))
    }
    return typeof actual === 'object' && actual !== null && Object.hasOwn(actual, value)
  }
}

const isEmpty: Predicate = (value) => {
  if (value === undefined || value === null || value === '') return true
  if (Array.isArray(value)) return value.length === 0
  return typeof value === 'object' && Object.keys(value).length === 0
}

const TRUE = new Set(['1', 't', 'T', 'TRUE', 'true', 'True'])
const FALSE = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False'])

function coerce(match: Match, type: ScalarType): boolean | number {
  const { value } = match
  if (type === 'bool') {
    if (TRUE.has(value)) return true
    if (FALSE.has(value)) return false
  } else {
    const pattern = type === 'int' ? /^[+-]?[0-9]+$/ : /^[+-]?[0-9]+(?:\.[0-9]+)?$/
    if (pattern.test(value)) return Number(value)
  }
  throw new FilterError(
    `failed to coerce value ${JSON.stringify(value)} of selector "${match.selector.join('.')}" to ${type}`,
  )
}

/** The scalar as text for comparing without a schema; undefined for what equals nothing. */
function scalarText(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') {
    return String(value)
  }
  return undefined
}

/** `8080.0` and `8080` are the same number when the record holds a number. */
function normalise(wanted: string, actual: unknown): string {
  if (typeof actual !== 'number' || wanted.trim() === '') return wanted
  const number = Number(wanted)
  return Number.isFinite(number) ? String(number) : wanted
}
