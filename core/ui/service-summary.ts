/**
 * Services as an overview lists them: one line for each name, out of everything in the catalog (http-api.md 26). Pure.
 *
 * A check counts once for a name, however many instances it bears on. What stands before a service as its proxy
 * counts for its health too. Sorted by name; the kind is that of the last instance.
 */

import { compareCodePoints } from '../catalog/key-order.ts'
import type {
  CheckRecord,
  HealthEntry,
  NodeDump,
  ServiceKind,
  ServiceRecord,
} from '../catalog/types.ts'

export interface ServiceSummary {
  readonly kind: ServiceKind
  readonly name: string
  readonly datacenter: string
  readonly tags: readonly string[]
  /** Names, sorted, each once. */
  readonly nodes: readonly string[]
  /** Where its instances were registered from, by their meta. */
  readonly externalSources: readonly string[]
  readonly instanceCount: number
  readonly checksPassing: number
  readonly checksWarning: number
  readonly checksCritical: number
  /** All of its proxies take what is not theirs. */
  readonly transparentProxy: boolean
  readonly connectNative: boolean
  readonly hasProxy: boolean
}

/** In the meta of what other programs register. */
export const EXTERNAL_SOURCE = 'external-source'

class Draft {
  kind: ServiceKind = ''
  readonly name: string
  readonly datacenter: string
  readonly tags = new Set<string>()
  readonly nodes = new Set<string>()
  readonly sources = new Set<string>()
  readonly checks = new Map<string, CheckRecord>()
  instances = 0
  proxies = 0
  transparentProxies = 0
  isNative = false

  constructor(name: string, datacenter: string) {
    this.name = name
    this.datacenter = datacenter
  }

  add(service: ServiceRecord, node: string, checks: readonly CheckRecord[]): void {
    this.kind = service.kind
    this.instances++
    this.nodes.add(node)
    this.isNative = service.connectNative
    for (const tag of service.tags) this.tags.add(tag)
    const source = service.meta?.[EXTERNAL_SOURCE] ?? ''
    if (source !== '') this.sources.add(source)
    this.count(checks)
  }

  addProxy(service: ServiceRecord, checks: readonly CheckRecord[]): void {
    this.proxies++
    if (service.proxy?.mode === 'transparent') this.transparentProxies++
    this.count(checks)
  }

  count(checks: readonly CheckRecord[]): void {
    for (const check of checks) this.checks.set(`${check.node}\0${check.checkId}`, check)
  }

  finish(): ServiceSummary {
    const having = (status: CheckRecord['status']): number =>
      [...this.checks.values()].filter((check) => check.status === status).length
    return {
      kind: this.kind,
      name: this.name,
      datacenter: this.datacenter,
      tags: [...this.tags].sort(compareCodePoints),
      nodes: [...this.nodes].sort(compareCodePoints),
      externalSources: [...this.sources].sort(compareCodePoints),
      instanceCount: this.instances,
      checksPassing: having('passing'),
      checksWarning: having('warning'),
      checksCritical: having('critical'),
      transparentProxy: this.proxies > 0 && this.proxies === this.transparentProxies,
      connectNative: this.isNative,
      hasProxy: this.proxies > 0,
    }
  }
}

export function summarizeServices(
  dump: readonly NodeDump[],
  datacenter: string,
): readonly ServiceSummary[] {
  const drafts = new Map<string, Draft>()
  const draftOf = (name: string): Draft => {
    const key = name.toLowerCase()
    let draft = drafts.get(key)
    if (draft === undefined) {
      draft = new Draft(name, datacenter)
      drafts.set(key, draft)
    }
    return draft
  }
  for (const { node, services, checks } of dump) {
    const checksOf = checkFinder(checks)
    for (const service of services) {
      const own = checksOf(service)
      draftOf(service.service).add(service, node.node, own)
      const destination = service.proxy?.destinationServiceName ?? ''
      if (service.kind === 'connect-proxy' && destination !== '') {
        draftOf(destination).addProxy(service, own)
      }
    }
  }
  const summaries = [...drafts.values()].map((draft) => draft.finish())
  return summaries.sort((a, b) => compareCodePoints(a.name, b.name))
}

/** Of a service that is in no catalog. */
export function unknownService(name: string, datacenter: string): ServiceSummary {
  return new Draft(name, datacenter).finish()
}

/** The instances of a node with the checks that bear on them, as health answers have them. */
export function healthEntriesOf({ node, services, checks }: NodeDump): readonly HealthEntry[] {
  const checksOf = checkFinder(checks)
  return services.map((service) => ({ node, service, checks: checksOf(service) }))
}

/** @returns finds the checks that bear on an instance of the node: the node's, and its own */
export function checkFinder(
  checks: readonly CheckRecord[],
): (service: ServiceRecord) => readonly CheckRecord[] {
  const byService = Map.groupBy(checks, ({ serviceId }) => serviceId)
  const ofNode = byService.get('') ?? []
  return ({ id }) => {
    const own = byService.get(id)
    return own === undefined ? ofNode : [...ofNode, ...own]
  }
}
