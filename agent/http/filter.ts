/**
 * `?filter=` over lists and maps of encoded objects (http-api.md section 7).
 *
 * The expression sees what the client would see: the JSON of each element. A wrong expression is refused
 * with 500 before anything is read, as in the reference.
 */

import { FairleadError } from '../../core/errors.ts'
import { compileFilter } from '../../core/filter/compile.ts'
import type { FilterSchema } from '../../core/filter/schema.ts'

/** Keeps the elements whose encoded form matches. @throws FairleadError REJECTED */
export function filtered<T>(
  items: readonly T[],
  expression: string,
  by: { readonly schema: FilterSchema; readonly encode: (item: T) => string },
): readonly T[] {
  if (expression === '') return items
  const filter = compileFilter(expression, by.schema)
  if (!filter.ok) throw new FairleadError('REJECTED', filter.message)
  return items.filter((item) => filter.matches(JSON.parse(by.encode(item))))
}
