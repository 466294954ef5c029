/**
 * What an intention asks of the token of a request (mesh.md 6.6). Pure.
 *
 * Providers of one list are alternatives; all claims of one provider must hold. A claim holds when the value at its
 * path is the text, or a list that has it. Verifying the token is the proxy's work: here its payload is proven.
 */

import type { IntentionJwt, IntentionRecord, Json, JsonObject } from '../catalog/types.ts'

/** @param name of a provider. @returns what its verified token says; undefined without one */
export type VerifiedPayload = (name: string) => JsonObject | undefined

export function satisfies(jwt: IntentionJwt, payload: VerifiedPayload): boolean {
  for (const { name, verifyClaims } of jwt.providers) {
    const claims = payload(name)
    if (claims === undefined) continue
    if ((verifyClaims ?? []).every(({ path, value }) => holds(claims, path, value))) return true
  }
  return false
}

function holds(claims: JsonObject, path: readonly string[], wanted: string): boolean {
  let at: Json | undefined = claims
  for (const key of path) {
    if (typeof at !== 'object' || at === null || Array.isArray(at)) return false
    at = Object.hasOwn(at, key) ? (at as JsonObject)[key] : undefined
  }
  return Array.isArray(at) ? at.includes(wanted) : at === wanted
}

/** Names of all providers whose tokens may matter to the rule. */
export function providersOf(rule: Pick<IntentionRecord, 'jwt' | 'permissions'>): readonly string[] {
  if (!asksForTokens(rule)) return []
  const names = new Set<string>()
  for (const jwt of [rule.jwt, ...rule.permissions.map((permission) => permission.jwt)]) {
    for (const { name } of jwt?.providers ?? []) names.add(name)
  }
  return [...names]
}

export function asksForTokens(rule: Pick<IntentionRecord, 'jwt' | 'permissions'>): boolean {
  return rule.jwt !== undefined || rule.permissions.some(({ jwt }) => jwt !== undefined)
}
