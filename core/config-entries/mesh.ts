/**
 * Rules of the mesh entry (mesh.md 7.7).
 */

import type { JsonObject } from '../catalog/types.ts'
import { objectAt, textAt } from './read-field.ts'
import { tlsRangeProblem } from './tls-range.ts'

const SLASH_ACTIONS: ReadonlySet<string> = new Set([
  '',
  'IMPLEMENTATION_SPECIFIC_DEFAULT',
  'KEEP_UNCHANGED',
  'REJECT_REQUEST',
  'UNESCAPE_AND_REDIRECT',
  'UNESCAPE_AND_FORWARD',
])
const UNDERSCORE_ACTIONS: ReadonlySet<string> = new Set([
  '',
  'ALLOW',
  'REJECT_REQUEST',
  'DROP_HEADER',
])

export function meshProblem(body: JsonObject): string | undefined {
  const tls = objectAt(body, 'TLS')
  for (const direction of ['Incoming', 'Outgoing']) {
    const problem = tlsRangeProblem(objectAt(tls, direction))
    if (problem === undefined) continue
    return `error in ${direction.toLowerCase()} TLS configuration: ${problem}`
  }
  const incoming = objectAt(objectAt(body, 'HTTP'), 'Incoming')
  const normalization = objectAt(incoming, 'RequestNormalization')
  const slashes = textAt(normalization, 'PathWithEscapedSlashesAction')
  if (!SLASH_ACTIONS.has(slashes)) {
    return `error in HTTP configuration: no such PathWithEscapedSlashesAction: ${slashes}`
  }
  const underscores = textAt(normalization, 'HeadersWithUnderscoresAction')
  if (!UNDERSCORE_ACTIONS.has(underscores)) {
    return `error in HTTP configuration: no such HeadersWithUnderscoresAction: ${underscores}`
  }
  return undefined
}
