/**
 * Messages from the wire against their shapes: what passes may be taken for its type.
 */

import type { Shape } from '../../core/catalog/shape.ts'
import { FairleadError } from '../../core/errors.ts'

/** @throws FairleadError BAD_REQUEST that says where */
export function checked<T>(shape: Shape, value: unknown): T {
  check(shape, value, 'message')
  return value as T
}

/** @throws FairleadError BAD_REQUEST that says where */
export function check(shape: Shape, value: unknown, what: string): void {
  const problem = shape(value)
  if (problem === undefined) return
  throw new FairleadError('BAD_REQUEST', `Malformed request, ${what}${problem}`)
}
