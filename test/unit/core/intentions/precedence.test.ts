/**
 * The order of rules and how they are described (precedence.ts, describe.ts; mesh.md 4.10, 6.2).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { IntentionRecord } from '../../../../core/catalog/types.ts'
import { describeDecision, describeIntention } from '../../../../core/intentions/describe.ts'
import {
  compareIntentions,
  precedenceOf,
  sortIntentions,
} from '../../../../core/intentions/precedence.ts'
import { intention } from './intention-fixture.ts'

describe('precedence of intentions', () => {
  it('ranks exact pairs first and double wildcards last', () => {
    assert.equal(precedenceOf('web', 'db'), 9)
    assert.equal(precedenceOf('*', 'db'), 8)
    assert.equal(precedenceOf('web', '*'), 6)
    assert.equal(precedenceOf('*', '*'), 5)
  })

  it('orders by precedence, then source, then destination', () => {
    const rules = [
      intention({ sourceName: '*', destinationName: '*' }),
      intention({ sourceName: 'b', destinationName: 'x' }),
      intention({ sourceName: 'a', destinationName: 'y' }),
      intention({ sourceName: 'a', destinationName: 'x' }),
      intention({ sourceName: '*', destinationName: 'x' }),
    ]
    const order = sortIntentions(rules).map((r) => `${r.sourceName}>${r.destinationName}`)
    assert.deepEqual(order, ['a>x', 'a>y', 'b>x', '*>x', '*>*'])
  })

  it('gives one order whatever the order of insertion', () => {
    const name = fc.constantFrom('*', 'a', 'b', 'é', '\u{1f600}', '\uffee')
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(name, name), { selector: (pair) => pair.join('>') }),
        fc.integer(),
        (pairs, seed) => {
          const rules = pairs.map(([sourceName, destinationName]) =>
            intention({ sourceName, destinationName }),
          )
          const turned = rules.toSorted((a, b) => hash(a, seed) - hash(b, seed))
          assert.deepEqual(sortIntentions(turned), sortIntentions(rules))
          for (const a of rules) {
            for (const b of rules) {
              const sum = Math.sign(compareIntentions(a, b)) + Math.sign(compareIntentions(b, a))
              assert.equal(sum, 0)
            }
          }
        },
      ),
    )
  })
})

describe('describing an intention', () => {
  it('prints the form of the authorize answer', () => {
    const rule = intention({ sourceName: 'web', destinationName: 'db', action: 'allow' })
    assert.equal(
      describeIntention(rule),
      'default/web => default/db (Precedence: 9, Action: ALLOW)',
    )
    assert.equal(
      describeIntention({ ...rule, id: 'f0', action: 'deny' }),
      'default/web => default/db (ID: f0, Precedence: 9, Action: DENY)',
    )
  })

  it('counts permissions and names the layer and the default', () => {
    const rule = intention({
      action: '',
      permissions: [{ action: 'allow', http: { pathPrefix: '/' } }],
    })
    assert.equal(
      describeDecision({ kind: 'per-request', rule }, false),
      'Matched L7 intention: default/web => default/db (Precedence: 9, Permissions: 1)',
    )
    assert.equal(
      describeDecision({ kind: 'deny', rule: intention({ action: 'deny' }) }, true),
      'Matched L4 intention: default/web => default/db (Precedence: 9, Action: DENY)',
    )
    assert.equal(
      describeDecision({ kind: 'allow', rule: null }, false),
      'Default behavior configured by ACLs',
    )
    assert.equal(describeDecision({ kind: 'deny', rule: null }, true), 'Default intention policy')
  })
})

function hash(rule: IntentionRecord, seed: number): number {
  let h = seed | 0
  for (const c of `${rule.sourceName}>${rule.destinationName}`) {
    h = Math.imul(h ^ (c.codePointAt(0) as number), 0x01000193)
  }
  return h
}
