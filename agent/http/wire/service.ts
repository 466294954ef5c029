/**
 * A service instance in the three forms of the API: on its node, in the flat catalog list, and on the agent.
 *
 * Which empty fields stay is exact (http-api.md 9.6, 11.6, 11.7): typed clients break on a difference.
 */

import type {
  NodeRecord,
  ServiceRecord,
  ServiceWithNode,
  TaggedAddress,
  Weights,
} from '../../../core/catalog/types.ts'
import type { LocalService } from '../../local/types.ts'
import { Recent } from '../recent.ts'
import { map, text, textList, textMap } from './json.ts'
import { localityJson } from './node.ts'
import { agentProxyJson, catalogProxyJson, connectJson } from './proxy.ts'

const texts = new Recent<ServiceRecord, string>(encodeOnNode)

/** As in catalog/node and health entries. */
export function serviceJson(service: ServiceRecord): string {
  return texts.of(service)
}

function encodeOnNode(service: ServiceRecord): string {
  let out = service.kind === '' ? '{' : `{"Kind":${text(service.kind)},`
  out +=
    `"ID":${text(service.id)},"Service":${text(service.service)},` +
    `"Tags":${textList(service.tags)},"Address":${text(service.address)},`
  out += taggedAddressesField('TaggedAddresses', service.taggedAddresses)
  out += `"Meta":${textMap(service.meta)},`
  if (service.port !== 0) out += `"Port":${service.port},`
  if (service.socketPath !== '') out += `"SocketPath":${text(service.socketPath)},`
  out +=
    `"Weights":${weightsJson(service.weights)},"EnableTagOverride":${service.enableTagOverride},` +
    `"Proxy":${catalogProxyJson(service.proxy)},"Connect":${connectJson(service.connectNative)},`
  if (service.locality !== undefined) out += `"Locality":${localityJson(service.locality)},`
  return `${out}"PeerName":"","CreateIndex":${service.createIndex},"ModifyIndex":${service.modifyIndex}}`
}

/** As in catalog/service and catalog/connect. */
export function catalogServiceJson({ node, service }: ServiceWithNode): string {
  return `${nodePart(node)}${servicePart(service)}`
}

function nodePart(node: NodeRecord): string {
  return (
    `{"ID":${text(node.id)},"Node":${text(node.node)},"Address":${text(node.address)},` +
    `"Datacenter":${text(node.datacenter)},"TaggedAddresses":${textMap(node.taggedAddresses)},` +
    `"NodeMeta":${textMap(node.meta)},`
  )
}

function servicePart(service: ServiceRecord): string {
  const locality = service.locality === undefined ? 'null' : localityJson(service.locality)
  return (
    `"ServiceKind":${text(service.kind)},"ServiceID":${text(service.id)},` +
    `"ServiceName":${text(service.service)},"ServiceTags":${textList(service.tags)},` +
    `"ServiceAddress":${text(service.address)},` +
    taggedAddressesField('ServiceTaggedAddresses', service.taggedAddresses) +
    `"ServiceWeights":${weightsJson(service.weights)},"ServiceMeta":${textMap(service.meta)},` +
    `"ServicePort":${service.port},"ServiceSocketPath":${text(service.socketPath)},` +
    `"ServiceEnableTagOverride":${service.enableTagOverride},` +
    `"ServiceProxy":${catalogProxyJson(service.proxy)},` +
    `"ServiceConnect":${connectJson(service.connectNative)},"ServiceLocality":${locality},` +
    `"CreateIndex":${service.createIndex},"ModifyIndex":${service.modifyIndex}}`
  )
}

/** As in agent/services; with `withHash` as in agent/service/:id. */
export function agentServiceJson(
  { service, contentHash }: LocalService,
  options: { readonly datacenter: string; readonly withHash: boolean },
): string {
  let out = service.kind === '' ? '{' : `{"Kind":${text(service.kind)},`
  out +=
    `"ID":${text(service.id)},"Service":${text(service.service)},"Tags":${textList(service.tags)},` +
    `"Meta":${textMap(service.meta ?? {})},"Port":${service.port},` +
    `"Address":${text(service.address)},`
  if (service.socketPath !== '') out += `"SocketPath":${text(service.socketPath)},`
  out += taggedAddressesField('TaggedAddresses', service.taggedAddresses)
  out += `"Weights":${weightsJson(service.weights)},"EnableTagOverride":${service.enableTagOverride},`
  if (options.withHash) out += `"ContentHash":${text(contentHash)},`
  if (service.proxy !== undefined) out += `"Proxy":${agentProxyJson(service.proxy)},`
  if (service.connectNative) out += '"Connect":{"Native":true},'
  if (service.locality !== undefined) out += `"Locality":${localityJson(service.locality)},`
  return `${out}"Datacenter":${text(options.datacenter)}}`
}

function taggedAddressesField(
  name: string,
  addresses: Readonly<Record<string, TaggedAddress>>,
): string {
  const json = map(addresses, taggedAddressJson)
  return json === '{}' ? '' : `"${name}":${json},`
}

function taggedAddressJson(tagged: TaggedAddress): string {
  return `{"Address":${text(tagged.address)},"Port":${tagged.port}}`
}

function weightsJson(weights: Weights): string {
  return `{"Passing":${weights.passing},"Warning":${weights.warning}}`
}
