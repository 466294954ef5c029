/**
 * Who calls a service, and whom it calls, as far as registrations and intentions tell (http-api.md 26). Pure.
 *
 * Upstreams that a proxy names come from its registration. Where a proxy is transparent, so that it takes calls to
 * anything, every service of the mesh that intentions allow is one as well. Each entry says what the intentions
 * decide about the pair.
 */

import { compareCodePoints } from '../catalog/key-order.ts'
import type { IntentionAction, IntentionRecord, NodeDump } from '../catalog/types.ts'
import { decideConnection, type L4Decision } from '../intentions/decide.ts'
import { sortIntentions, WILDCARD } from '../intentions/precedence.ts'
import {
  EXTERNAL_SOURCE,
  type ServiceSummary,
  summarizeServices,
  unknownService,
} from './service-summary.ts'

export type TopologySource =
  | 'proxy-registration'
  | 'specific-intention'
  | 'wildcard-intention'
  | 'default-allow'

export interface IntentionVerdict {
  readonly allowed: boolean
  readonly hasPermissions: boolean
  readonly externalSource: string
  readonly hasExact: boolean
  readonly defaultAllow: boolean
}

export interface Neighbour {
  readonly summary: ServiceSummary
  readonly source: TopologySource
  readonly intention: IntentionVerdict
}

export interface ServiceTopology {
  readonly transparentProxy: boolean
  readonly upstreams: readonly Neighbour[]
  readonly downstreams: readonly Neighbour[]
}

export interface TopologyInput {
  readonly service: string
  readonly datacenter: string
  readonly dump: readonly NodeDump[]
  readonly intentions: readonly IntentionRecord[]
  readonly defaultAction: IntentionAction
}

export function serviceTopology(input: TopologyInput): ServiceTopology {
  const { service, datacenter, dump } = input
  const key = service.toLowerCase()
  const summaries = new Map(
    summarizeServices(dump, datacenter).map((each) => [each.name.toLowerCase(), each] as const),
  )
  const named = namedUpstreams(dump)
  const isTransparent = (name: string): boolean => summaries.get(name)?.transparentProxy === true
  const inMesh = [...summaries.values()].filter((each) => each.hasProxy || each.connectNative)
  const upstreams = new Map<string, Neighbour>()
  const downstreams = new Map<string, Neighbour>()
  const neighbour = (name: string, pair: Pair, isRegistered: boolean): Neighbour => {
    const decision = decide(input, pair)
    return {
      summary: summaries.get(name.toLowerCase()) ?? unknownService(name, datacenter),
      intention: verdict(decision, input.defaultAction),
      source: isRegistered ? 'proxy-registration' : sourceOf(decision),
    }
  }
  for (const name of named.get(key) ?? []) {
    upstreams.set(name, neighbour(name, { source: service, destination: name }, true))
  }
  for (const [caller, names] of named) {
    if (!names.has(key)) continue
    downstreams.set(caller, neighbour(caller, { source: caller, destination: service }, true))
  }
  for (const { name } of inMesh) {
    const other = name.toLowerCase()
    if (other === key) continue
    if (isTransparent(key) && !upstreams.has(other)) {
      const out = neighbour(name, { source: service, destination: name }, false)
      if (mayPass(out)) upstreams.set(other, out)
    }
    if (isTransparent(other) && !downstreams.has(other)) {
      const back = neighbour(name, { source: name, destination: service }, false)
      if (mayPass(back)) downstreams.set(other, back)
    }
  }
  return {
    transparentProxy: isTransparent(key),
    upstreams: inOrder(upstreams),
    downstreams: inOrder(downstreams),
  }
}

interface Pair {
  readonly source: string
  readonly destination: string
}

/** Lower-cased names of the upstreams of each service's proxies. */
function namedUpstreams(dump: readonly NodeDump[]): ReadonlyMap<string, ReadonlySet<string>> {
  const named = new Map<string, Set<string>>()
  for (const { proxy } of dump.flatMap(({ services }) => services)) {
    if (proxy === undefined || proxy.destinationServiceName === '') continue
    const caller = proxy.destinationServiceName.toLowerCase()
    const names = named.get(caller) ?? new Set<string>()
    for (const { destinationType, destinationName } of proxy.upstreams) {
      if (destinationType !== 'prepared_query') names.add(destinationName.toLowerCase())
    }
    named.set(caller, names)
  }
  return named
}

function decide(
  { intentions, defaultAction }: TopologyInput,
  { source, destination }: Pair,
): L4Decision {
  const key = destination.toLowerCase()
  const rules = intentions.filter(
    ({ destinationName: name }) => name === WILDCARD || name.toLowerCase() === key,
  )
  return decideConnection(sortIntentions(rules), source, defaultAction)
}

function verdict({ kind, rule }: L4Decision, defaultAction: IntentionAction): IntentionVerdict {
  return {
    allowed: kind === 'allow',
    hasPermissions: kind === 'per-request',
    externalSource: rule?.meta[EXTERNAL_SOURCE] ?? '',
    hasExact: rule !== null && isExact(rule),
    defaultAllow: defaultAction === 'allow',
  }
}

function sourceOf({ rule }: L4Decision): TopologySource {
  if (rule === null) return 'default-allow'
  return isExact(rule) ? 'specific-intention' : 'wildcard-intention'
}

function isExact({ sourceName, destinationName }: IntentionRecord): boolean {
  return sourceName !== WILDCARD && destinationName !== WILDCARD
}

function mayPass({ intention }: Neighbour): boolean {
  return intention.allowed || intention.hasPermissions
}

function inOrder(found: ReadonlyMap<string, Neighbour>): readonly Neighbour[] {
  return [...found.values()].sort((a, b) => compareCodePoints(a.summary.name, b.summary.name))
}
