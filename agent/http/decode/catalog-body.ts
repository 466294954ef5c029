/**
 * The bodies of catalog/register and catalog/deregister (http-api.md 11.1, 11.2).
 *
 * What must be present and how metadata is bounded is judged by the servers, with the same texts for every
 * way in; here only what the wire form adds.
 */

import type { DeregisterRequest, RegisterRequest } from '../../../core/catalog/commands.ts'
import { goQuote } from '../../../core/catalog/go-quote.ts'
import { decodeBody } from '../../../core/decode/body.ts'
import { boolean, list, opaque, string, stringMap } from '../../../core/decode/decoder.ts'
import { field, object, optional } from '../../../core/decode/object.ts'
import { FairleadError } from '../../../core/errors.ts'
import {
  CHECK,
  checkOf,
  type DecodedHealthCheck,
  LOCALITY,
  SERVICE,
  serviceOf,
} from './catalog-shapes.ts'

/** Checks of one registration. */
export const CHECKS_MAX = 1024

const REGISTER = object('RegisterRequest', {
  datacenter: field('Datacenter', string, ''),
  id: field('ID', string, ''),
  node: field('Node', string, ''),
  address: field('Address', string, ''),
  taggedAddresses: optional('TaggedAddresses', stringMap),
  nodeMeta: optional('NodeMeta', stringMap),
  service: optional('Service', SERVICE),
  check: optional('Check', CHECK),
  checks: field<readonly DecodedHealthCheck[]>('Checks', list(CHECK), []),
  skipNodeUpdate: field('SkipNodeUpdate', boolean, false),
  locality: optional('Locality', LOCALITY),
  peerName: field('PeerName', string, ''),
  /** Of the request as the client library sends it; the real token travels in a header. */
  writeRequest: optional('WriteRequest', opaque),
})

const DEREGISTER = object('DeregisterRequest', {
  datacenter: field('Datacenter', string, ''),
  node: field('Node', string, ''),
  address: field('Address', string, ''),
  serviceId: field('ServiceID', string, ''),
  checkId: field('CheckID', string, ''),
  writeRequest: optional('WriteRequest', opaque),
})

export interface ForDatacenter<T> {
  /** '' for that of the request. */
  readonly datacenter: string
  readonly request: T
}

/** @throws FairleadError BAD_REQUEST, REJECTED */
export function registerFromBody(body: string): ForDatacenter<RegisterRequest> {
  const given = decodeBody(REGISTER, body)
  if (given.peerName !== '' || (given.service?.peerName ?? '') !== '') {
    throw rejected('cannot register requests with PeerName in them')
  }
  const checks = given.check === undefined ? given.checks : [...given.checks, given.check]
  if (checks.length > CHECKS_MAX) {
    throw rejected(`A registration has at most ${CHECKS_MAX} checks, this one ${checks.length}`)
  }
  for (const check of checks) {
    if (check.node === '' || check.node.toLowerCase() === given.node.toLowerCase()) continue
    throw rejected(`check node ${goQuote(check.node)} does not match node ${goQuote(given.node)}`)
  }
  return {
    datacenter: given.datacenter,
    request: {
      id: given.id,
      node: given.node,
      address: given.address,
      taggedAddresses: given.taggedAddresses ?? null,
      meta: given.nodeMeta ?? null,
      ...(given.locality === undefined ? {} : { locality: given.locality }),
      skipNodeUpdate: given.skipNodeUpdate,
      ...(given.service === undefined ? {} : { service: serviceOf(given.service) }),
      checks: checks.map(checkOf),
    },
  }
}

/** @throws FairleadError BAD_REQUEST */
export function deregisterFromBody(body: string): ForDatacenter<DeregisterRequest> {
  const { datacenter, node, serviceId, checkId } = decodeBody(DEREGISTER, body)
  return {
    datacenter,
    request: {
      node,
      ...(serviceId === '' ? {} : { serviceId }),
      ...(checkId === '' ? {} : { checkId }),
    },
  }
}

function rejected(message: string): FairleadError {
  return new FairleadError('REJECTED', message)
}
