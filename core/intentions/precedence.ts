/**
 * How specific an intention is, and the one order in which intentions are tried (mesh.md 6.2). Pure.
 *
 * Guarantees: `compareIntentions` is a total order over distinct (source, destination) pairs, the same on
 * every server (code point order, no locale). Only namespace `default` exists here, so of the nine
 * precedences four occur: 9, 8, 6, 5.
 */

import { compareCodePoints } from '../catalog/key-order.ts'
import type { IntentionRecord } from '../catalog/types.ts'

export const WILDCARD = '*'

const EXACT_DESTINATION_MAX = 9
const ANY_DESTINATION_MAX = 6

/** @returns 9 for exact → exact, 8 for `*` → exact, 6 for exact → `*`, 5 for `*` → `*` */
export function precedenceOf(sourceName: string, destinationName: string): number {
  const highest = destinationName === WILDCARD ? ANY_DESTINATION_MAX : EXACT_DESTINATION_MAX
  return sourceName === WILDCARD ? highest - 1 : highest
}

/** Order of evaluation: precedence descending, ties by source name, then destination name, ascending. */
export function compareIntentions(
  a: Pick<IntentionRecord, 'precedence' | 'sourceName' | 'destinationName'>,
  b: Pick<IntentionRecord, 'precedence' | 'sourceName' | 'destinationName'>,
): number {
  if (a.precedence !== b.precedence) return b.precedence - a.precedence
  const bySource = compareCodePoints(a.sourceName, b.sourceName)
  return bySource === 0 ? compareCodePoints(a.destinationName, b.destinationName) : bySource
}

/** A new array in the order of evaluation. */
export function sortIntentions(rules: readonly IntentionRecord[]): IntentionRecord[] {
  return rules.toSorted(compareIntentions)
}
