/**
 * Prepared queries and what comes of them, as query/* prints them (http-api.md 16).
 *
 * Lists and maps that the user left out are null, as in the reference.
 */

import type { HealthEntry } from '../../../core/catalog/types.ts'
import { NS_PER_MS } from '../../../core/duration.ts'
import type { PreparedQueryRecord, QueryFailover } from '../../../core/queries/types.ts'
import { healthEntriesJson } from './health-entry.ts'
import { list, text, textList, textMap } from './json.ts'

export function queryJson(query: PreparedQueryRecord): string {
  const { template, service } = query
  return (
    `{"ID":${text(query.id)},"Name":${text(query.name)},"Session":${text(query.session)},` +
    `"Token":${text(query.token)},"Template":{"Type":${text(template.type)},` +
    `"Regexp":${text(template.regexp)},"RemoveEmptyTags":${template.removeEmptyTags}},` +
    `"Service":{"Service":${text(service.service)},"SamenessGroup":"",` +
    `"Failover":${failoverJson(service.failover)},"OnlyPassing":${service.onlyPassing},` +
    `"IgnoreCheckIDs":${textsOrNull(service.ignoreCheckIds)},"Near":${text(service.near)},` +
    `"Tags":${textsOrNull(service.tags)},"NodeMeta":${textMap(service.nodeMeta)},` +
    `"ServiceMeta":${textMap(service.serviceMeta)},"Connect":${service.connect},"Peer":""},` +
    `"DNS":${dnsJson(query)},"CreateIndex":${query.createIndex},"ModifyIndex":${query.modifyIndex}}`
  )
}

export function queryListJson(queries: readonly PreparedQueryRecord[]): string {
  return list(queries, queryJson)
}

export interface QueryMeta {
  readonly index: number
  readonly lastContactMs: number
  readonly knownLeader: boolean
  readonly consistency: string
}

export function executedJson(
  answer: {
    readonly query: PreparedQueryRecord
    readonly entries: readonly HealthEntry[]
    readonly datacenter: string
    readonly failovers: number
  },
  meta: QueryMeta,
): string {
  const { query, entries, datacenter, failovers } = answer
  return (
    `{"Service":${text(query.service.service)},"Nodes":${healthEntriesJson(entries)},` +
    `"DNS":${dnsJson(query)},"Datacenter":${text(datacenter)},"PeerName":"",` +
    `"Failovers":${failovers},${metaJson(meta)}}`
  )
}

export function explainedJson(query: PreparedQueryRecord, meta: QueryMeta): string {
  return `{"Query":${queryJson(query)},${metaJson(meta)}}`
}

/** The last contact is in nanoseconds here. */
function metaJson({ index, lastContactMs, knownLeader, consistency }: QueryMeta): string {
  return (
    `"Index":${index},"LastContact":${Math.round(lastContactMs) * NS_PER_MS},` +
    `"KnownLeader":${knownLeader},"ConsistencyLevel":${text(consistency)},"NotModified":false,` +
    `"Backend":0,"ResultsFilteredByACLs":false`
  )
}

function dnsJson(query: PreparedQueryRecord): string {
  return `{"TTL":${text(query.dnsTtl)}}`
}

function failoverJson({ nearestN, datacenters, targets }: QueryFailover): string {
  const targetsJson =
    targets === null
      ? 'null'
      : list(targets, (t) => `{"Peer":${text(t.peer)},"Datacenter":${text(t.datacenter)}}`)
  return `{"NearestN":${nearestN},"Datacenters":${textsOrNull(datacenters)},"Targets":${targetsJson}}`
}

function textsOrNull(values: readonly string[] | null): string {
  return values === null ? 'null' : textList(values)
}
