/**
 * Syntax tree of a filter expression (http-api.md section 7): what the parser makes and the compiler reads.
 *
 * `and`/`or` hold a flat list, so that a long chain costs no depth.
 */

export type MatchOperator = 'equal' | 'in' | 'empty' | 'matches'

export interface Match {
  readonly kind: 'match'
  /** Field names from the outside in; never empty. */
  readonly selector: readonly string[]
  readonly operator: MatchOperator
  readonly negated: boolean
  /** The literal as text; '' for `empty`. */
  readonly value: string
}

export type Expression =
  | Match
  | { readonly kind: 'not'; readonly operand: Expression }
  | { readonly kind: 'and' | 'or'; readonly operands: readonly Expression[] }
