/**
 * Which rule decides a connection (decide.ts; mesh.md 6.2).
 */

import assert from 'node:assert/strict'
import { describe, it, test } from 'node:test'
import fc from 'fast-check'
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

test('the first of the sorted rules decides as a model that knows only precedence, on random sets', () => {
  const name = fc.constantFrom('*', 'web', 'db', 'api')
  const pairs = fc.uniqueArray(
    fc.record({
      sourceName: name,
      destinationName: name,
      action: fc.constantFrom('allow' as const, 'deny' as const),
    }),
    { selector: (rule) => `${rule.sourceName}>${rule.destinationName}` },
  )
  const service = fc.constantFrom('web', 'db', 'api', 'other')
  const fallback = fc.constantFrom('allow' as const, 'deny' as const)
  fc.assert(
    fc.property(pairs, service, service, fallback, (given, source, destination, byDefault) => {
      const fits = (pattern: string, text: string): boolean => pattern === '*' || pattern === text
      let best = 0
      let expected: string = byDefault
      for (const { sourceName, destinationName, action } of given) {
        if (!fits(sourceName, source) || !fits(destinationName, destination)) continue
        // The table of mesh.md 6.2, of which four rows are of one namespace.
        const row = { 'exact exact': 9, 'exact *': 8, '* exact': 6, '* *': 5 }
        const kind = (text: string): 'exact' | '*' => (text === '*' ? '*' : 'exact')
        const precedence = row[`${kind(destinationName)} ${kind(sourceName)}`]
        if (precedence <= best) continue
        best = precedence
        expected = action
      }
      const rules = sortIntentions(
        given.filter((rule) => fits(rule.destinationName, destination)).map(intention),
      )
      assert.equal(decideConnection(rules, source, byDefault).kind, expected)
    }),
  )
})
