/**
 * Who may call whom: the decision over rules already selected for one destination (mesh.md 6.2 to 6.5).
 *
 * Pure. Used by the proxy on every connection and request, by agent/connect/authorize and by
 * connect/intentions/check, so that all three always agree. The first rule whose source matches decides;
 * rules are never merged.
 */

import type { IntentionAction, IntentionRecord } from '../catalog/types.ts'

export type L4Decision =
  | { readonly kind: 'allow' | 'deny'; readonly rule: IntentionRecord | null }
  /** The deciding rule has permissions or asks for a token: each request is judged by `permits` (permissions.ts). */
  | { readonly kind: 'per-request'; readonly rule: IntentionRecord }

/**
 * @param rules rules for the destination, wildcards included, precedence descending
 * @param sourceName service name of the caller, or null for a caller that is no service (a host's own
 *   identity), which only `*` matches
 */
export function decideConnection(
  rules: readonly IntentionRecord[],
  sourceName: string | null,
  defaultAction: IntentionAction,
): L4Decision {
  for (const rule of rules) {
    if (rule.sourceName !== '*' && rule.sourceName !== sourceName) continue
    if (rule.permissions.length > 0 || asksForToken(rule)) return { kind: 'per-request', rule }
    return { kind: rule.action === 'allow' ? 'allow' : 'deny', rule }
  }
  return { kind: defaultAction, rule: null }
}

/** A denial needs no token. */
function asksForToken({ jwt, action }: IntentionRecord): boolean {
  return jwt !== undefined && action === 'allow'
}
