/**
 * Answers for nodes: addresses and metadata (dns.md section 5). Health plays no part.
 */

import type { NodeRecord } from '../catalog/types.ts'
import type { DnsConfig } from '../config/model.ts'
import { nodeAddress } from './addresses.ts'
import { RCODE, TYPE } from './protocol.ts'
import {
  ASKED_NAME,
  addressRecord,
  type Draft,
  fitsFamily,
  type Owner,
  type ResourceRecord,
} from './records.ts'

/** Question types that a node name answers; any other gets an empty answer without a look-up. */
export function isNodeType(type: number): boolean {
  return type === TYPE.A || type === TYPE.AAAA || type === TYPE.ANY || type === TYPE.TXT
}

/** The canonical name of a node, in its registered letter case. */
export function nodeName(node: NodeRecord, zone: string): string {
  return `${node.node}.node.${node.datacenter}.${zone}`
}

export function answerNode(node: NodeRecord, type: number, config: DnsConfig): Draft {
  const ttl = config.nodeTtlSeconds
  const answers: ResourceRecord[] = []
  let host: string | undefined
  if (type !== TYPE.TXT) {
    const choice = nodeAddress(node, type)
    if (choice.kind === 'host') host = choice.host
    if (host !== undefined) {
      answers.push({ type: TYPE.CNAME, owner: ASKED_NAME, ttl, target: host })
    } else if (choice.kind === 'ip' && fitsFamily(type, choice.bytes)) {
      answers.push(addressRecord(ASKED_NAME, ttl, choice.bytes))
    }
  }
  const additional: ResourceRecord[] = []
  if (type === TYPE.TXT || type === TYPE.ANY) {
    answers.push(...nodeTexts(node, ASKED_NAME, ttl))
  } else if (config.enableAdditionalNodeMetaTxt && answers.length > 0) {
    additional.push(...nodeTexts(node, ASKED_NAME, ttl))
  }
  return {
    response: { rcode: RCODE.NOERROR, authoritative: true, answers, authority: [], additional },
    hosts: host === undefined ? [] : [{ host, section: 'answers', ttl }],
  }
}

/** One TXT record per metadata key, sorted by key, encoded as RFC 1464 has it. */
export function nodeTexts(node: NodeRecord, owner: Owner, ttl: number): readonly ResourceRecord[] {
  return Object.entries(node.meta ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => ({ type: TYPE.TXT, owner, ttl, text: metaText(key, value) }))
}

/** Keys beginning with `rfc1035-` stand for a bare text. */
export function metaText(key: string, value: string): string {
  if (key.toLowerCase().startsWith('rfc1035-')) return value
  const quoted = key.replaceAll('`', '``').replaceAll('=', '`=')
  const blanks = /^[ \t]+|[ \t]+$/g
  return `${quoted.replace(blanks, (run) => run.replace(/./g, '`$&'))}=${value}`
}
