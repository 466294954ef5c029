/**
 * SOA and NS records of the own zones, and the negative answers that carry the SOA (dns.md section 7).
 */

import type { DnsConfig } from '../config/model.ts'
import type { Rng } from '../rng.ts'
import type { WallTime } from '../time.ts'
import { nodeName } from './answer-node.ts'
import type { HealthyInstance } from './instances.ts'
import { RCODE, TYPE } from './protocol.ts'
import {
  ASKED_NAME,
  addressRecord,
  type DnsResponse,
  isEncodableName,
  type Rcode,
  type ResourceRecord,
} from './records.ts'

export interface SoaSource {
  readonly zone: string
  readonly config: DnsConfig
  /** The serial number is this in seconds. */
  readonly now: WallTime
}

const NAME_SERVERS_MAX = 3
const SERVER_NAME = /^[A-Za-z0-9\\-]+$/

/** NXDOMAIN, or NOERROR without data, with the SOA in authority. */
export function negative(rcode: Rcode, source: SoaSource): DnsResponse {
  return {
    rcode,
    authoritative: true,
    answers: [],
    authority: [soaRecord(source)],
    additional: [],
  }
}

/** A response without any record: SERVFAIL, REFUSED, NOTIMP, or a node's missing type. */
export function empty(rcode: Rcode, authoritative: boolean): DnsResponse {
  return { rcode, authoritative, answers: [], authority: [], additional: [] }
}

/** @param servers healthy instances of the servers' own service */
export function answerSoa(
  servers: readonly HealthyInstance[],
  source: SoaSource,
  rng: Rng,
): DnsResponse {
  const { records, glue } = nameServers(servers, source, rng, source.zone)
  return {
    rcode: RCODE.NOERROR,
    authoritative: true,
    answers: [soaRecord(source)],
    authority: records,
    additional: glue,
  }
}

export function answerNs(
  servers: readonly HealthyInstance[],
  source: SoaSource,
  rng: Rng,
): DnsResponse {
  const { records, glue } = nameServers(servers, source, rng, ASKED_NAME)
  return {
    rcode: RCODE.NOERROR,
    authoritative: true,
    answers: records,
    authority: [],
    additional: glue,
  }
}

function soaRecord(source: SoaSource): ResourceRecord {
  const { zone } = source
  const { refresh, retry, expire, minTtl } = source.config.soa
  return {
    type: TYPE.SOA,
    owner: zone,
    ttl: minTtl,
    soa: {
      mname: `ns.${zone}`,
      rname: `hostmaster.${zone}`,
      serial: Math.floor(source.now / 1000) >>> 0,
      refresh,
      retry,
      expire,
      minimum: minTtl,
    },
  }
}

/** Up to three random servers with their addresses; names that are no host names are left out. */
function nameServers(
  servers: readonly HealthyInstance[],
  source: SoaSource,
  rng: Rng,
  owner: string | typeof ASKED_NAME,
): { records: readonly ResourceRecord[]; glue: readonly ResourceRecord[] } {
  const ttl = source.config.nodeTtlSeconds
  const records: ResourceRecord[] = []
  const glue: ResourceRecord[] = []
  for (const { node, any } of rng.shuffle(servers)) {
    if (records.length === NAME_SERVERS_MAX) break
    const target = nodeName(node, source.zone).toLowerCase()
    if (!SERVER_NAME.test(node.node) || !isEncodableName(target)) continue
    records.push({ type: TYPE.NS, owner, ttl, target })
    if (any.kind === 'ip') glue.push(addressRecord(target, ttl, any.bytes))
  }
  return { records, glue }
}
