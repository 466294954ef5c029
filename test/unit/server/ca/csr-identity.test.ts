/**
 * Which identities a request may ask for (mesh.md 4.4).
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signableIdentity } from '../../../../server/ca/csr-identity.ts'

const DOMAIN = { trustDomain: 'abc.consul', datacenter: 'dc1' }

test('a service of ours keeps its identity, in the normal spelling of the trust domain', () => {
  assert.equal(
    signableIdentity('spiffe://ABC.consul/ns/default/dc/dc1/svc/web', DOMAIN).uri,
    'spiffe://abc.consul/ns/default/dc/dc1/svc/web',
  )
})

test('an agent that does not know the trust domain gets ours', () => {
  assert.equal(
    signableIdentity('spiffe://dummy.trust/agent/client/dc/dc1/id/node-1', DOMAIN).uri,
    'spiffe://abc.consul/agent/client/dc/dc1/id/node-1',
  )
})

test('gateways and servers of this datacentre may ask', () => {
  for (const path of ['gateway/mesh/dc/dc1', 'agent/server/dc/dc1']) {
    const uri = `spiffe://abc.consul/${path}`
    assert.equal(signableIdentity(uri, DOMAIN).uri, uri)
  }
})

const REFUSED: readonly (readonly [string, string])[] = [
  [
    'spiffe://abc.consul/ns/default/dc/dc2/svc/web',
    'SPIFFE ID in CSR from a different datacenter: dc2, we are dc1',
  ],
  [
    'spiffe://other.consul/ns/default/dc/dc1/svc/web',
    'SPIFFE ID in CSR from a different trust domain: other.consul, we are abc.consul',
  ],
  ['spiffe://abc.consul', 'SPIFFE ID in CSR must be a service, mesh-gateway, or agent ID'],
  [
    'spiffe://abc.consul/ns/team/dc/dc1/svc/web',
    'SPIFFE ID in CSR is of namespace "team"; there is only "default" here',
  ],
  [
    'spiffe://abc.consul/ap/east/ns/default/dc/dc1/svc/web',
    'SPIFFE ID in CSR is of partition "east"; there is only "default" here',
  ],
  ['https://abc.consul/ns/default/dc/dc1/svc/web', "SPIFFE ID must have 'spiffe' scheme"],
]

for (const [uri, message] of REFUSED) {
  test(`refuses ${uri}`, () => {
    assert.throws(() => signableIdentity(uri, DOMAIN), { code: 'BAD_REQUEST', message })
  })
}
