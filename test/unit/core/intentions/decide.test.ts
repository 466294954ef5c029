/**
 * Which rule decides a connection (decide.ts; mesh.md 6.2).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decideConnection } from '../../../../core/intentions/decide.ts'
import { sortIntentions } from '../../../../core/intentions/precedence.ts'
import { intention } from './intention-fixture.ts'

describe('deciding a connection', () => {
  const rules = sortIntentions([
    intention({ sourceName: '*', action: 'deny' }),
    intention({ sourceName: 'web', action: 'allow' }),
    intention({
      sourceName: 'api',
      action: '',
      permissions: [{ action: 'allow', http: { pathPrefix: '/' } }],
    }),
  ])

  it('lets the most specific source decide', () => {
    assert.equal(decideConnection(rules, 'web', 'deny').kind, 'allow')
    assert.equal(decideConnection(rules, 'other', 'allow').kind, 'deny')
    assert.equal(decideConnection(rules, 'api', 'deny').kind, 'per-request')
  })

  it('matches a caller that is no service by the wildcard only', () => {
    assert.equal(decideConnection(rules, null, 'allow').kind, 'deny')
    const exact = rules.filter((rule) => rule.sourceName !== '*')
    assert.deepEqual(decideConnection(exact, null, 'allow'), { kind: 'allow', rule: null })
  })

  it('falls back to the default when no source matches', () => {
    assert.deepEqual(decideConnection([], 'web', 'deny'), { kind: 'deny', rule: null })
  })
})
