/**
 * Which services gateways stand before, out of their config entries (http-api.md 11.8). Pure.
 *
 * `*` stands for every service that is neither a proxy nor a gateway nor the servers' own, and that the entry does
 * not name itself. Rows are in the order of gateways, then of services, then of ports.
 */

import { compareCodePoints } from '../catalog/key-order.ts'
import type { ConfigEntryRecord, JsonObject } from '../catalog/types.ts'
import { flagAt, listAt, numberAt, objectsIn, textAt } from '../config-entries/read-field.ts'

export interface GatewayService {
  readonly gateway: string
  readonly service: string
  readonly gatewayKind: 'ingress-gateway' | 'terminating-gateway'
  /** 0 and '' where the gateway has no such thing. */
  readonly port: number
  readonly protocol: string
  readonly hosts: readonly string[]
  readonly caFile: string
  readonly certFile: string
  readonly keyFile: string
  readonly sni: string
  readonly fromWildcard: boolean
  readonly autoHostRewrite: boolean
  readonly createIndex: number
  readonly modifyIndex: number
}

const WILDCARD = '*'
const NO_HOSTS: readonly string[] = []

/**
 * @param entries of the kinds ingress-gateway and terminating-gateway; others are passed over
 * @param services names that `*` can stand for
 */
export function gatewayServices(
  entries: readonly ConfigEntryRecord[],
  services: readonly string[],
): readonly GatewayService[] {
  const rows = entries.flatMap((entry) => {
    if (entry.kind === 'ingress-gateway') return ingressRows(entry, services)
    return entry.kind === 'terminating-gateway' ? terminatingRows(entry, services) : []
  })
  return rows.toSorted(
    (a, b) =>
      compareCodePoints(a.gateway, b.gateway) ||
      compareCodePoints(a.service, b.service) ||
      a.port - b.port,
  )
}

function ingressRows(
  entry: ConfigEntryRecord,
  services: readonly string[],
): readonly GatewayService[] {
  return objectsIn(entry.body, 'Listeners').flatMap((listener) => {
    const row = {
      ...blank(entry, 'ingress-gateway'),
      port: numberAt(listener, 'Port'),
      protocol: textAt(listener, 'Protocol'),
    }
    return expanded(objectsIn(listener, 'Services'), services, (service) => ({
      ...row,
      hosts: listAt(service, 'Hosts').filter((host) => typeof host === 'string'),
    }))
  })
}

function terminatingRows(
  entry: ConfigEntryRecord,
  services: readonly string[],
): readonly GatewayService[] {
  const row = blank(entry, 'terminating-gateway')
  return expanded(objectsIn(entry.body, 'Services'), services, (service) => ({
    ...row,
    caFile: textAt(service, 'CAFile'),
    certFile: textAt(service, 'CertFile'),
    keyFile: textAt(service, 'KeyFile'),
    sni: textAt(service, 'SNI'),
    // Unless it is switched off, a gateway speaks to the service by its own name.
    autoHostRewrite: !flagAt(service, 'DisableAutoHostRewrite'),
  }))
}

type Row = Omit<GatewayService, 'service' | 'fromWildcard'>

function blank(
  { name, createIndex, modifyIndex }: ConfigEntryRecord,
  kind: Row['gatewayKind'],
): Row {
  return {
    gateway: name,
    gatewayKind: kind,
    port: 0,
    protocol: '',
    hosts: NO_HOSTS,
    caFile: '',
    certFile: '',
    keyFile: '',
    sni: '',
    autoHostRewrite: false,
    createIndex,
    modifyIndex,
  }
}

function expanded(
  named: readonly JsonObject[],
  services: readonly string[],
  rowOf: (service: JsonObject) => Row,
): readonly GatewayService[] {
  const exact = new Set(named.map((service) => textAt(service, 'Name')))
  return named.flatMap((service): readonly GatewayService[] => {
    const row = rowOf(service)
    const name = textAt(service, 'Name')
    if (name !== WILDCARD) return [{ ...row, service: name, fromWildcard: false }]
    return services
      .filter((each) => !exact.has(each))
      .map((each) => ({ ...row, service: each, fromWildcard: true }))
  })
}
