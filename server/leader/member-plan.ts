/**
 * What the catalog must learn about one member of the gossip pool, or about one that vanished. Pure.
 *
 * Guarantees: nothing is written when nothing differs; nodes without a `serfHealth` check (registered by
 * API) are never touched; what the node's own agent keeps in the catalog (meta, tagged addresses) stays. A
 * host that took over a name gets nothing of what the host before it had there.
 * Source: http-api.md 10.8.
 */

import type { Command } from '../../core/catalog/commands.ts'
import type {
  CheckDefinition,
  CheckRecord,
  CheckStatus,
  NodeRecord,
  ServiceDefinition,
  ServiceRecord,
  StringMap,
} from '../../core/catalog/types.ts'
import type { Member } from '../../core/membership.ts'

export const SERF_HEALTH = 'serfHealth'
export const SERVER_SERVICE = 'consul'

export interface CatalogNode {
  readonly node: NodeRecord
  readonly services: readonly ServiceRecord[]
  readonly checks: readonly CheckRecord[]
}

/** @param known what the catalog says of the node of this name, null when nothing */
export function planMember(member: Member, known: CatalogNode | null): Command | null {
  switch (member.status) {
    case 'alive':
      return planAlive(member, known)
    case 'failed':
      return planFailed(member, known)
    case 'left':
      return planGone(known)
    case 'leaving':
    case 'none':
      return null
  }
}

/** Takes a node that gossip knows no more, or that left, out of the catalog. */
export function planGone(known: CatalogNode | null): Command | null {
  if (known === null || serfHealthOf(known) === undefined) return null
  return { kind: 'deregister', request: { node: known.node.node } }
}

/** Marks a node as failed although gossip does not name it. */
export function planMissing(known: CatalogNode): Command | null {
  const check = serfHealthOf(known)
  if (check === undefined || check.status === 'critical') return null
  return registerOnly(known.node, serfHealth('critical'))
}

export function isServer(member: Member): boolean {
  return member.tags['role'] === 'consul'
}

function planAlive(member: Member, known: CatalogNode | null): Command | null {
  if (known !== null && isOfAnotherHost(known, member)) {
    const gone = planGone(known)
    if (gone !== null) return gone
  }
  const service = isServer(member) ? serverService(member) : undefined
  const node = known?.node
  const isSameNode =
    node !== undefined &&
    node.address === member.address &&
    (member.tags['id'] === undefined || node.id === member.tags['id'])
  const isSameService =
    service === undefined ||
    known?.services.some((present) => isSameServerService(present, service)) === true
  const isPassing = known !== null && serfHealthOf(known)?.status === 'passing'
  if (isSameNode && isSameService && isPassing) return null
  return {
    kind: 'register',
    request: {
      id: member.tags['id'] ?? node?.id ?? '',
      node: node?.node ?? member.name,
      address: member.address,
      taggedAddresses: node?.taggedAddresses ?? null,
      meta: node?.meta ?? null,
      ...(node?.locality === undefined ? {} : { locality: node.locality }),
      skipNodeUpdate: isSameNode,
      ...(service === undefined || isSameService ? {} : { service }),
      checks: isPassing ? [] : [serfHealth('passing')],
    },
  }
}

/** Gossip gives a name to one host only, and to another only when the one before is gone. */
function isOfAnotherHost({ node }: CatalogNode, { tags }: Member): boolean {
  const { id = '' } = tags
  return id !== '' && node.id !== '' && node.id.toLowerCase() !== id.toLowerCase()
}

function planFailed(member: Member, known: CatalogNode | null): Command | null {
  if (known === null) return null
  if (serfHealthOf(known)?.status === 'critical') return null
  return registerOnly(
    { ...known.node, address: known.node.address || member.address },
    serfHealth('critical'),
  )
}

function registerOnly(node: NodeRecord, check: CheckDefinition): Command {
  return {
    kind: 'register',
    request: {
      id: node.id,
      node: node.node,
      address: node.address,
      taggedAddresses: node.taggedAddresses,
      meta: node.meta,
      skipNodeUpdate: true,
      checks: [check],
    },
  }
}

function serfHealthOf(known: CatalogNode): CheckRecord | undefined {
  return known.checks.find((check) => check.checkId === SERF_HEALTH)
}

function serfHealth(status: CheckStatus & ('passing' | 'critical')): CheckDefinition {
  return {
    checkId: SERF_HEALTH,
    name: 'Serf Health Status',
    status,
    notes: '',
    output: status === 'passing' ? 'Agent alive and reachable' : 'Agent not live or unreachable',
    serviceId: '',
    serviceName: '',
    serviceTags: [],
    type: '',
    interval: '',
    timeout: '',
    exposedPort: 0,
    definition: {},
  }
}

function serverService(member: Member): ServiceDefinition {
  const port = Number(member.tags['port'] ?? 0)
  return {
    kind: '',
    id: SERVER_SERVICE,
    service: SERVER_SERVICE,
    tags: [],
    address: '',
    port: Number.isInteger(port) && port > 0 && port < 65_536 ? port : 0,
    socketPath: '',
    taggedAddresses: {},
    meta: serverMeta(member.tags),
    weights: { passing: 1, warning: 1 },
    enableTagOverride: false,
    connectNative: false,
  }
}

function serverMeta(tags: StringMap): StringMap {
  return {
    non_voter: 'false',
    read_replica: 'false',
    raft_version: tags['raft_vsn'] ?? '3',
    serf_protocol_current: tags['vsn'] ?? '2',
    serf_protocol_min: tags['vsn_min'] ?? '1',
    serf_protocol_max: tags['vsn_max'] ?? '5',
    // The build tag of a server is `version:revision`.
    version: (tags['build'] ?? '').split(':')[0] ?? '',
  }
}

/** Compared by what this file writes; the store adds fields of its own. */
function isSameServerService(present: ServiceRecord, wanted: ServiceDefinition): boolean {
  if (present.id !== wanted.id || present.service !== wanted.service) return false
  if (present.port !== wanted.port || present.address !== wanted.address) return false
  const meta = present.meta ?? {}
  return Object.entries(wanted.meta ?? {}).every(([key, value]) => meta[key] === value)
}
