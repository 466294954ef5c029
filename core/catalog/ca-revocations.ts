/**
 * Certificates and identities of the mesh that an operator has revoked (docs/decisions/0036). Fairlead's own.
 *
 * They are part of what agents follow as the roots, so that they arrive as roots do. A serial number is kept
 * until no leaf can live any more, an identity until it is reinstated.
 * Bound: REVOCATIONS_MAX.
 */

import { noteRoots } from './ca.ts'
import type { Command } from './commands.ts'
import { type Draft, type Refusal, refuse, touchTable } from './draft.ts'
import type { CaRevocation } from './types.ts'

export const REVOCATIONS_MAX = 4096
/** The longest life of a leaf (mesh.md 4.5). */
export const LEAF_LIFE_MAX_MS = 8760 * 3_600_000
export const REASON_LENGTH_MAX = 512

/** What a record is known by; the same thing revoked twice is one record. */
export function revocationId({ kind, value }: Pick<CaRevocation, 'kind' | 'value'>): string {
  return `${kind}:${value}`
}

/** @returns why it was refused */
export function revoke(
  draft: Draft,
  { revocation, now }: Extract<Command, { kind: 'ca.revoke' }>,
): Refusal | undefined {
  const { kind, value, reason } = revocation
  if (value === '') return refuse('a serial number or an identity is needed', 'BAD_REQUEST')
  if (reason.length > REASON_LENGTH_MAX) {
    return refuse(`Reason exceeds maximum length ${REASON_LENGTH_MAX}`, 'BAD_REQUEST')
  }
  const id = revocationId(revocation)
  const present = draft.next.caRevocations
  const before = present.find((each) => each.id === id)
  const others = present.filter(
    (each) => each.id !== id && (each.endsAt === 0 || each.endsAt > now),
  )
  if (others.length >= REVOCATIONS_MAX) {
    return refuse(`there are ${REVOCATIONS_MAX} revocations already; rotate the root instead`)
  }
  draft.next.caRevocations = [
    ...others,
    {
      id,
      kind,
      value,
      reason,
      revokedAt: before?.revokedAt ?? now,
      endsAt: kind === 'serial' ? now + LEAF_LIFE_MAX_MS : 0,
      createIndex: before?.createIndex ?? draft.index,
      modifyIndex: draft.index,
    },
  ]
  touchTable(draft, 'caRoots')
  noteRoots(draft)
  return undefined
}

/** @returns whether there was such a record */
export function reinstate(draft: Draft, id: string): boolean {
  const present = draft.next.caRevocations
  const others = present.filter((each) => each.id !== id)
  if (others.length === present.length) return false
  draft.next.caRevocations = others
  touchTable(draft, 'caRoots')
  noteRoots(draft)
  return true
}
