/**
 * Assertions for broken invariants: a failure is a bug in fairlead and ends the process.
 *
 * Expected outcomes (bad input, lost peers) are never asserted; see core/errors.ts.
 */

export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

/** Ends an exhaustive switch: the type checker refuses it while a case is missing. */
export function assertNever(value: never, what = 'variant'): never {
  throw new AssertionError(`unexpected ${what}: ${JSON.stringify(value)}`)
}
