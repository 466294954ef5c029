/**
 * Description of what a filter may select: the fields of a record as the HTTP API prints it.
 *
 * A field that a record leaves out counts as the empty value of its type, because the printed forms omit
 * empty fields (http-api.md section 3). A missing key of a map is different: it matches nothing.
 */

import type { MatchOperator } from './ast.ts'
import { FilterError } from './errors.ts'

export type ScalarType = 'string' | 'bool' | 'int' | 'float'

export type FilterSchema =
  | ScalarType
  | { readonly kind: 'list'; readonly of: FilterSchema }
  | { readonly kind: 'map'; readonly of: FilterSchema }
  | { readonly kind: 'struct'; readonly fields: Readonly<Record<string, FilterSchema>> }

export function list(of: FilterSchema): FilterSchema {
  return { kind: 'list', of }
}

export function map(of: FilterSchema): FilterSchema {
  return { kind: 'map', of }
}

export function struct(fields: Readonly<Record<string, FilterSchema>>): FilterSchema {
  return { kind: 'struct', fields }
}

/**
 * Type of what a selector ends at; lists on the way are passed through.
 *
 * @throws FilterError when a field does not exist
 */
export function resolveSelector(
  schema: FilterSchema,
  selector: readonly string[],
  operator: MatchOperator,
): FilterSchema {
  let at = schema
  for (const name of selector) {
    const next = withoutLists(at)
    if (typeof next === 'string' || next.kind === 'list') throw invalidSelector(selector)
    if (next.kind === 'map') {
      at = next.of
      continue
    }
    const field = Object.hasOwn(next.fields, name) ? next.fields[name] : undefined
    if (field === undefined) throw invalidSelector(selector)
    at = field
  }
  if (!allows(at, operator)) {
    throw new FilterError(
      `Invalid match operator "${OPERATOR_NAMES[operator]}" for selector "${selector.join('.')}"`,
    )
  }
  return at
}

function withoutLists(type: FilterSchema): FilterSchema {
  let at = type
  while (typeof at === 'object' && at.kind === 'list') at = at.of
  return at
}

const OPERATOR_NAMES: Readonly<Record<MatchOperator, string>> = {
  equal: 'Equal',
  in: 'In',
  empty: 'Is Empty',
  matches: 'Matches',
}

function allows(type: FilterSchema, operator: MatchOperator): boolean {
  if (type === 'string') return true
  if (typeof type === 'string') return operator === 'equal'
  if (type.kind === 'struct') return false
  if (operator === 'empty') return true
  if (type.kind === 'map') return operator === 'in'
  return operator === 'in' && type.of === 'string'
}

function invalidSelector(selector: readonly string[]): FilterError {
  return new FilterError(`Selector "${selector.join('.')}" is not valid`)
}
