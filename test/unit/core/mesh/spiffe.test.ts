/**
 * SPIFFE identities and SNI names against the forms and texts of mesh.md 1.3 and 1.4.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  agentSpiffeUri,
  parseSpiffeUri,
  serviceSni,
  serviceSpiffeUri,
} from '../../../../core/mesh/spiffe.ts'

const TD = '11111111-2222-3333-4444-555555555555.consul'

test('writes a service identity and its SNI in the documented form', () => {
  assert.equal(serviceSpiffeUri(TD, 'dc1', 'web'), `spiffe://${TD}/ns/default/dc/dc1/svc/web`)
  assert.equal(agentSpiffeUri(TD, 'dc1', 'vm-a'), `spiffe://${TD}/agent/client/dc/dc1/id/vm-a`)
  assert.equal(serviceSni(TD, 'dc1', 'db'), `db.default.dc1.internal.${TD}`)
})

test('escapes a name byte for byte as the reference does', () => {
  const name = "a b/c;d,e?f!g'h(i)j*k$l&m+n:o=p@q~r%ü"
  assert.equal(
    serviceSpiffeUri(TD, 'dc1', name).split('/svc/')[1],
    'a%20b%2Fc%3Bd%2Ce%3Ff%21g%27h%28i%29j%2Ak$l&m+n:o=p@q~r%25%C3%BC',
  )
  assert.ok(serviceSpiffeUri(TD, 'dc1', '\ud800').endsWith('/svc/%EF%BF%BD'))
})

test('reads back every service and agent identity it writes', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1, unit: 'grapheme' }).filter((s) => s.isWellFormed()),
      (name) => {
        const service = parseSpiffeUri(serviceSpiffeUri(TD, 'dc1', name))
        assert.deepEqual(service, {
          kind: 'service',
          trustDomain: TD,
          partition: 'default',
          namespace: 'default',
          datacenter: 'dc1',
          service: name,
        })
        const agent = parseSpiffeUri(agentSpiffeUri(TD, 'dc1', name))
        assert.ok('kind' in agent && agent.kind === 'agent' && agent.node === name)
      },
    ),
  )
})

test('reads the forms that peers may send', () => {
  const partition = parseSpiffeUri(`spiffe://${TD}/ap/blue/ns/default/dc/dc2/svc/api`)
  assert.ok('kind' in partition && partition.kind === 'service' && partition.partition === 'blue')
  const gateway = parseSpiffeUri(`spiffe://${TD}/gateway/mesh/dc/dc1`)
  assert.ok('kind' in gateway && gateway.kind === 'mesh-gateway')
  const server = parseSpiffeUri(`spiffe://${TD}/agent/server/dc/dc1`)
  assert.ok('kind' in server && server.kind === 'server')
  const signing = parseSpiffeUri(`spiffe://${TD.toUpperCase()}`)
  assert.deepEqual(signing, { kind: 'signing', trustDomain: TD })
})

test('refuses what is no identity, with the text clients see', () => {
  const textOf = (uri: string): string => {
    const parsed = parseSpiffeUri(uri)
    return 'error' in parsed ? parsed.error : JSON.stringify(parsed)
  }
  assert.equal(textOf('https://x/y'), "SPIFFE ID must have 'spiffe' scheme")
  for (const path of [
    '/x',
    '/ns/default/dc/dc1/svc/',
    '/ns/a/dc/b/svc/c/d',
    '/ns/default/dc/dc1',
  ]) {
    assert.equal(
      textOf(`spiffe://${TD}${path}`),
      `SPIFFE ID is not in the expected format: spiffe://${TD}${path}`,
    )
  }
  assert.equal(textOf('spiffe://nodot'), 'SPIFFE ID is not in the expected format: spiffe://nodot')
  assert.match(textOf(`spiffe://${TD}/ns/default/dc/dc1/svc/%zz`), /^Invalid service: /)
})

test('never throws, whatever the text', () => {
  fc.assert(fc.property(fc.string(), (s) => void parseSpiffeUri(`spiffe://${s}`)))
})
