/**
 * Rules of TLS settings in mesh and gateway entries (mesh.md 7.7, 7.10).
 */

import type { JsonObject } from '../catalog/types.ts'
import { listAt, textAt } from './read-field.ts'

const VERSIONS: readonly string[] = ['TLSv1_0', 'TLSv1_1', 'TLSv1_2', 'TLSv1_3']
/** Any; '' is the same. */
const AUTO = 'TLS_AUTO'

/** Cipher suites are chosen up to 1.2 only: those of 1.3 are fixed. */
export function tlsRangeProblem(
  tls: JsonObject | undefined,
  { min = 'TLSMinVersion', max = 'TLSMaxVersion' } = {},
): string | undefined {
  const least = textAt(tls, min)
  const most = textAt(tls, max)
  for (const version of [least, most]) {
    if (!isVersion(version)) return `invalid TLS version: ${version}`
  }
  if (rank(least) >= 0 && rank(most) >= 0 && rank(most) < rank(least)) {
    return `configuring max version ${most} less than the configured min version ${least} is invalid`
  }
  if (listAt(tls, 'CipherSuites').length > 0 && least === 'TLSv1_3') {
    return 'configuring CipherSuites is only applicable to connections negotiated with TLS 1.2 or earlier'
  }
  return undefined
}

function isVersion(version: string): boolean {
  return version === '' || version === AUTO || rank(version) >= 0
}

function rank(version: string): number {
  return VERSIONS.indexOf(version)
}
