/**
 * How an intention is written in the answer of agent/connect/authorize (mesh.md 4.10). Pure text.
 */

import type { IntentionRecord } from '../catalog/types.ts'
import type { L4Decision } from './decide.ts'

/** `default/web => default/db (Precedence: 9, Action: ALLOW)`. */
export function describeIntention(
  rule: Pick<
    IntentionRecord,
    'id' | 'sourceName' | 'destinationName' | 'precedence' | 'action' | 'permissions'
  >,
): string {
  const id = rule.id === '' ? '' : `ID: ${rule.id}, `
  const detail =
    rule.permissions.length > 0
      ? `Permissions: ${rule.permissions.length}`
      : `Action: ${rule.action.toUpperCase()}`
  return `default/${rule.sourceName} => default/${rule.destinationName} (${id}Precedence: ${rule.precedence}, ${detail})`
}

/** The `Reason` of an authorize answer. `isPolicySet`: the agent sets default_intention_policy itself. */
export function describeDecision(decision: L4Decision, isPolicySet: boolean): string {
  if (decision.rule === null) {
    return isPolicySet ? 'Default intention policy' : 'Default behavior configured by ACLs'
  }
  const layer = decision.kind === 'per-request' ? 'L7' : 'L4'
  return `Matched ${layer} intention: ${describeIntention(decision.rule)}`
}
