/**
 * Whom a signing request may speak for (mesh.md 4.4, steps 2 and 3). Pure.
 *
 * Guarantees: the identity that comes out is in our trust domain, and in our datacentre unless it is an
 * agent's; agents ask before they know the trust domain, so theirs is replaced by ours. The right to the
 * name is the caller's question (ACL).
 */

import { FairleadError } from '../../core/errors.ts'
import {
  agentSpiffeUri,
  meshGatewaySpiffeUri,
  parseSpiffeUri,
  type SpiffeId,
  serverSpiffeUri,
  serviceSpiffeUri,
} from '../../core/mesh/spiffe.ts'

export interface SigningDomain {
  readonly trustDomain: string
  readonly datacenter: string
}

export interface SignableIdentity {
  readonly id: Exclude<SpiffeId, { readonly kind: 'signing' }>
  /** In its normal form; this goes into the certificate. */
  readonly uri: string
}

/** @throws FairleadError BAD_REQUEST with the texts of mesh.md 4.4 */
export function signableIdentity(uri: string, domain: SigningDomain): SignableIdentity {
  const id = parseSpiffeUri(uri)
  if ('error' in id) throw bad(id.error)
  if (id.kind === 'signing') {
    throw bad('SPIFFE ID in CSR must be a service, mesh-gateway, or agent ID')
  }
  if (id.kind !== 'agent' && id.datacenter !== domain.datacenter) {
    throw bad(
      `SPIFFE ID in CSR from a different datacenter: ${id.datacenter}, we are ${domain.datacenter}`,
    )
  }
  if (id.kind !== 'agent' && id.trustDomain !== domain.trustDomain.toLowerCase()) {
    throw bad(
      `SPIFFE ID in CSR from a different trust domain: ${id.trustDomain}, we are ${domain.trustDomain}`,
    )
  }
  if ('partition' in id && id.partition !== 'default') {
    throw bad(`SPIFFE ID in CSR is of partition "${id.partition}"; there is only "default" here`)
  }
  if (id.kind === 'service' && id.namespace !== 'default') {
    throw bad(`SPIFFE ID in CSR is of namespace "${id.namespace}"; there is only "default" here`)
  }
  return { id, uri: normalUri(id, domain) }
}

function normalUri(id: SignableIdentity['id'], { trustDomain }: SigningDomain): string {
  switch (id.kind) {
    case 'service':
      return serviceSpiffeUri(trustDomain, id.datacenter, id.service)
    case 'agent':
      return agentSpiffeUri(trustDomain, id.datacenter, id.node)
    case 'mesh-gateway':
      return meshGatewaySpiffeUri(trustDomain, id.datacenter)
    case 'server':
      return serverSpiffeUri(trustDomain, id.datacenter)
  }
}

function bad(message: string): FairleadError {
  return new FairleadError('BAD_REQUEST', message)
}
