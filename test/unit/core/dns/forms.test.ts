/**
 * The table of forms agrees with what the grammar makes of their examples.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DNS_FORMS } from '../../../../core/dns/forms.ts'
import { TYPE } from '../../../../core/dns/protocol.ts'
import { matchZone, parseLookup } from '../../../../core/dns/question.ts'

const ZONES = { domain: ['consul'], altDomain: [] }

describe('the table of DNS forms', () => {
  for (const { form, example, kind, types } of DNS_FORMS) {
    it(`reads ${example} as ${form}`, () => {
      const match = matchZone(example.split('.'), ZONES)
      if (kind === 'reverse') return assert.equal(match.kind, 'reverse')
      assert.ok(match.kind === 'own')
      if (kind === 'zone') return assert.deepEqual(match.labels, [])
      const type = types.includes('A') ? TYPE.A : TYPE.SRV
      assert.equal(parseLookup(match.labels, type).kind, kind)
    })
  }

  it('has every kind of name that the grammar knows', () => {
    const kinds = new Set(DNS_FORMS.map(({ kind }) => kind))
    for (const keyword of ['service', 'connect', 'virtual', 'ingress', 'node', 'query', 'addr']) {
      const lookup = parseLookup(['x', keyword], TYPE.A)
      assert.ok(lookup.kind !== 'invalid' && kinds.has(lookup.kind), keyword)
    }
  })
})
