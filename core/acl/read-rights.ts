/**
 * What a caller may see of every read (http-api.md 24 and the ACL column of every other section). Pure.
 *
 * Guarantees: a read without a row does not compile; a row either refuses as a whole, or leaves out what the caller
 * may not see and says that it did; what the caller may see stays as it is, also by identity where nothing was left
 * out. Secrets of records (tokens of prepared queries) go only to who may manage access control.
 */

import type { TxnResult } from '../catalog/commands.ts'
import type {
  CheckRecord,
  HealthEntry,
  IntentionRecord,
  KvEntry,
  NodeDump,
  ServiceRecord,
  ServiceWithNode,
} from '../catalog/types.ts'
import type { PreparedQueryRecord } from '../queries/types.ts'
import type { ReadName, Reads } from '../rpc/reads.ts'
import type { Authorizer } from './authorizer.ts'
import { configEntryRight, mayReadConfigEntry } from './config-entry-rights.ts'
import { assertAllowed, type Bearer, denied } from './denial.ts'

export interface Seen<T> {
  readonly value: T
  /** Something was left out. */
  readonly isFiltered: boolean
}

export interface ReadPolicy {
  /** `acl.enable_key_list_policy` */
  readonly listsKeysByPolicy: boolean
}

interface Row<N extends ReadName> {
  /** Before anything is read. @throws FairleadError PERMISSION_DENIED */
  readonly check?: (bearer: Bearer, request: Reads[N]['request'], policy: ReadPolicy) => void
  readonly see?: (
    value: Reads[N]['reply'],
    bearer: Bearer,
    request: Reads[N]['request'],
  ) => Seen<Reads[N]['reply']>
}

const OPEN = {}

const MANAGEMENT: { readonly check: (bearer: Bearer) => void } = {
  check: (bearer) => assertAllowed(bearer, 'acl', 'read'),
}

const ROWS: { readonly [N in ReadName]: Row<N> } = {
  'catalog.nodes': { see: each(({ node }, may) => may.allows('node', 'read', node)) },
  'catalog.services': { see: each(({ service }, may) => sees(may, service.service)) },
  'catalog.service': { see: each((instance, may) => seesInstance(instance, may)) },
  'catalog.node': { see: seeNode },
  'catalog.dump': { see: (value, { authorizer }) => seeDump(value, authorizer) },
  'catalog.address': {
    see: ({ nodes, services }, { authorizer: may }) => {
      const seen = keep(nodes, ({ node }) => may.allows('node', 'read', node))
      const also = keep(services, (each) => seesInstance(each, may))
      return {
        value: { nodes: seen.value, services: also.value },
        isFiltered: seen.isFiltered || also.isFiltered,
      }
    },
  },
  'catalog.virtual-ips': { see: each(({ service }, may) => sees(may, service)) },
  'health.node': { see: each((check, may) => seesCheck(check, may)) },
  'health.checks': { see: each((check, may) => seesCheck(check, may)) },
  'health.state': { see: each((check, may) => seesCheck(check, may)) },
  'health.service': { see: each((instance, may) => seesInstance(instance, may)) },
  'kv.get': { check: (bearer, { key }) => assertAllowed(bearer, 'key', 'read', key) },
  'kv.list': {
    check: checkList,
    see: each(({ key }: KvEntry, may) => may.allows('key', 'read', key)),
  },
  'kv.keys': { check: checkList, see: each((key: string, may) => may.allows('key', 'read', key)) },
  'txn.read': {
    see: (value, { authorizer }) => {
      if (!value.ok) return whole(value)
      const seen = seeTxnResults(value.results, authorizer)
      return { value: { ok: true, results: seen.value }, isFiltered: seen.isFiltered }
    },
  },
  'session.get': { see: one(({ node }, may) => may.allows('session', 'read', node)) },
  'session.list': { see: each(({ node }, may) => may.allows('session', 'read', node)) },
  'intention.list': { see: each((rule, may) => seesIntention(rule, may)) },
  'intention.get': {
    see: (value, bearer) => {
      if (value === null || seesIntention(value, bearer.authorizer)) return whole(value)
      throw denied(bearer, 'intention', 'read', value.destinationName)
    },
  },
  'intention.match': {
    check: (bearer, { name }) => assertAllowed(bearer, 'intention', 'read', name),
  },
  'config.get': {
    check: (bearer, { entryKind, name }) => {
      if (mayReadConfigEntry(bearer.authorizer, entryKind, name)) return
      const { resource, named } = configEntryRight(entryKind, 'read')
      throw denied(bearer, resource, 'read', named ? name : undefined)
    },
  },
  'config.list': {
    see: (value, { authorizer }, { entryKind }) =>
      keep(value, ({ name }) => mayReadConfigEntry(authorizer, entryKind, name)),
  },
  'chain.get': {
    check: (bearer, { service }) => assertAllowed(bearer, 'service', 'read', service),
  },
  'ca.roots': OPEN,
  'ca.config': { check: (bearer) => assertAllowed(bearer, 'operator', 'read') },
  'coordinate.nodes': { see: each(({ node }, may) => may.allows('node', 'read', node)) },
  'coordinate.node': { check: (bearer, { node }) => assertAllowed(bearer, 'node', 'read', node) },
  'coordinate.some': { see: each(({ node }, may) => may.allows('node', 'read', node)) },
  'query.list': {
    see: (value, { authorizer }) => {
      const seen = keep(value, (query) => seesQuery(query, authorizer))
      return { ...seen, value: seen.value.map((query) => shownQuery(query, authorizer)) }
    },
  },
  'query.get': {
    see: (value, bearer) => {
      if (value === null) return whole(value)
      if (seesQuery(value, bearer.authorizer)) return whole(shownQuery(value, bearer.authorizer))
      throw denied(bearer, 'query', 'read', value.name)
    },
  },
  // Who may execute is decided by what the query finds; its token stays with the servers.
  'query.resolve': {
    see: (value, { authorizer }, { explain }) => {
      if (value.kind !== 'query') return whole(value)
      if (explain === true && !seesQuery(value.query, authorizer)) {
        return { value: { kind: 'unknown' }, isFiltered: true }
      }
      return whole({ ...value, query: shownQuery(value.query, authorizer) })
    },
  },
  'autopilot.config': { check: (bearer) => assertAllowed(bearer, 'operator', 'read') },
  'join-token.list': MANAGEMENT,
  'acl.token.list': MANAGEMENT,
  'acl.token.get': MANAGEMENT,
  'acl.token.self': OPEN,
  'acl.resolve': OPEN,
  'acl.policy.list': MANAGEMENT,
  'acl.policy.get': MANAGEMENT,
  'acl.role.list': MANAGEMENT,
  'acl.role.get': MANAGEMENT,
  'acl.auth-method.list': MANAGEMENT,
  'acl.auth-method.get': MANAGEMENT,
  'acl.binding-rule.list': MANAGEMENT,
  'acl.binding-rule.get': MANAGEMENT,
}

/** @throws FairleadError PERMISSION_DENIED */
export function checkRead<N extends ReadName>(
  name: N,
  bearer: Bearer,
  request: Reads[N]['request'],
  policy: ReadPolicy,
): void {
  const row: Row<N> = ROWS[name]
  row.check?.(bearer, request, policy)
}

/** @throws FairleadError PERMISSION_DENIED */
export function seeRead<N extends ReadName>(
  name: N,
  value: Reads[N]['reply'],
  bearer: Bearer,
  request: Reads[N]['request'],
): Seen<Reads[N]['reply']> {
  const row: Row<N> = ROWS[name]
  return row.see === undefined ? whole(value) : row.see(value, bearer, request)
}

export function seesInstance(
  { node, service }: ServiceWithNode | HealthEntry,
  may: Authorizer,
): boolean {
  return may.allows('node', 'read', node.node) && sees(may, service.service)
}

/** Left as it is when all of it may be seen. */
export function keep<T>(values: readonly T[], isSeen: (value: T) => boolean): Seen<readonly T[]> {
  let first = 0
  while (first < values.length && isSeen(values[first] as T)) first += 1
  if (first === values.length) return { value: values, isFiltered: false }
  const seen = values.slice(0, first)
  for (const value of values.slice(first + 1)) if (isSeen(value)) seen.push(value)
  return { value: seen, isFiltered: true }
}

/** What a transaction gives back. */
export function seeTxnResults(
  results: readonly TxnResult[],
  may: Authorizer,
): Seen<readonly TxnResult[]> {
  return keep(results, (result) => {
    switch (result.type) {
      case 'kv':
        return may.allows('key', 'read', result.entry.key)
      case 'node':
        return may.allows('node', 'read', result.node.node)
      case 'service':
        return sees(may, result.service.service)
      case 'check':
        return seesCheck(result.check, may)
    }
  })
}

export function seesCheck(
  { node, serviceName }: Pick<CheckRecord, 'node' | 'serviceName'>,
  may: Authorizer,
): boolean {
  return may.allows('node', 'read', node) && (serviceName === '' || sees(may, serviceName))
}

function sees(may: Authorizer, service: string): boolean {
  return may.allows('service', 'read', service)
}

function seesIntention({ sourceName, destinationName }: IntentionRecord, may: Authorizer): boolean {
  return (
    may.allows('intention', 'read', destinationName) || may.allows('intention', 'read', sourceName)
  )
}

function seesQuery({ name, template }: PreparedQueryRecord, may: Authorizer): boolean {
  if (name === '' && template.type === '') return may.allows('acl', 'write')
  return may.allows('query', 'read', name)
}

function shownQuery(query: PreparedQueryRecord, may: Authorizer): PreparedQueryRecord {
  return query.token === '' || may.allows('acl', 'write') ? query : { ...query, token: '<hidden>' }
}

function checkList(
  bearer: Bearer,
  { prefix }: { readonly prefix: string },
  { listsKeysByPolicy }: ReadPolicy,
): void {
  if (listsKeysByPolicy) assertAllowed(bearer, 'key', 'list', prefix)
}

function seeNode(
  value: Reads['catalog.node']['reply'],
  { authorizer: may }: Bearer,
): Seen<Reads['catalog.node']['reply']> {
  if (value === null) return whole(value)
  if (!may.allows('node', 'read', value.node.node)) return { value: null, isFiltered: true }
  const services = keep(value.services, ({ service }: ServiceRecord) => sees(may, service))
  const checks = keep(value.checks, (check) => seesCheck(check, may))
  if (!services.isFiltered && !checks.isFiltered) return whole(value)
  return {
    value: { node: value.node, services: services.value, checks: checks.value },
    isFiltered: true,
  }
}

function seeDump(value: readonly NodeDump[], may: Authorizer): Seen<readonly NodeDump[]> {
  let isFiltered = false
  const seen = value.flatMap((dump) => {
    const part = seeNode(dump, { authorizer: may, accessorId: '' })
    isFiltered ||= part.isFiltered
    return part.value === null ? [] : [part.value]
  })
  return { value: isFiltered ? seen : value, isFiltered }
}

function each<T>(isSeen: (value: T, may: Authorizer) => boolean) {
  return (values: readonly T[], { authorizer }: Bearer): Seen<readonly T[]> =>
    keep(values, (value) => isSeen(value, authorizer))
}

function one<T>(isSeen: (value: T, may: Authorizer) => boolean) {
  return (value: T | null, { authorizer }: Bearer): Seen<T | null> =>
    value === null || isSeen(value, authorizer) ? whole(value) : { value: null, isFiltered: true }
}

function whole<T>(value: T): Seen<T> {
  return { value, isFiltered: false }
}
