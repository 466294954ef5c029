/**
 * Whether the claims of a token whose signature was verified fit its provider, now (RFC 7519 4.1). Pure.
 */

import type { JsonObject } from '../catalog/types.ts'
import type { WallTime } from '../time.ts'

export interface ClaimRules {
  /** '' takes any. */
  readonly issuer: string
  /** Empty takes any. */
  readonly audiences: readonly string[]
  readonly clockSkewMs: number
}

/** Times that are no numbers are no times: the token is refused. */
export function claimsFit(claims: JsonObject, rules: ClaimRules, now: WallTime): boolean {
  if (rules.issuer !== '' && claims['iss'] !== rules.issuer) return false
  return fitsAudience(claims['aud'], rules.audiences) && fitsTime(claims, rules.clockSkewMs, now)
}

function fitsAudience(given: JsonObject[string] | undefined, wanted: readonly string[]): boolean {
  if (wanted.length === 0) return true
  const audiences = Array.isArray(given) ? given : [given]
  return audiences.some((audience) => typeof audience === 'string' && wanted.includes(audience))
}

function fitsTime(claims: JsonObject, skewMs: number, now: WallTime): boolean {
  const { exp, nbf } = claims
  if (exp !== undefined && (typeof exp !== 'number' || now >= exp * 1000 + skewMs)) return false
  return nbf === undefined || (typeof nbf === 'number' && now >= nbf * 1000 - skewMs)
}
