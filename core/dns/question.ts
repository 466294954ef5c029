/**
 * Meaning of an asked name (dns.md section 2): which zone it is in and what is looked up.
 *
 * Works on lower-case labels. Pure text; knows no catalog. A name outside the grammar is `invalid` and
 * becomes NXDOMAIN.
 */

import { TYPE } from './protocol.ts'

export interface Zones {
  /** Lower-case labels, outermost last. */
  readonly domain: readonly string[]
  /** Empty when there is none. */
  readonly altDomain: readonly string[]
}

export interface Locality {
  /** undefined: the agent's own. */
  readonly datacenter: string | undefined
  readonly peer: string | undefined
}

export type Lookup =
  | {
      readonly kind: 'service'
      readonly service: string
      readonly tag: string
      readonly locality: Locality
    }
  | {
      readonly kind: 'connect' | 'ingress' | 'virtual'
      readonly service: string
      readonly locality: Locality
    }
  | { readonly kind: 'node'; readonly node: string; readonly locality: Locality }
  | { readonly kind: 'query'; readonly query: string; readonly locality: Locality }
  | { readonly kind: 'address'; readonly hex: string }
  | { readonly kind: 'invalid' }

export type ZoneMatch =
  /** `zone` is the domain as text, without closing dot. */
  | { readonly kind: 'own'; readonly zone: string; readonly labels: readonly string[] }
  | { readonly kind: 'reverse'; readonly labels: readonly string[] }
  | { readonly kind: 'foreign' }

const INVALID: Lookup = { kind: 'invalid' }
const KEYWORDS = new Set(['service', 'connect', 'virtual', 'ingress', 'node', 'query', 'addr'])

export function zoneLabels(domain: string): readonly string[] {
  return domain
    .toLowerCase()
    .split('.')
    .filter((label) => label !== '')
}

/** Finds the zone with the longest matching suffix; `labels` of the result are those left of it. */
export function matchZone(labels: readonly string[], zones: Zones): ZoneMatch {
  const candidates = [zones.domain, zones.altDomain]
    .filter((zone) => zone.length > 0 && endsWith(labels, zone))
    .sort((a, b) => b.length - a.length)
  const zone = candidates[0]
  if (zone !== undefined) {
    return { kind: 'own', zone: zone.join('.'), labels: labels.slice(0, -zone.length) }
  }
  if (labels.at(-1) === 'arpa') return { kind: 'reverse', labels: labels.slice(0, -1) }
  return { kind: 'foreign' }
}

/** @param labels lower case, the zone removed */
export function parseLookup(labels: readonly string[], type: number): Lookup {
  for (let i = labels.length - 1; i >= 0; i--) {
    const label = labels[i] as string
    if (KEYWORDS.has(label)) return lookupOf(label, labels.slice(0, i), labels.slice(i + 1))
    if (type === TYPE.SRV && label.startsWith('_')) {
      return lookupOf('service', labels.slice(0, i + 1), labels.slice(i + 1))
    }
  }
  return INVALID
}

function lookupOf(keyword: string, parts: readonly string[], suffix: readonly string[]): Lookup {
  const last = parts.at(-1)
  if (last === undefined) return INVALID
  if (keyword === 'addr') {
    return parts.length === 1 ? { kind: 'address', hex: last } : INVALID
  }
  const locality = parseLocality(keyword, suffix)
  if (locality === null) return INVALID
  switch (keyword) {
    case 'service':
      return serviceLookup(parts, last, locality)
    case 'connect':
    case 'ingress':
      if (locality.peer !== undefined) return INVALID
      return { kind: keyword, service: last, locality }
    case 'virtual':
      return { kind: 'virtual', service: last, locality }
    case 'node':
      return { kind: 'node', node: parts.join('.'), locality }
    default:
      return { kind: 'query', query: queryName(parts), locality }
  }
}

function serviceLookup(parts: readonly string[], last: string, locality: Locality): Lookup {
  const first = parts[0] as string
  if (parts.length === 2 && first.startsWith('_') && last.startsWith('_')) {
    const tag = last.slice(1)
    return { kind: 'service', service: first.slice(1), tag: tag === 'tcp' ? '' : tag, locality }
  }
  return { kind: 'service', service: last, tag: parts.slice(0, -1).join('.'), locality }
}

function queryName(parts: readonly string[]): string {
  const first = parts[0] as string
  const last = parts.at(-1) as string
  if (parts.length < 2 || !first.startsWith('_') || !last.startsWith('_')) return parts.join('.')
  return parts.slice(0, -1).join('.').slice(1)
}

function parseLocality(keyword: string, suffix: readonly string[]): Locality | null {
  const [name, kind] = suffix
  if (name === undefined) return { datacenter: undefined, peer: undefined }
  if (suffix.length === 1) {
    if (keyword === 'virtual') return { datacenter: undefined, peer: name }
    return { datacenter: name, peer: undefined }
  }
  // Four labels would name a datacentre and a peer at once, or one of them twice.
  if (suffix.length !== 2 || keyword === 'query') return null
  if (kind === 'dc') return { datacenter: name, peer: undefined }
  return kind === 'peer' ? { datacenter: undefined, peer: name } : null
}

function endsWith(labels: readonly string[], zone: readonly string[]): boolean {
  const offset = labels.length - zone.length
  return offset >= 0 && zone.every((label, i) => labels[offset + i] === label)
}
