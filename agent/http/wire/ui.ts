/**
 * Overviews of nodes and services as Consul's user interface reads them (http-api.md 26).
 *
 * Lists of a summary that are empty are null, as the reference has them; those of a node are not.
 */

import type { NodeDump } from '../../../core/catalog/types.ts'
import type { CatalogOverview, HealthCount } from '../../../core/ui/catalog-overview.ts'
import type { ServiceSummary } from '../../../core/ui/service-summary.ts'
import type { Neighbour, ServiceTopology } from '../../../core/ui/service-topology.ts'
import { checkJson } from './check.ts'
import { list, text, textList, textMap } from './json.ts'
import { serviceJson } from './service.ts'

export function nodeDumpJson({ node, services, checks }: NodeDump): string {
  return (
    `{"ID":${text(node.id)},"Node":${text(node.node)},"Address":${text(node.address)},` +
    `"TaggedAddresses":${textMap(node.taggedAddresses)},"Meta":${textMap(node.meta)},` +
    `"Services":${list(services, serviceJson)},"Checks":${list(checks, checkJson)}}`
  )
}

/** What a gateway adds to the summary of a service behind it. */
export interface GatewayFacts {
  readonly associatedServiceCount: number
  readonly addresses: readonly string[]
}

const NO_GATEWAY: GatewayFacts = { associatedServiceCount: 0, addresses: [] }

export function summaryJson(summary: ServiceSummary, gateway: GatewayFacts = NO_GATEWAY): string {
  return `{${summaryFields(summary, gateway)}}`
}

/** As in the list of all services. */
export function listedSummaryJson(
  summary: ServiceSummary,
  gateway: GatewayFacts & { readonly isBehindGateway: boolean },
): string {
  return (
    `{${summaryFields(summary, gateway)},"ConnectedWithProxy":${summary.hasProxy},` +
    `"ConnectedWithGateway":${gateway.isBehindGateway}}`
  )
}

function summaryFields(summary: ServiceSummary, gateway: GatewayFacts): string {
  const kind = summary.kind === '' ? '' : `"Kind":${text(summary.kind)},`
  return (
    `${kind}"Name":${text(summary.name)},"Datacenter":${text(summary.datacenter)},` +
    `"Tags":${orNull(summary.tags)},"Nodes":${orNull(summary.nodes)},` +
    `"ExternalSources":${orNull(summary.externalSources)},"InstanceCount":${summary.instanceCount},` +
    `"ChecksPassing":${summary.checksPassing},"ChecksWarning":${summary.checksWarning},` +
    `"ChecksCritical":${summary.checksCritical},"GatewayConfig":${gatewayJson(gateway)},` +
    `"TransparentProxy":${summary.transparentProxy},"ConnectNative":${summary.connectNative}`
  )
}

function gatewayJson({ associatedServiceCount: count, addresses }: GatewayFacts): string {
  const fields: string[] = []
  if (count > 0) fields.push(`"AssociatedServiceCount":${count}`)
  if (addresses.length > 0) fields.push(`"Addresses":${textList(addresses)}`)
  return `{${fields.join(',')}}`
}

function orNull(values: readonly string[]): string {
  return values.length === 0 ? 'null' : textList(values)
}

export function overviewJson({ nodes, services, checks }: CatalogOverview): string {
  return (
    `{"Nodes":${list(nodes, countJson)},"Services":${list(services, countJson)},` +
    `"Checks":${list(checks, countJson)}}`
  )
}

function countJson({ name, total, passing, warning, critical }: HealthCount): string {
  const named = name === '' ? '' : `"Name":${text(name)},`
  return `{${named}"Total":${total},"Passing":${passing},"Warning":${warning},"Critical":${critical}}`
}

export function topologyJson(topology: ServiceTopology, protocol: string): string {
  return (
    `{"Protocol":${text(protocol)},"TransparentProxy":${topology.transparentProxy},` +
    `"Upstreams":${list(topology.upstreams, neighbourJson)},` +
    `"Downstreams":${list(topology.downstreams, neighbourJson)},"FilteredByACLs":false}`
  )
}

function neighbourJson({ summary, source, intention }: Neighbour): string {
  return (
    `{${summaryFields(summary, NO_GATEWAY)},"Source":${text(source)},` +
    `"Intention":{"DefaultAllow":${intention.defaultAllow},"Allowed":${intention.allowed},` +
    `"HasPermissions":${intention.hasPermissions},"ExternalSource":${text(intention.externalSource)},` +
    `"HasExact":${intention.hasExact}}}`
  )
}
