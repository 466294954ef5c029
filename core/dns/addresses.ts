/**
 * Which address of a node or an instance answers a question type (dns.md section 14, without WAN translation).
 *
 * An address that is neither an IP nor a name that fits the wire counts as none.
 */

import type { NodeRecord, ServiceRecord } from '../catalog/types.ts'
import { parseIp } from './ip.ts'
import { TYPE } from './protocol.ts'
import { isEncodableName, withoutDot } from './records.ts'

export type AddressChoice =
  | { readonly kind: 'ip'; readonly text: string; readonly bytes: Uint8Array }
  /** Without closing dot. */
  | { readonly kind: 'host'; readonly host: string }
  | { readonly kind: 'none' }

const NONE: AddressChoice = { kind: 'none' }

export function nodeAddress(node: NodeRecord, type: number): AddressChoice {
  return choose(type, node.address, (name) => node.taggedAddresses?.[name] ?? '')
}

/** The service's own address only; callers fall back to the node's. */
export function serviceAddress(service: ServiceRecord, type: number): AddressChoice {
  return choose(type, service.address, (name) => service.taggedAddresses[name]?.address ?? '')
}

function choose(type: number, address: string, tagged: (name: string) => string): AddressChoice {
  if (type === TYPE.A) return ofFamily(4, tagged('lan_ipv4'), address)
  if (type === TYPE.AAAA) return ofFamily(16, tagged('lan_ipv6'), address)
  return parseAddress(tagged('lan_ipv6') || tagged('lan_ipv4') || address)
}

function ofFamily(size: number, tagged: string, address: string): AddressChoice {
  const choice = parseAddress(tagged || address)
  return choice.kind === 'ip' && choice.bytes.length !== size ? NONE : choice
}

function parseAddress(text: string): AddressChoice {
  const bytes = parseIp(text)
  if (bytes !== null) return { kind: 'ip', text, bytes }
  const host = withoutDot(text)
  return isEncodableName(host) ? { kind: 'host', host } : NONE
}
