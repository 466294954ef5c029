/**
 * The HTTP methods that intentions and routes may name (mesh.md 6.5, 7.4).
 */

import { goQuote } from '../catalog/go-quote.ts'

const METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
])

/** Each is known, whatever its case, and named once. */
export function methodsProblem(methods: readonly string[]): string | undefined {
  const seen = new Set<string>()
  for (const method of methods) {
    const upper = method.toUpperCase()
    if (!METHODS.has(upper)) return `Methods contains an invalid method ${goQuote(method)}`
    if (seen.has(upper)) return `Methods contains ${goQuote(method)} more than once`
    seen.add(upper)
  }
  return undefined
}
