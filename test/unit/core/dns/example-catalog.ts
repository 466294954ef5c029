/**
 * Records for DNS tests: the worked example of dns.md section 17, and makers of variants of it.
 */

import type {
  CheckRecord,
  CheckStatus,
  HealthEntry,
  NodeRecord,
  ServiceRecord,
} from '../../../../core/catalog/types.ts'
import type { DnsConfig } from '../../../../core/config/model.ts'

export function dnsConfig(changes: Partial<DnsConfig> = {}): DnsConfig {
  return {
    allowStale: true,
    maxStaleMs: 315_360_000_000,
    nodeTtlSeconds: 0,
    serviceTtlSeconds: {},
    onlyPassing: false,
    enableTruncate: false,
    udpAnswerLimit: 3,
    aRecordLimit: 0,
    disableCompression: false,
    recursors: [],
    recursorTimeoutMs: 2000,
    recursorStrategy: 'sequential',
    enableAdditionalNodeMetaTxt: true,
    soa: { refresh: 3600, retry: 600, expire: 86400, minTtl: 0 },
    ...changes,
  }
}

export function node(name: string, address: string, changes: Partial<NodeRecord> = {}): NodeRecord {
  return {
    id: '',
    node: name,
    address,
    datacenter: 'dc1',
    taggedAddresses: null,
    meta: null,
    createIndex: 1,
    modifyIndex: 1,
    ...changes,
  }
}

export function service(
  host: NodeRecord,
  name: string,
  changes: Partial<ServiceRecord> = {},
): ServiceRecord {
  return {
    node: host.node,
    kind: '',
    id: name,
    service: name,
    tags: [],
    address: '',
    port: 0,
    socketPath: '',
    taggedAddresses: {},
    meta: null,
    weights: { passing: 1, warning: 1 },
    enableTagOverride: false,
    connectNative: false,
    createIndex: 1,
    modifyIndex: 1,
    ...changes,
  }
}

export function check(
  host: NodeRecord,
  status: CheckStatus,
  changes: Partial<CheckRecord> = {},
): CheckRecord {
  return {
    node: host.node,
    checkId: 'serfHealth',
    name: 'Serf Health Status',
    status,
    notes: '',
    output: '',
    serviceId: '',
    serviceName: '',
    serviceTags: [],
    type: '',
    interval: '',
    timeout: '',
    exposedPort: 0,
    definition: {},
    createIndex: 1,
    modifyIndex: 1,
    ...changes,
  }
}

export function entry(
  host: NodeRecord,
  instance: ServiceRecord,
  ...checks: readonly CheckRecord[]
): HealthEntry {
  return { node: host, service: instance, checks }
}

export const VM_A = node('vm-a', '10.0.0.5', {
  meta: { rack: 'r7', 'consul-version': '1.21.4', 'consul-network-segment': '' },
})
export const VM_B = node('vm-b', '10.0.0.6')

/** `web` on vm-a without own address. */
export const WEB_A = entry(VM_A, service(VM_A, 'web', { port: 8080 }), check(VM_A, 'passing'))
/** `web` on vm-b with an own address. */
export const WEB_B = entry(
  VM_B,
  service(VM_B, 'web', {
    port: 8081,
    address: '10.0.1.6',
    weights: { passing: 10, warning: 2 },
  }),
  check(VM_B, 'passing'),
)
export const WEB: readonly HealthEntry[] = [WEB_A, WEB_B]

/** `count` passing instances at distinct addresses of 10.0.0.0/8, port 8000 and up. */
export function manyInstances(name: string, count: number): HealthEntry[] {
  return Array.from({ length: count }, (_, i) => {
    const host = node(`vm-${i}`, `10.0.${i >> 8}.${i & 0xff}`)
    return entry(host, service(host, name, { port: 8000 + (i & 0xfff) }), check(host, 'passing'))
  })
}
