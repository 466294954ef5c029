/**
 * The body of a prepared query (http-api.md 16), as it is created and updated.
 *
 * What comes out keeps the rules of core/queries/validate.ts; names, ids and sessions that clash are the store's to
 * refuse. Services of cluster peers are refused: an answer with local instances would be wrong.
 */

import { decodeBody } from '../../../core/decode/body.ts'
import {
  boolean,
  integer,
  list,
  raftIndex,
  string,
  stringMap,
} from '../../../core/decode/decoder.ts'
import { field, object, optional } from '../../../core/decode/object.ts'
import { FairleadError } from '../../../core/errors.ts'
import type { PreparedQuery } from '../../../core/queries/types.ts'
import { queryProblem } from '../../../core/queries/validate.ts'

const TARGET = object('QueryFailoverTarget', {
  peer: field('Peer', string, ''),
  datacenter: field('Datacenter', string, ''),
})

const FAILOVER = object('QueryFailoverOptions', {
  nearestN: field('NearestN', integer, 0),
  datacenters: optional('Datacenters', list(string)),
  targets: optional('Targets', list(TARGET)),
})

const SERVICE = object('ServiceQuery', {
  service: field('Service', string, ''),
  samenessGroup: field('SamenessGroup', string, ''),
  failover: field('Failover', FAILOVER, {
    nearestN: 0,
    datacenters: undefined,
    targets: undefined,
  }),
  onlyPassing: field('OnlyPassing', boolean, false),
  ignoreCheckIds: optional('IgnoreCheckIDs', list(string)),
  near: field('Near', string, ''),
  tags: optional('Tags', list(string)),
  nodeMeta: optional('NodeMeta', stringMap),
  serviceMeta: optional('ServiceMeta', stringMap),
  connect: field('Connect', boolean, false),
  peer: field('Peer', string, ''),
})

const TEMPLATE = object('QueryTemplateOptions', {
  type: field('Type', string, ''),
  regexp: field('Regexp', string, ''),
  removeEmptyTags: field('RemoveEmptyTags', boolean, false),
})

const DNS = object('QueryDNSOptions', { ttl: field('TTL', string, '') })

const QUERY = object('PreparedQuery', {
  id: field('ID', string, ''),
  name: field('Name', string, ''),
  session: field('Session', string, ''),
  token: field('Token', string, ''),
  template: field('Template', TEMPLATE, { type: '', regexp: '', removeEmptyTags: false }),
  service: optional('Service', SERVICE),
  dns: field('DNS', DNS, { ttl: '' }),
  // What a read gives may be sent back as it is.
  createIndex: field('CreateIndex', raftIndex, 0),
  modifyIndex: field('ModifyIndex', raftIndex, 0),
})

/** @throws FairleadError BAD_REQUEST, REJECTED, NOT_SUPPORTED */
export function queryFromBody(body: string): PreparedQuery {
  const { id, name, session, token, template, service, dns } = decodeBody(QUERY, body)
  if (service !== undefined && service.samenessGroup !== '') {
    throw new FairleadError(
      'BAD_REQUEST',
      'Invalid prepared query: Service.SamenessGroup - Sameness groups are a Consul Enterprise feature',
    )
  }
  if (service !== undefined && service.peer !== '') {
    throw new FairleadError(
      'NOT_SUPPORTED',
      'Invalid prepared query: Service.Peer: cluster peering is not supported by this version of Fairlead',
    )
  }
  const query: PreparedQuery = {
    id,
    name,
    session,
    token,
    template,
    service: {
      service: service?.service ?? '',
      failover: {
        nearestN: service?.failover.nearestN ?? 0,
        datacenters: service?.failover.datacenters ?? null,
        targets: service?.failover.targets ?? null,
      },
      onlyPassing: service?.onlyPassing ?? false,
      ignoreCheckIds: service?.ignoreCheckIds ?? null,
      near: service?.near ?? '',
      tags: service?.tags ?? null,
      nodeMeta: service?.nodeMeta ?? null,
      serviceMeta: service?.serviceMeta ?? null,
      connect: service?.connect ?? false,
    },
    dnsTtl: dns.ttl,
  }
  return query
}

/** @throws FairleadError REJECTED */
export function assertValidQuery(query: PreparedQuery): void {
  const problem = queryProblem(query)
  if (problem !== undefined) throw new FairleadError('REJECTED', problem)
}
