/**
 * /v1/connect/ca/revocations: certificates and identities that count no more (docs/decisions/0036). Fairlead's own.
 */

import { revocationId } from '../../../core/catalog/ca-revocations.ts'
import type { CaRevocation, CaRoots } from '../../../core/catalog/types.ts'
import { decodeBody } from '../../../core/decode/body.ts'
import { string } from '../../../core/decode/decoder.ts'
import { field, object } from '../../../core/decode/object.ts'
import { FairleadError } from '../../../core/errors.ts'
import { parseSpiffeUri, serviceSpiffeUri } from '../../../core/mesh/spiffe.ts'
import type { HttpCall } from '../call.ts'
import { readParameters, refuseTenancy } from '../query-options.ts'
import { ask, askWith } from '../reading.ts'
import { jsonReply, type Reply } from '../reply.ts'
import type { Route } from '../route.ts'
import { caRevocationJson } from '../wire/ca.ts'
import { list } from '../wire/json.ts'
import { apply, nowOf, TRUE_REPLY } from '../writing.ts'

export const CA_REVOCATION_ROUTES: readonly Route[] = [
  {
    path: '/v1/connect/ca/revocations',
    doc: 'Certificates and identities that are revoked; PUT revokes one (fairlead’s own)',
    blocking: true,
    methods: { GET: revocations, PUT: revoke },
  },
  {
    path: '/v1/connect/ca/revocations/',
    doc: 'Reinstates what was revoked, by its ID (fairlead’s own)',
    methods: { DELETE: reinstate },
  },
]

async function revocations(call: HttpCall): Promise<Reply> {
  const answer = await ask(call, 'ca.roots', {})
  const found = answer.value.revocations ?? []
  return jsonReply(list(found, caRevocationJson), answer.headers)
}

const REVOCATION = object('Revocation', {
  serialNumber: field('SerialNumber', string, ''),
  identity: field('Identity', string, ''),
  service: field('Service', string, ''),
  reason: field('Reason', string, ''),
})

async function revoke(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const { serialNumber, identity, service, reason } = decodeBody(REVOCATION, call.bodyText())
  const given = [serialNumber, identity, service].filter((value) => value !== '')
  if (given.length !== 1) {
    throw bad('Exactly one of SerialNumber, Identity and Service must be given')
  }
  const what: Pick<CaRevocation, 'kind' | 'value'> =
    serialNumber === ''
      ? { kind: 'identity', value: identityOf(identity, service, await present(call), call) }
      : { kind: 'serial', value: serialOf(serialNumber) }
  await apply(call, { kind: 'ca.revoke', revocation: { ...what, reason }, now: nowOf(call) })
  return jsonReply(`{"ID":${JSON.stringify(revocationId(what))}}`)
}

async function reinstate(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const id = call.unescapedSuffix()
  const isDone = await apply(call, { kind: 'ca.reinstate', id })
  if (isDone === true) return TRUE_REPLY
  throw new FairleadError('NOT_FOUND', `Nothing is revoked by the ID "${id}"`)
}

async function present(call: HttpCall): Promise<CaRoots> {
  const { value } = await askWith(call, { ...readParameters(call), minIndex: 0 }, 'ca.roots', {})
  return value
}

/** In the form that certificates have. */
function identityOf(given: string, service: string, roots: CaRoots, call: HttpCall): string {
  const { trustDomain } = roots
  const uri =
    service === '' ? given : serviceSpiffeUri(trustDomain, call.agent.config.datacenter, service)
  const id = parseSpiffeUri(uri)
  if ('error' in id) throw bad(`Identity is no SPIFFE ID of the mesh: ${id.error}`)
  if (id.kind === 'signing') throw bad('Identity names the authority, which can only be rotated')
  if (id.trustDomain !== trustDomain) {
    throw bad(`Identity is of the trust domain "${id.trustDomain}"; ours is "${trustDomain}"`)
  }
  return uri
}

/** As leaves print it: `3c:4f:…`; also taken without colons. */
function serialOf(given: string): string {
  const digits = given.replaceAll(':', '').toLowerCase()
  if (!/^[0-9a-f]{1,64}$/.test(digits)) {
    throw bad('SerialNumber must be hexadecimal, as in "3c:4f:01"')
  }
  const even = digits.length % 2 === 0 ? digits : `0${digits}`
  return (even.match(/../g) ?? []).join(':')
}

function bad(message: string): FairleadError {
  return new FairleadError('BAD_REQUEST', message)
}
