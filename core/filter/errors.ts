/**
 * Failure of a filter expression, raised inside core/filter/ only and turned into a result by compile.ts.
 */

export class FilterError extends Error {
  override readonly name = 'FilterError'
}
