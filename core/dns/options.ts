/**
 * What the answers depend on besides the catalog: names, limits and TTLs (dns.md 10, 16).
 */

import type { DnsConfig } from '../config/model.ts'
import { parseDurationMs } from '../duration.ts'
import type { PreparedQuery } from '../queries/types.ts'

export interface DnsOptions {
  /** Own datacentre, lower case. */
  readonly datacenter: string
  readonly config: DnsConfig
  /** `<service>.virtual` answers this base plus the service's offset: see core/mesh/virtual-address.ts. */
  readonly virtualBase: string
}

/** TTL of a prepared query's records in seconds: its own, else that of the service it stands for. */
export function queryTtl(query: PreparedQuery, config: DnsConfig): number {
  if (query.dnsTtl === '') return serviceTtl(config, query.service.service.toLowerCase())
  return Math.max(0, Math.trunc((parseDurationMs(query.dnsTtl) ?? 0) / 1000))
}

/**
 * TTL of a service's records in seconds: exact name, else the longest `prefix*`, else 0.
 *
 * @param service lower case; patterns are compared as they are, so one with capitals never matches
 */
export function serviceTtl(config: DnsConfig, service: string): number {
  const patterns = config.serviceTtlSeconds
  const exact = Object.hasOwn(patterns, service) ? patterns[service] : undefined
  if (exact !== undefined) return Math.trunc(exact)
  let best = -1
  let ttl = 0
  for (const [pattern, seconds] of Object.entries(patterns)) {
    if (!pattern.endsWith('*')) continue
    const prefix = pattern.slice(0, -1)
    if (prefix.length > best && service.startsWith(prefix)) {
      best = prefix.length
      ttl = Math.trunc(seconds)
    }
  }
  return ttl
}
