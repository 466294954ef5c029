/**
 * A compiled discovery chain as discovery-chain/ prints it (mesh.md 9.1).
 *
 * What is empty is left out, but for the names at the top and the objects that the reference always prints.
 */

import type { JsonObject } from '../../../core/catalog/types.ts'
import type {
  ChainNode,
  ChainResolver,
  ChainTarget,
  CompiledChain,
} from '../../../core/chain/types.ts'
import { formatDuration } from '../../../core/duration.ts'
import { list, map, opaque, text, textList } from './json.ts'

export function chainJson(chain: CompiledChain): string {
  const members = [
    `"ServiceName":${text(chain.serviceName)}`,
    '"Namespace":"default"',
    '"Partition":"default"',
    `"Datacenter":${text(chain.datacenter)}`,
  ]
  if (chain.customizationHash !== '') {
    members.push(`"CustomizationHash":${text(chain.customizationHash)}`)
  }
  if (chain.isDefault) members.push('"Default":true')
  members.push(`"Protocol":${text(chain.protocol)}`)
  if (!isEmpty(chain.serviceMeta)) members.push(`"ServiceMeta":${opaque(chain.serviceMeta)}`)
  if (chain.envoyExtensions.length > 0) {
    members.push(`"EnvoyExtensions":${list(chain.envoyExtensions, opaque)}`)
  }
  members.push(
    `"StartNode":${text(chain.startNode)}`,
    `"Nodes":${map(chain.nodes, nodeJson)}`,
    `"Targets":${map(chain.targets, targetJson)}`,
  )
  return `{${members.join(',')}}`
}

function nodeJson(node: ChainNode): string {
  const members = [`"Type":"${node.type}"`, `"Name":${text(node.name)}`]
  switch (node.type) {
    case 'router':
      members.push(
        `"Routes":${list(
          node.routes,
          ({ definition, nextNode }) =>
            `{"Definition":${opaque(definition)},"NextNode":${text(nextNode)}}`,
        )}`,
      )
      break
    case 'splitter':
      members.push(
        `"Splits":${list(
          node.splits,
          ({ definition, weight, nextNode }) =>
            `{"Definition":${opaque(definition)},"Weight":${weight},"NextNode":${text(nextNode)}}`,
        )}`,
      )
      break
    case 'resolver':
      members.push(`"Resolver":${resolverJson(node.resolver)}`)
      break
  }
  if (node.type !== 'router' && node.loadBalancer !== undefined) {
    members.push(`"LoadBalancer":${opaque(node.loadBalancer)}`)
  }
  return `{${members.join(',')}}`
}

function resolverJson(resolver: ChainResolver): string {
  const { isDefault, connectTimeoutNs, requestTimeoutNs, target, failover } = resolver
  const members = isDefault ? ['"Default":true'] : []
  members.push(`"ConnectTimeout":${text(formatDuration(connectTimeoutNs))}`)
  if (requestTimeoutNs !== 0) {
    members.push(`"RequestTimeout":${text(formatDuration(requestTimeoutNs))}`)
  }
  members.push(`"Target":${text(target)}`)
  if (failover !== undefined) {
    const policy = failover.policy === undefined ? '' : `,"Policy":${opaque(failover.policy)}`
    members.push(`"Failover":{"Targets":${textList(failover.targets)}${policy}}`)
  }
  return `{${members.join(',')}}`
}

function targetJson(target: ChainTarget): string {
  const members = [`"ID":${text(target.id)}`, `"Service":${text(target.service)}`]
  if (target.subset !== '') members.push(`"ServiceSubset":${text(target.subset)}`)
  members.push('"Namespace":"default"', '"Partition":"default"')
  if (target.datacenter !== '') members.push(`"Datacenter":${text(target.datacenter)}`)
  if (target.peer !== '') members.push(`"Peer":${text(target.peer)}`)
  const { meshGatewayMode, subsetFilter, onlyPassing } = target
  const mode = meshGatewayMode === '' ? '' : `"Mode":${text(meshGatewayMode)}`
  const subset: string[] = []
  if (subsetFilter !== '') subset.push(`"Filter":${text(subsetFilter)}`)
  if (onlyPassing) subset.push('"OnlyPassing":true')
  members.push(
    `"MeshGateway":{${mode}}`,
    `"Subset":{${subset.join(',')}}`,
    `"TransparentProxy":{${target.dialedDirectly ? '"DialedDirectly":true' : ''}}`,
    `"ConnectTimeout":${text(formatDuration(target.connectTimeoutNs))}`,
  )
  if (target.isExternal) members.push('"External":true')
  members.push(`"SNI":${text(target.sni)}`, `"Name":${text(target.name)}`)
  if (target.localityMode !== '') {
    members.push(`"PrioritizeByLocality":{"Mode":${text(target.localityMode)}}`)
  }
  return `{${members.join(',')}}`
}

function isEmpty(value: JsonObject): boolean {
  return Object.keys(value).length === 0
}
