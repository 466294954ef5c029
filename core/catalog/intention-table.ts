/**
 * The intentions table: at most one rule for each pair of source and destination (mesh.md 6, http-api.md
 * 22.5). Names are exact here, as they are in certificates.
 */

import { precedenceOf, sortIntentions, WILDCARD } from '../intentions/precedence.ts'
import { normalizeIntention, validateIntention } from '../intentions/validate.ts'
import type { Command, IntentionWrite } from './commands.ts'
import { type Draft, type Refusal, refuse, touchTable } from './draft.ts'
import { sameData } from './equality.ts'
import { pairKey, type State } from './state.ts'
import type { IntentionRecord } from './types.ts'

export function intentionKey(sourceName: string, destinationName: string): string {
  return pairKey(destinationName, sourceName)
}

/** Replaces by pair when the id is '', else by id; a pair that another id holds is refused. */
export function setIntention(
  draft: Draft,
  given: IntentionWrite,
  now: number,
): Refusal | undefined {
  const problem = validateIntention(given)
  if (problem !== undefined) return refuse(problem)
  const intention = normalizeIntention(given)
  const key = intentionKey(intention.sourceName, intention.destinationName)
  const atPair = draft.next.intentions.get(key)
  const oldKey = intention.id === '' ? key : draft.next.intentionIds.get(intention.id)
  if (atPair !== undefined && oldKey !== key) {
    return refuse(
      `duplicate intention found: default/${intention.sourceName} => default/${intention.destinationName}`,
    )
  }
  const existing = oldKey === undefined ? undefined : draft.next.intentions.get(oldKey)
  const record: IntentionRecord = {
    ...intention,
    id: intention.id === '' ? (existing?.id ?? '') : intention.id,
    precedence: precedenceOf(intention.sourceName, intention.destinationName),
    createdAt: existing?.createdAt ?? now,
    updatedAt: existing?.updatedAt ?? now,
    createIndex: existing?.createIndex ?? draft.index,
    modifyIndex: existing?.modifyIndex ?? draft.index,
  }
  if (existing !== undefined && sameData(existing, record)) return undefined
  if (existing !== undefined && oldKey !== key) dropIntention(draft, existing)
  const after = { ...record, updatedAt: now, modifyIndex: draft.index }
  putIntention(draft, after)
  draft.changes.intentions.push({ before: atPair, after })
  touchTable(draft, 'intentions')
  return undefined
}

/** Stores a record as it is. */
export function putIntention(draft: Draft, record: IntentionRecord): void {
  const key = intentionKey(record.sourceName, record.destinationName)
  draft.next.intentions = draft.next.intentions.set(key, record)
  if (record.id !== '') draft.next.intentionIds = draft.next.intentionIds.set(record.id, key)
}

/** Nothing when there is none. */
export function deleteIntention(
  draft: Draft,
  by: Extract<Command, { kind: 'intention.delete' }>['by'],
): void {
  const existing = findIntention(draft.next, by)
  if (existing !== undefined) dropIntention(draft, existing)
}

export function findIntention(
  state: State,
  by: Extract<Command, { kind: 'intention.delete' }>['by'],
): IntentionRecord | undefined {
  const key =
    'id' in by ? state.intentionIds.get(by.id) : intentionKey(by.sourceName, by.destinationName)
  return key === undefined ? undefined : state.intentions.get(key)
}

/** Rules that can decide for a destination, wildcards included, in the order of evaluation. */
export function intentionsFor(state: State, destinationName: string): IntentionRecord[] {
  const exact = state.intentions.valuesUnder(pairKey(destinationName, ''))
  if (destinationName === WILDCARD) return sortIntentions(exact)
  return sortIntentions(exact.concat(state.intentions.valuesUnder(pairKey(WILDCARD, ''))))
}

/** Rules that can decide for a source, wildcards included, in the order of evaluation. */
export function intentionsFrom(state: State, sourceName: string): IntentionRecord[] {
  const matches = (rule: IntentionRecord): boolean =>
    rule.sourceName === sourceName || rule.sourceName === WILDCARD
  return sortIntentions(state.intentions.values().filter(matches))
}

function dropIntention(draft: Draft, existing: IntentionRecord): void {
  const key = intentionKey(existing.sourceName, existing.destinationName)
  draft.next.intentions = draft.next.intentions.delete(key)
  if (existing.id !== '') {
    draft.next.intentionIds = draft.next.intentionIds.delete(existing.id)
  }
  draft.changes.intentions.push({ before: existing, after: undefined })
  touchTable(draft, 'intentions')
}
