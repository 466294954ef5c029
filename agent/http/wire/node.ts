/**
 * A node of the catalog as catalog/nodes and health entries print it (http-api.md 11.4).
 */

import type { Locality, NodeRecord } from '../../../core/catalog/types.ts'
import { Recent } from '../recent.ts'
import { text, textMap } from './json.ts'

const texts = new Recent<NodeRecord, string>(encode)

export function nodeJson(node: NodeRecord): string {
  return texts.of(node)
}

function encode(node: NodeRecord): string {
  const locality = node.locality === undefined ? '' : `"Locality":${localityJson(node.locality)},`
  return (
    `{"ID":${text(node.id)},"Node":${text(node.node)},"Address":${text(node.address)},` +
    `"Datacenter":${text(node.datacenter)},"TaggedAddresses":${textMap(node.taggedAddresses)},` +
    `"Meta":${textMap(node.meta)},${locality}` +
    `"CreateIndex":${node.createIndex},"ModifyIndex":${node.modifyIndex}}`
  )
}

export function localityJson(locality: Locality): string {
  return `{"Region":${text(locality.region)},"Zone":${text(locality.zone)}}`
}
