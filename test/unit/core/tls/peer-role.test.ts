/**
 * As whom callers of RPC are taken: every combination of rules and certificates against the sentences of the documentation.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import {
  type CertificateFacts,
  judgePlain,
  judgeTls,
  type PeerRules,
} from '../../../../core/tls/peer-role.ts'

const rules = fc.record({ verifyIncoming: fc.boolean(), verifyServerHostname: fc.boolean() })
const facts: fc.Arbitrary<CertificateFacts> = fc.record({
  isTrusted: fc.boolean(),
  isOfOwnAuthority: fc.boolean(),
  hasServerName: fc.boolean(),
  isAgent: fc.boolean(),
})

function roleOf(certificate: CertificateFacts | null, given: PeerRules): string {
  const verdict = judgeTls(certificate, given)
  return 'role' in verdict ? verdict.role : 'refused'
}

it('verify_incoming refuses who does not speak TLS, and says what to set', () => {
  assert.deepEqual(judgePlain({ verifyIncoming: false, verifyServerHostname: true }), {
    role: 'server',
  })
  const verdict = judgePlain({ verifyIncoming: true, verifyServerHostname: false })
  assert('refusal' in verdict && /verify_outgoing/.test(verdict.refusal.hint))
})

it('with both rules only the name of servers, by the own authority, makes a server', () => {
  const strict = { verifyIncoming: true, verifyServerHostname: true }
  fc.assert(
    fc.property(fc.option(facts), (certificate) => {
      const isProven =
        certificate?.isTrusted === true && certificate.isOfOwnAuthority && certificate.hasServerName
      assert.equal(roleOf(certificate, strict) === 'server', isProven)
    }),
  )
})

it('with verify_incoming nobody gets further than a stranger without a trusted certificate', () => {
  fc.assert(
    fc.property(fc.option(facts), fc.boolean(), (certificate, verifyServerHostname) => {
      const role = roleOf(certificate, { verifyIncoming: true, verifyServerHostname })
      if (certificate === null) assert.equal(role, 'stranger')
      else if (!certificate.isTrusted) assert.equal(role, 'refused')
    }),
  )
})

it('the authority of the mesh makes clients of agents, and nothing of services', () => {
  fc.assert(
    fc.property(facts, rules, (given, rule) => {
      const certificate = { ...given, isTrusted: true, isOfOwnAuthority: false }
      if (certificate.isAgent) assert.equal(roleOf(certificate, rule), 'client')
      else assert.equal(roleOf(certificate, rule), roleOf(null, rule))
    }),
  )
})

it('without any rule everybody is a server, as before there was TLS', () => {
  const none = { verifyIncoming: false, verifyServerHostname: false }
  fc.assert(
    fc.property(fc.option(facts), (certificate) => {
      const isAgentOfMesh =
        certificate?.isTrusted === true && !certificate.isOfOwnAuthority && certificate.isAgent
      assert.equal(roleOf(certificate, none), isAgentOfMesh ? 'client' : 'server')
    }),
  )
})
