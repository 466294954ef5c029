/**
 * Every read by name, with its index, what to watch and whether the thing exists (core/rpc/reads.ts). Pure.
 *
 * Reads of the catalog are in read-catalog.ts; here are KV, sessions, intentions, config entries and the
 * CA. A KV prefix costs one step a matching key; everything else by key is one look-up.
 */

import { compileChain } from '../chain/compile.ts'
import { sortIntentions } from '../intentions/precedence.ts'
import type { ReadName, Reads } from '../rpc/reads.ts'
import { rootsIndex, rootsOf } from './ca.ts'
import { chainGraphOf } from './chain-entries.ts'
import { readCoordinates, readCoordinatesOfNode, readSomeCoordinates } from './coordinate-table.ts'
import { startDraft } from './draft.ts'
import { findIntention, intentionsFor, intentionsFrom } from './intention-table.ts'
import { orderKey } from './key-order.ts'
import { readQueries, readQuery, resolveQuery } from './query-table.ts'
import {
  readAuthMethod,
  readAuthMethods,
  readBindingRule,
  readBindingRules,
  readJoinTokens,
  readNothing,
  readPolicies,
  readPolicy,
  readRole,
  readRoles,
  readToken,
  readTokens,
} from './read-acl.ts'
import {
  readAddress,
  readChecksInState,
  readDump,
  readHealth,
  readNode,
  readNodeChecks,
  readNodes,
  readService,
  readServiceChecks,
  readServices,
  readVirtualIps,
} from './read-catalog.ts'
import { configKey, nameKey, pairKey, type State } from './state.ts'
import type { Evaluated, WatchKey } from './store-api.ts'
import { isReadOnly, runTxn } from './txn.ts'
import type { KvEntry, SessionRecord } from './types.ts'
import {
  configKindWatch,
  configWatch,
  kvPrefixWatch,
  kvWatch,
  nodeSessionsWatch,
  sessionWatch,
  tableWatch,
} from './watch-keys.ts'

type Request<N extends ReadName> = Reads[N]['request']

type Read<N extends ReadName> = (state: State, request: Request<N>) => Evaluated<N>

const READS: { readonly [N in ReadName]: Read<N> } = {
  'catalog.nodes': readNodes,
  'catalog.services': readServices,
  'catalog.service': readService,
  'catalog.node': readNode,
  'catalog.dump': readDump,
  'catalog.address': readAddress,
  'catalog.virtual-ips': readVirtualIps,
  'health.node': readNodeChecks,
  'health.checks': readServiceChecks,
  'health.state': readChecksInState,
  'health.service': readHealth,
  'kv.get': readKey,
  'kv.list': readPrefix,
  'kv.keys': readKeys,
  'txn.read': readTxn,
  'session.get': readSession,
  'session.list': readSessions,
  'intention.list': readIntentions,
  'intention.get': readIntention,
  'intention.match': matchIntentions,
  'config.get': readConfigEntry,
  'config.list': readConfigEntries,
  'chain.get': readChain,
  'ca.roots': readRoots,
  'ca.config': readCaConfig,
  'coordinate.nodes': readCoordinates,
  'coordinate.node': readCoordinatesOfNode,
  'coordinate.some': readSomeCoordinates,
  'query.list': readQueries,
  'query.get': readQuery,
  'query.resolve': resolveQuery,
  'autopilot.config': readAutopilotConfig,
  'acl.token.list': readTokens,
  'acl.token.get': readToken,
  'acl.token.self': readNothing,
  'acl.resolve': readNothing,
  'acl.policy.list': readPolicies,
  'acl.policy.get': readPolicy,
  'acl.role.list': readRoles,
  'acl.role.get': readRole,
  'join-token.list': readJoinTokens,
  'acl.auth-method.list': readAuthMethods,
  'acl.auth-method.get': readAuthMethod,
  'acl.binding-rule.list': readBindingRules,
  'acl.binding-rule.get': readBindingRule,
}

export function readState<N extends ReadName>(
  state: State,
  name: N,
  request: Request<N>,
): Evaluated<N> {
  const found = READS[name](state, request)
  // Records that came with a user's snapshot have indexes of another time.
  return found.index >= state.restoredAt ? found : { ...found, index: state.restoredAt }
}

function readKey(state: State, { key }: Request<'kv.get'>): Evaluated<'kv.get'> {
  const order = orderKey(key)
  const entry = state.kv.get(order)
  const index = entry?.modifyIndex ?? state.indexes.kv
  return evaluated<'kv.get'>(entry ?? null, index, [kvWatch(order)], entry !== undefined)
}

function readPrefix(state: State, { prefix }: Request<'kv.list'>): Evaluated<'kv.list'> {
  const entries = state.kv.valuesUnder(orderKey(prefix))
  const index = prefixIndex(state, prefix, entries)
  return evaluated(entries, index, [kvPrefixWatch(orderKey(prefix))], entries.length > 0)
}

function readKeys(state: State, { prefix, separator }: Request<'kv.keys'>): Evaluated<'kv.keys'> {
  const entries = state.kv.valuesUnder(orderKey(prefix))
  const keys: string[] = []
  for (const { key } of entries) {
    const cut = separator === '' ? -1 : key.indexOf(separator, prefix.length)
    const name = cut < 0 ? key : key.slice(0, cut + separator.length)
    // Keys come in order, so equal names are neighbours.
    if (keys.at(-1) !== name) keys.push(name)
  }
  const index = prefixIndex(state, prefix, entries)
  return evaluated(keys, index, [kvPrefixWatch(orderKey(prefix))], entries.length > 0)
}

/** The newest change below the prefix, deletions included; the index of the table when there is none. */
function prefixIndex(state: State, prefix: string, entries: readonly KvEntry[]): number {
  if (prefix === '') return state.indexes.kv
  let index = 0
  for (const entry of entries) index = Math.max(index, entry.modifyIndex)
  for (const tombstone of state.tombstones.valuesUnder(orderKey(prefix))) {
    index = Math.max(index, tombstone.index)
  }
  return index === 0 ? state.indexes.kv : index
}

/** Runs on a draft that nobody keeps. */
function readTxn(state: State, { ops }: Request<'txn.read'>): Evaluated<'txn.read'> {
  if (!isReadOnly(ops)) {
    const errors = [{ opIndex: 0, what: 'a read transaction cannot contain a verb that writes' }]
    return evaluated<'txn.read'>({ ok: false, errors }, state.lastIndex, [])
  }
  const { results, errors } = runTxn(startDraft(state, state.lastIndex, ''), ops)
  const value = errors.length > 0 ? { ok: false as const, errors } : { ok: true as const, results }
  return evaluated<'txn.read'>(value, state.lastIndex, [])
}

function readSession(state: State, { id }: Request<'session.get'>): Evaluated<'session.get'> {
  const session = state.sessions.get(id) ?? null
  return evaluated<'session.get'>(
    session,
    state.indexes.sessions,
    [sessionWatch(id)],
    session !== null,
  )
}

function readSessions(state: State, { node }: Request<'session.list'>): Evaluated<'session.list'> {
  if (node === undefined) {
    const watch = [tableWatch('sessions')]
    return evaluated(state.sessions.values(), state.indexes.sessions, watch)
  }
  const key = nameKey(node)
  const sessions: SessionRecord[] = []
  for (const id of state.sessionsByNode.valuesUnder(pairKey(key, ''))) {
    const session = state.sessions.get(id)
    if (session !== undefined) sessions.push(session)
  }
  return evaluated(sessions, state.indexes.sessions, [nodeSessionsWatch(key)])
}

const CHAIN_WATCH: readonly WatchKey[] = [tableWatch('config'), tableWatch('caRoots')]

const INTENTIONS_WATCH: readonly WatchKey[] = [tableWatch('intentions')]

function readIntentions(state: State): Evaluated<'intention.list'> {
  const value = sortIntentions(state.intentions.values())
  return evaluated(value, state.indexes.intentions, INTENTIONS_WATCH)
}

function readIntention(
  state: State,
  request: Request<'intention.get'>,
): Evaluated<'intention.get'> {
  const rule = findIntention(state, request) ?? null
  return evaluated<'intention.get'>(rule, state.indexes.intentions, INTENTIONS_WATCH, rule !== null)
}

function matchIntentions(
  state: State,
  { by, name }: Request<'intention.match'>,
): Evaluated<'intention.match'> {
  const value = by === 'source' ? intentionsFrom(state, name) : intentionsFor(state, name)
  return evaluated(value, state.indexes.intentions, INTENTIONS_WATCH)
}

function readConfigEntry(
  state: State,
  { entryKind, name }: Request<'config.get'>,
): Evaluated<'config.get'> {
  const key = configKey(entryKind, name)
  const entry = state.configEntries.get(key) ?? null
  return evaluated<'config.get'>(entry, state.indexes.config, [configWatch(key)], entry !== null)
}

function readConfigEntries(
  state: State,
  { entryKind }: Request<'config.list'>,
): Evaluated<'config.list'> {
  const kind = nameKey(entryKind)
  const entries = state.configEntries.valuesUnder(pairKey(kind, ''))
  return evaluated(entries, state.indexes.config, [configKindWatch(kind)], entries.length > 0)
}

function readChain(
  state: State,
  { service, datacenter, overrides }: Request<'chain.get'>,
): Evaluated<'chain.get'> {
  const trustDomain = rootsOf(state).trustDomain
  const chain = compileChain(
    { serviceName: service, datacenter, trustDomain, overrides, layer7OnLayer4: 'ignored' },
    chainGraphOf(state.configEntries),
  )
  const index = Math.max(state.indexes.config, rootsIndex(state))
  return evaluated<'chain.get'>(chain, index, CHAIN_WATCH)
}

function readRoots(state: State): Evaluated<'ca.roots'> {
  const watch = [tableWatch('caRoots'), tableWatch('caConfig')]
  return evaluated<'ca.roots'>(rootsOf(state), rootsIndex(state), watch)
}

function readCaConfig(state: State): Evaluated<'ca.config'> {
  const watch = [tableWatch('caConfig')]
  return evaluated<'ca.config'>(
    state.caConfig,
    state.indexes.caConfig,
    watch,
    state.caConfig !== null,
  )
}

function readAutopilotConfig(state: State): Evaluated<'autopilot.config'> {
  return evaluated<'autopilot.config'>(
    state.autopilot,
    state.indexes.autopilot,
    [tableWatch('autopilot')],
    state.autopilot !== null,
  )
}

function evaluated<N extends ReadName>(
  value: Reads[N]['reply'],
  index: number,
  watch: readonly WatchKey[],
  found = true,
): Evaluated<N> {
  return { value, index: Math.max(1, index), watch, found }
}
