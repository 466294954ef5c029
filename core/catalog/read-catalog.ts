/**
 * Reads of nodes, services, checks and virtual addresses, with the index rules of http-api.md 4. Pure.
 *
 * A read by service name or destination costs one look-up and one step an instance. Indexes never go
 * back while a thing exists; of a thing that does not exist the index is that of the last extinction.
 */

import { type CentralEntries, withCentralConfig } from '../config-entries/central-config.ts'
import type { Reads } from '../rpc/reads.ts'
import { instanceAt } from './instances.ts'
import {
  configKey,
  type InstanceGroup,
  type NodeState,
  nameKey,
  pairKey,
  type State,
} from './state.ts'
import type { Evaluated, WatchKey } from './store-api.ts'
import type {
  CheckRecord,
  HealthEntry,
  NodeRecord,
  ServiceRecord,
  ServiceWithNode,
  StringMap,
} from './types.ts'
import { destinationWatch, nodeWatch, serviceWatch, tableWatch } from './watch-keys.ts'

type Request<N extends keyof Reads> = Reads[N]['request']

/** Shortest part of a node id that finds a node where a name is expected. */
const NODE_ID_PREFIX_MIN = 12

const NODES_TABLE = tableWatch('nodes')
const SERVICES_TABLE = tableWatch('services')
const CHECKS_TABLE = tableWatch('checks')

export function readNodes(
  state: State,
  { nodeMeta }: Request<'catalog.nodes'>,
): Evaluated<'catalog.nodes'> {
  const value: NodeRecord[] = []
  for (const { record } of state.nodes.values()) {
    if (hasMeta(record, nodeMeta)) value.push(record)
  }
  return evaluated(value, state.indexes.nodes, [NODES_TABLE])
}

export function readServices(
  state: State,
  { nodeMeta, alsoConfig }: Request<'catalog.services'>,
): Evaluated<'catalog.services'> {
  const value: ServiceWithNode[] = []
  for (const group of state.services.values()) {
    for (const entry of group.instances.values()) {
      if (hasMeta(entry.node, nodeMeta)) value.push(withoutChecks(entry))
    }
  }
  const index = Math.max(state.indexes.nodes, state.indexes.services)
  const found = evaluated<'catalog.services'>(value, index, [NODES_TABLE, SERVICES_TABLE])
  return alsoConfig === true ? withConfig(state, found, found.value) : found
}

export function readService(
  state: State,
  request: Request<'catalog.service'>,
): Evaluated<'catalog.service'> {
  const { group, index, watch } = findGroup(state, request.service, request.connect, false)
  const value = narrowed(group, request).map(withoutChecks)
  const found = evaluated<'catalog.service'>(value, index, watch, group !== undefined)
  if (request.mergeCentral !== true) return found
  return withConfig(
    state,
    found,
    value.map((each) => merged(state, each)),
  )
}

export function readHealth(
  state: State,
  request: Request<'health.service'>,
): Evaluated<'health.service'> {
  const { group, index, watch } = findGroup(state, request.service, request.connect, true)
  const value = selectHealth(group?.instances.values() ?? [], request)
  const found = evaluated<'health.service'>(value, index, watch, group !== undefined)
  if (request.mergeCentral !== true) return found
  return withConfig(
    state,
    found,
    value.map((each) => merged(state, each)),
  )
}

/** Those of the instances of a service that a read of its health asks for. */
export function selectHealth(
  entries: readonly HealthEntry[],
  by: Pick<Request<'health.service'>, 'tags' | 'nodeMeta' | 'passingOnly'>,
): readonly HealthEntry[] {
  const found = selected(entries, by)
  return by.passingOnly === true ? found.filter(isPassing) : found
}

export function readServiceChecks(
  state: State,
  { service, nodeMeta }: Request<'health.checks'>,
): Evaluated<'health.checks'> {
  const { group, index, watch } = findGroup(state, service, false, true)
  const value: CheckRecord[] = []
  for (const entry of narrowed(group, { nodeMeta })) {
    for (const check of entry.checks) if (check.serviceId !== '') value.push(check)
  }
  return evaluated(value, index, watch, group !== undefined)
}

export function readChecksInState(
  state: State,
  request: Request<'health.state'>,
): Evaluated<'health.state'> {
  const value: CheckRecord[] = []
  for (const node of state.nodes.values()) {
    if (!hasMeta(node.record, request.nodeMeta)) continue
    for (const check of node.checks.values()) {
      if (request.state === 'any' || check.status === request.state) value.push(check)
    }
  }
  if (request.nodeMeta === undefined) return evaluated(value, state.indexes.checks, [CHECKS_TABLE])
  const index = Math.max(state.indexes.checks, state.indexes.nodes)
  return evaluated(value, index, [CHECKS_TABLE, NODES_TABLE])
}

/** The watch also fires for checks of the node, which the index, as the reference has it, leaves out. */
export function readNode(
  state: State,
  { node: name, mergeCentral }: Request<'catalog.node'>,
): Evaluated<'catalog.node'> {
  const node = findNode(state, name)
  if (node === undefined) {
    const index = Math.max(state.indexes.nodes, state.indexes.services)
    return evaluated(null, index, missingNodeWatch(name), false)
  }
  const value = {
    node: node.record,
    services: node.services.values(),
    checks: node.checks.values(),
  }
  const index = Math.max(node.record.modifyIndex, node.servicesIndex)
  const watch = [nodeWatch(nameKey(node.record.node))]
  const found = evaluated<'catalog.node'>(value, index, watch)
  if (mergeCentral !== true) return found
  const entryOf = entriesOf(state)
  const services = value.services.map((service) => withCentralConfig(service, entryOf))
  return withConfig(state, found, { ...value, services })
}

export function readDump(
  state: State,
  { alsoConfig }: Request<'catalog.dump'>,
): Evaluated<'catalog.dump'> {
  const value = state.nodes.values().map((node) => ({
    node: node.record,
    services: node.services.values(),
    checks: node.checks.values(),
  }))
  const { nodes, services, checks } = state.indexes
  const watch = [NODES_TABLE, SERVICES_TABLE, CHECKS_TABLE]
  const found = evaluated<'catalog.dump'>(value, Math.max(nodes, services, checks), watch)
  return alsoConfig === true ? withConfig(state, found, found.value) : found
}

export function readNodeChecks(
  state: State,
  { node: name }: Request<'health.node'>,
): Evaluated<'health.node'> {
  const node = findNode(state, name)
  if (node === undefined) {
    const index = Math.max(state.indexes.nodes, state.indexes.checks)
    return evaluated([], index, missingNodeWatch(name), false)
  }
  const index = Math.max(node.record.modifyIndex, node.checksIndex)
  return evaluated(node.checks.values(), index, [nodeWatch(nameKey(node.record.node))])
}

export function readAddress(
  state: State,
  { ip }: Request<'catalog.address'>,
): Evaluated<'catalog.address'> {
  const prefix = pairKey(ip, '')
  const nodes: NodeRecord[] = []
  for (const key of state.nodeAddresses.valuesUnder(prefix)) {
    const node = state.nodes.get(key)
    if (node !== undefined) nodes.push(node.record)
  }
  const services: ServiceWithNode[] = []
  for (const key of state.serviceAddresses.valuesUnder(prefix)) {
    const entry = instanceAt(state, key)
    if (entry !== undefined) services.push(withoutChecks(entry))
  }
  const index = Math.max(state.indexes.nodes, state.indexes.services)
  const isFound = nodes.length > 0 || services.length > 0
  return evaluated({ nodes, services }, index, [NODES_TABLE, SERVICES_TABLE], isFound)
}

export function readVirtualIps(state: State): Evaluated<'catalog.virtual-ips'> {
  const watch = [tableWatch('virtualIps')]
  return evaluated(state.virtualIps.values(), state.indexes.virtualIps, watch)
}

function findGroup(
  state: State,
  name: string,
  connect: boolean | undefined,
  hasChecks: boolean,
): { group: InstanceGroup | undefined; index: number; watch: readonly WatchKey[] } {
  const key = nameKey(name)
  const { indexes } = state
  if (connect === true) {
    const group = state.destinations.get(key)
    const extinction = Math.max(indexes.serviceExtinction, indexes.destinationExtinction)
    const index = group?.index ?? absentIndex(state, extinction, hasChecks)
    return { group, index, watch: [destinationWatch(key)] }
  }
  const group = state.services.get(key)
  const index = group?.index ?? absentIndex(state, indexes.serviceExtinction, hasChecks)
  return { group, index, watch: [serviceWatch(key)] }
}

function absentIndex(state: State, extinction: number, hasChecks: boolean): number {
  if (extinction > 0) return extinction
  const { nodes, services, checks } = state.indexes
  return Math.max(nodes, services, hasChecks ? checks : 0)
}

/** By name, or by an unambiguous part of the id of at least NODE_ID_PREFIX_MIN characters. */
function findNode(state: State, name: string): NodeState | undefined {
  const byName = state.nodes.get(nameKey(name))
  if (byName !== undefined || name.length < NODE_ID_PREFIX_MIN) return byName
  const [key, another] = state.nodeIds.valuesUnder(nameKey(name))
  return key === undefined || another !== undefined ? undefined : state.nodes.get(key)
}

/** What looks like an id may appear under any name. */
function missingNodeWatch(name: string): readonly WatchKey[] {
  const own = nodeWatch(nameKey(name))
  return name.length < NODE_ID_PREFIX_MIN ? [own] : [own, NODES_TABLE]
}

const CONFIG_TABLE = tableWatch('config')

/** A read whose answer config entries shape too: its index is also theirs, and their changes wake who waits. */
function withConfig<N extends keyof Reads>(
  state: State,
  found: Evaluated<N>,
  value: Evaluated<N>['value'],
): Evaluated<N> {
  const index = Math.max(found.index, state.indexes.config)
  return { ...found, value, index, watch: [...found.watch, CONFIG_TABLE] }
}

function merged<T extends { readonly service: ServiceRecord }>(state: State, entry: T): T {
  return { ...entry, service: withCentralConfig(entry.service, entriesOf(state)) }
}

function entriesOf(state: State): CentralEntries {
  return (kind, name) => state.configEntries.get(configKey(kind, name))?.body
}

function narrowed(
  group: InstanceGroup | undefined,
  by: { readonly tags?: readonly string[] | undefined; readonly nodeMeta?: StringMap | undefined },
): readonly HealthEntry[] {
  return group === undefined ? [] : selected(group.instances.values(), by)
}

function selected(
  entries: readonly HealthEntry[],
  by: { readonly tags?: readonly string[] | undefined; readonly nodeMeta?: StringMap | undefined },
): readonly HealthEntry[] {
  const tags = by.tags?.map((tag) => tag.toLowerCase())
  const hasTags = tags !== undefined && tags.length > 0
  if (!hasTags && by.nodeMeta === undefined) return entries
  return entries.filter(
    (entry) => (!hasTags || carries(entry.service, tags)) && hasMeta(entry.node, by.nodeMeta),
  )
}

function carries(service: ServiceRecord, tags: readonly string[]): boolean {
  const own = service.tags.map((tag) => tag.toLowerCase())
  return tags.every((tag) => own.includes(tag))
}

function hasMeta(node: NodeRecord, wanted: StringMap | undefined): boolean {
  if (wanted === undefined) return true
  const { meta } = node
  return Object.entries(wanted).every(
    ([key, value]) => meta !== null && Object.hasOwn(meta, key) && meta[key] === value,
  )
}

function isPassing(entry: HealthEntry): boolean {
  return entry.checks.every((check) => check.status === 'passing')
}

function withoutChecks(entry: HealthEntry): ServiceWithNode {
  return { node: entry.node, service: entry.service }
}

function evaluated<N extends keyof Reads>(
  value: Reads[N]['reply'],
  index: number,
  watch: readonly WatchKey[],
  found = true,
): Evaluated<N> {
  return { value, index: Math.max(1, index), watch, found }
}
