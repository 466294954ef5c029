/**
 * What can be watched, as reads of the HTTP API (agent-config.md section 10). Pure.
 *
 * Guarantees: a target names one read that blocks; a parameter that its type does not take is refused, not passed over.
 */

import { nearestName } from '../config/nearest-name.ts'

/** As they are written; undefined where they are not. */
export interface WatchParameters {
  readonly type?: string
  readonly key?: string
  readonly prefix?: string
  readonly service?: string
  readonly service_id?: string
  readonly tag?: readonly string[]
  readonly passingonly?: boolean
  readonly state?: string
  readonly name?: string
  readonly filter?: string
}

export interface WatchTarget {
  readonly type: string
  /** With its segments escaped. */
  readonly path: string
  /** An empty text stands for a parameter without value. */
  readonly query: Readonly<Record<string, string | readonly string[]>>
  /** What the answer is recognised by: the index of blocking reads, or the hash of a local object. */
  readonly blocksOn: 'index' | 'hash'
  /** `first` of a list, or null; `list` is empty where nothing is found; of `events` only those not seen before. */
  readonly gives: 'value' | 'first' | 'list' | 'events'
}

export type WatchTargetResult =
  | { readonly ok: true; readonly target: WatchTarget }
  | { readonly ok: false; readonly message: string }

type Parameter = Exclude<keyof WatchParameters, 'type'>

interface WatchType {
  readonly takes: readonly Parameter[]
  /** @returns what is wrong, or the read */
  readonly read: (given: WatchParameters) => string | Omit<WatchTarget, 'type'>
}

const READ = { query: {}, blocksOn: 'index', gives: 'value' } as const

const TYPES: Readonly<Record<string, WatchType>> = {
  key: {
    takes: ['key'],
    read: ({ key = '' }) => {
      if (key === '') return 'Must specify a single key to watch'
      return { ...READ, path: `/v1/kv/${escapedKey(key)}`, gives: 'first' }
    },
  },
  keyprefix: {
    takes: ['prefix'],
    read: ({ prefix = '' }) => {
      if (prefix === '') return 'Must specify a single prefix to watch'
      return {
        ...READ,
        path: `/v1/kv/${escapedKey(prefix)}`,
        query: { recurse: '' },
        gives: 'list',
      }
    },
  },
  services: {
    takes: ['filter'],
    read: (given) => ({ ...READ, path: '/v1/catalog/services', query: filterOf(given) }),
  },
  nodes: {
    takes: ['filter'],
    read: (given) => ({ ...READ, path: '/v1/catalog/nodes', query: filterOf(given) }),
  },
  service: {
    takes: ['service', 'tag', 'passingonly', 'filter'],
    read: (given) => {
      const { service = '', tag = [], passingonly = false } = given
      if (service === '') return 'Must specify a single service to watch'
      const passing = passingonly ? { passing: '' } : {}
      const tags = tag.length === 0 ? {} : { tag }
      const query = { ...tags, ...passing, ...filterOf(given) }
      return { ...READ, path: `/v1/health/service/${encodeURIComponent(service)}`, query }
    },
  },
  checks: {
    takes: ['service', 'state', 'filter'],
    read: (given) => {
      const { service = '', state = '' } = given
      if (service !== '' && state !== '') return 'Cannot specify service and state'
      const path =
        service === ''
          ? `/v1/health/state/${encodeURIComponent(state === '' ? 'any' : state)}`
          : `/v1/health/checks/${encodeURIComponent(service)}`
      return { ...READ, path, query: filterOf(given) }
    },
  },
  event: {
    takes: ['name'],
    read: ({ name = '' }) => {
      return {
        ...READ,
        path: '/v1/event/list',
        query: name === '' ? {} : { name },
        gives: 'events',
      }
    },
  },
  connect_roots: {
    takes: [],
    read: () => ({ ...READ, path: '/v1/agent/connect/ca/roots' }),
  },
  connect_leaf: {
    takes: ['service'],
    read: ({ service = '' }) => {
      if (service === '') return 'Must specify a single service to watch'
      return { ...READ, path: `/v1/agent/connect/ca/leaf/${encodeURIComponent(service)}` }
    },
  },
  agent_service: {
    takes: ['service_id'],
    read: ({ service_id: id = '' }) => {
      if (id === '') return 'Must specify a single service ID to watch'
      const path = `/v1/agent/service/${encodeURIComponent(id)}`
      return { ...READ, path, blocksOn: 'hash' }
    },
  },
}

export const WATCH_TYPES: readonly string[] = Object.keys(TYPES)

export function watchTarget(given: WatchParameters): WatchTargetResult {
  const { type = '' } = given
  if (type === '') return refused('Watch type must be specified')
  const known = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined
  if (known === undefined) {
    const near = nearestName(type, WATCH_TYPES)
    const hint = near === undefined ? '' : `; did you mean "${near}"?`
    return refused(`Unsupported watch type: ${type}${hint}`)
  }
  const written = Object.keys(given).filter((name) => name !== 'type')
  const foreign = written.filter((name) => !known.takes.some((taken) => taken === name))
  if (foreign.length > 0) return refused(`Invalid parameters: [${foreign.join(' ')}]`)
  const read = known.read(given)
  return typeof read === 'string' ? refused(read) : { ok: true, target: { type, ...read } }
}

function refused(message: string): WatchTargetResult {
  return { ok: false, message }
}

function filterOf({ filter = '' }: WatchParameters): Readonly<Record<string, string>> {
  return filter === '' ? {} : { filter }
}

/** Slashes are part of keys. */
function escapedKey(key: string): string {
  return key.split('/').map(encodeURIComponent).join('/')
}
