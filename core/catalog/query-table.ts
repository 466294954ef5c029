/**
 * Prepared queries as replicated state (http-api.md 16): by id, by name and, for templates, by prefix. Pure.
 *
 * Guarantees: a name belongs to one query and is no query's id; names compare without case; a query goes away in the
 * command that ends its session; what is said again moves no index. Definitions were validated before they were proposed
 * (core/queries/validate.ts). Reads have the index of the table.
 */

import { renderQuery } from '../queries/template.ts'
import {
  isTemplate,
  type PreparedQuery,
  type PreparedQueryRecord,
  type QueryResolution,
} from '../queries/types.ts'
import { QUERY_NAME_MAX } from '../queries/validate.ts'
import type { Reads } from '../rpc/reads.ts'
import { type Draft, type Refusal, refuse, touchTable } from './draft.ts'
import { sameData } from './equality.ts'
import { goQuote } from './go-quote.ts'
import { KEY_SEPARATOR } from './key-order.ts'
import { nameKey, pairKey, type State } from './state.ts'
import type { Evaluated } from './store-api.ts'
import { tableWatch } from './watch-keys.ts'

type Request<N extends keyof Reads> = Reads[N]['request']

const WATCH = [tableWatch('queries')]

/** @param mode `create` takes an id that nobody has, `update` one that is there */
export function setQuery(
  draft: Draft,
  query: PreparedQuery,
  mode: 'create' | 'update',
): Refusal | undefined {
  const existing = draft.next.queries.get(query.id)
  if (mode === 'update' && existing === undefined) return unknownQuery(query.id)
  if (mode === 'create' && existing !== undefined) {
    return refuse(`Prepared query '${query.id}' already exists`)
  }
  const problem = idProblem(query.id) ?? clashOf(draft.next, query)
  if (problem !== undefined) return refuse(problem)
  const after: PreparedQueryRecord = {
    ...query,
    createIndex: existing?.createIndex ?? draft.index,
    modifyIndex: draft.index,
  }
  if (existing !== undefined) {
    const isSame = sameData({ ...after, modifyIndex: existing.modifyIndex }, existing)
    if (isSame) return undefined
    removeQuery(draft, existing)
  }
  putQuery(draft, after)
  return undefined
}

export function deleteQuery(draft: Draft, id: string): Refusal | undefined {
  const existing = draft.next.queries.get(id)
  if (existing === undefined) return unknownQuery(id)
  removeQuery(draft, existing)
  return undefined
}

export function deleteQueriesOfSession(draft: Draft, session: string): void {
  if (draft.next.queriesBySession.size === 0) return
  for (const id of draft.next.queriesBySession.valuesUnder(pairKey(session, ''))) {
    const query = draft.next.queries.get(id)
    if (query !== undefined) removeQuery(draft, query)
  }
}

/** Stores a record as it is; its id and name must be free. */
export function putQuery(draft: Draft, query: PreparedQueryRecord): void {
  const { next } = draft
  const { id, session } = query
  next.queries = next.queries.set(id, query)
  if (query.name !== '') next.queryNames = next.queryNames.set(nameKey(query.name), id)
  if (isTemplate(query)) next.queryTemplates = next.queryTemplates.set(nameKey(query.name), id)
  if (session !== '') {
    next.queriesBySession = next.queriesBySession.set(pairKey(session, id), id)
  }
  touchTable(draft, 'queries')
}

function removeQuery(draft: Draft, query: PreparedQueryRecord): void {
  const { next } = draft
  const { id, name, session } = query
  next.queries = next.queries.delete(id)
  if (name !== '') next.queryNames = next.queryNames.delete(nameKey(name))
  if (isTemplate(query)) next.queryTemplates = next.queryTemplates.delete(nameKey(name))
  if (session !== '') next.queriesBySession = next.queriesBySession.delete(pairKey(session, id))
  touchTable(draft, 'queries')
}

function unknownQuery(id: string): Refusal {
  return refuse(`Cannot modify non-existent prepared query: '${id}'`)
}

function idProblem(id: string): string | undefined {
  return id === '' || id.includes(KEY_SEPARATOR) ? 'Missing query ID' : undefined
}

/** Names, ids and sessions that speak against this query. */
function clashOf(state: State, { id, name, session, template }: PreparedQuery): string | undefined {
  const isOther = (owner: string | undefined): boolean => owner !== undefined && owner !== id
  const key = nameKey(name)
  if (name !== '' && isOther(state.queryNames.get(key))) {
    return `name '${name}' aliases an existing query name`
  }
  if (isTemplate({ template }) && isOther(state.queryTemplates.get(key))) {
    return 'a query template with an empty name already exists'
  }
  if (name !== '' && state.queries.has(key)) return `name '${name}' aliases an existing query ID`
  if (session !== '' && !state.sessions.has(session)) return `invalid session ${goQuote(session)}`
  return undefined
}

export function readQueries(state: State): Evaluated<'query.list'> {
  return evaluated<'query.list'>(state, state.queries.values())
}

export function readQuery(state: State, { id }: Request<'query.get'>): Evaluated<'query.get'> {
  const query = state.queries.get(id) ?? null
  return evaluated<'query.get'>(state, query, query !== null)
}

export function resolveQuery(
  state: State,
  { nameOrId }: Request<'query.resolve'>,
): Evaluated<'query.resolve'> {
  const value = resolve(state, nameOrId)
  return evaluated<'query.resolve'>(state, value, value.kind !== 'unknown')
}

/** By id, by name, then the template with the longest prefix. */
function resolve(state: State, nameOrId: string): QueryResolution {
  const key = nameKey(nameOrId)
  const byId = state.queries.get(key)
  if (byId !== undefined) {
    if (!isTemplate(byId)) return { kind: 'query', query: byId }
    const message = 'prepared query templates can only be resolved up by name, not by ID'
    return { kind: 'refused', message }
  }
  const id = state.queryNames.get(key) ?? templateFor(state, key)
  const query = id === undefined ? undefined : state.queries.get(id)
  return query === undefined ? { kind: 'unknown' } : renderQuery(query, nameOrId)
}

function templateFor(state: State, key: string): string | undefined {
  if (state.queryTemplates.size === 0 || key === '' || key.length > QUERY_NAME_MAX) return undefined
  for (let length = key.length; length >= 0; length--) {
    const id = state.queryTemplates.get(key.slice(0, length))
    if (id !== undefined) return id
  }
  return undefined
}

function evaluated<N extends 'query.list' | 'query.get' | 'query.resolve'>(
  state: State,
  value: Reads[N]['reply'],
  found = true,
): Evaluated<N> {
  return { value, index: Math.max(1, state.indexes.queries), watch: WATCH, found }
}
