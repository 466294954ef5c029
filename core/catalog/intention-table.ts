/**
 * The intentions table: at most one rule for each pair of source and destination (mesh.md 6, http-api.md
 * 22.5). Names are exact here, as they are in certificates.
 */

import { providersOf } from '../intentions/jwt.ts'
import { precedenceOf, sortIntentions, WILDCARD } from '../intentions/precedence.ts'
import { normalizeIntention, validateIntention } from '../intentions/validate.ts'
import type { Command, IntentionWrite } from './commands.ts'
import { type Draft, type Refusal, refuse, touchTable } from './draft.ts'
import { sameData } from './equality.ts'
import { goQuote } from './go-quote.ts'
import { configKey, pairKey, type State } from './state.ts'
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
  const problem = validateIntention(given) ?? missingProvider(draft, given)
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
  const record = recordOf(draft, { intention, existing, now })
  if (existing !== undefined && sameData(existing, record)) return undefined
  if (existing !== undefined && oldKey !== key) dropIntention(draft, existing)
  storeChanged(draft, record, now)
  return undefined
}

/**
 * Makes the given rules all rules of their destination. They share one index, as a service-intentions entry
 * has one: if any differs from what is stored, all of them are changed.
 *
 * @returns false when `cas` does not match
 */
export function replaceIntentions(
  draft: Draft,
  command: Extract<Command, { kind: 'intention.replace' }>,
): boolean | Refusal {
  const { destinationName, cas, now } = command
  const before = draft.next.intentions.valuesUnder(pairKey(destinationName, ''))
  if (cas !== undefined && !isAt(before, cas, command.intentions.length === 0)) return false
  const problem = entryProblem(draft, command)
  if (problem !== undefined) return refuse(problem)
  const records = command.intentions.map((given) => {
    const intention = normalizeIntention(given)
    const existing = before.find((record) => record.sourceName === intention.sourceName)
    return { existing, record: recordOf(draft, { intention, existing, now }) }
  })
  const isSame = records.every(({ existing, record }) => sameData(existing, record))
  if (isSame && records.length === before.length) return true
  const kept = new Set(records.map(({ record }) => record.sourceName))
  for (const record of before) if (!kept.has(record.sourceName)) dropIntention(draft, record)
  for (const { record } of records) storeChanged(draft, record, now)
  return true
}

/** As for other config entries: 0 asks for absence when writing, and matches nothing when deleting. */
function isAt(records: readonly IntentionRecord[], cas: number, isDelete: boolean): boolean {
  if (isDelete && records.length === 0) return false
  return cas === records.reduce((index, record) => Math.max(index, record.modifyIndex), 0)
}

/** A rule whose provider is gone would deny for a reason that nobody sees. */
function missingProvider({ next }: Draft, intention: IntentionWrite): string | undefined {
  const missing = providersOf(intention).find(
    (name) => next.configEntries.get(configKey('jwt-provider', name)) === undefined,
  )
  return missing === undefined ? undefined : `JWT provider ${goQuote(missing)} does not exist`
}

function entryProblem(
  draft: Draft,
  { destinationName, intentions }: Extract<Command, { kind: 'intention.replace' }>,
): string | undefined {
  if (destinationName === '') return 'Name is required'
  const seen = new Set<string>()
  for (const [i, intention] of intentions.entries()) {
    if (intention.destinationName !== destinationName) {
      return `Sources[${i}] has another destination than its entry`
    }
    const problem =
      validateIntention(intention, `Sources[${i}]`) ?? missingProvider(draft, intention)
    if (problem !== undefined) return problem
    if (seen.has(intention.sourceName)) {
      return `Sources[${i}] defines ${goQuote(intention.sourceName)} more than once`
    }
    seen.add(intention.sourceName)
  }
  return undefined
}

/** As it would be without a change: with the times and indexes of the existing one. */
function recordOf(
  draft: Draft,
  given: {
    readonly intention: IntentionWrite
    readonly existing: IntentionRecord | undefined
    readonly now: number
  },
): IntentionRecord {
  const { intention, existing, now } = given
  return {
    ...intention,
    id: intention.id === '' ? (existing?.id ?? '') : intention.id,
    precedence: precedenceOf(intention.sourceName, intention.destinationName),
    createdAt: existing?.createdAt ?? now,
    updatedAt: existing?.updatedAt ?? now,
    createIndex: existing?.createIndex ?? draft.index,
    modifyIndex: existing?.modifyIndex ?? draft.index,
  }
}

function storeChanged(draft: Draft, record: IntentionRecord, now: number): void {
  const before = draft.next.intentions.get(intentionKey(record.sourceName, record.destinationName))
  const after = { ...record, updatedAt: now, modifyIndex: draft.index }
  putIntention(draft, after)
  draft.changes.intentions.push({ before, after })
  touchTable(draft, 'intentions')
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
