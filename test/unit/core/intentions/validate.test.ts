/**
 * Every refusal text for an intention (validate.ts; mesh.md 6.7).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { IntentionWrite } from '../../../../core/catalog/commands.ts'
import type { IntentionHeaderMatch, IntentionPermission } from '../../../../core/catalog/types.ts'
import { normalizeIntention, validateIntention } from '../../../../core/intentions/validate.ts'

const BASE: IntentionWrite = {
  id: '',
  description: '',
  sourceName: 'web',
  destinationName: 'db',
  action: 'allow',
  permissions: [],
  meta: {},
}

function http(rule: IntentionPermission['http']): IntentionWrite {
  return { ...BASE, action: '', permissions: [{ action: 'allow', http: rule }] }
}

function header(match: IntentionHeaderMatch): IntentionWrite {
  return http({ header: [match] })
}

const REFUSED: readonly (readonly [IntentionWrite, string])[] = [
  [{ ...BASE, destinationName: '' }, 'Name is required'],
  [{ ...BASE, sourceName: '' }, 'Sources[0].Name is required'],
  [
    { ...BASE, sourceName: 'we*' },
    "Sources[0].Name: wildcard character '*' cannot be used with partial values",
  ],
  [
    { ...BASE, destinationName: '*b' },
    "Name: wildcard character '*' cannot be used with partial values",
  ],
  [{ ...BASE, description: 'é'.repeat(257) }, 'Sources[0].Description exceeds maximum length 512'],
  [{ ...BASE, action: '' }, "Sources[0].Action must be set to 'allow' or 'deny'"],
  [
    { ...http({ pathExact: '/' }), action: 'deny' },
    'Sources[0].Action must be omitted if Permissions are specified',
  ],
  [
    { ...http({ pathExact: '/' }), destinationName: '*' },
    'Sources[0].Permissions cannot be specified on intentions with wildcarded destinations',
  ],
  [
    { ...BASE, meta: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, ''])) },
    'Meta exceeds maximum element count 64',
  ],
  [
    { ...BASE, meta: { ['k'.repeat(129)]: '' } },
    `Meta key "${'k'.repeat(129)}" exceeds maximum length 128`,
  ],
  [{ ...BASE, meta: { k: 'v'.repeat(513) } }, 'Meta value for key "k" exceeds maximum length 512'],
  [{ ...BASE, sourceName: 'x'.repeat(1025) }, 'Sources[0].Name: exceeds maximum length 1024'],
  [{ ...BASE, sourceName: 'a\0' }, 'Sources[0].Name: must not contain a NUL character'],
  [
    {
      ...http({}),
      permissions: Array.from({ length: 257 }, () => ({
        action: 'allow' as const,
        http: { pathExact: '/' },
      })),
    },
    'Sources[0].Permissions exceeds maximum element count 256',
  ],
  [
    http({ header: Array.from({ length: 65 }, () => ({ name: 'h', present: true })) }),
    'Sources[0].Permissions[0].HTTP.Header exceeds maximum element count 64',
  ],
  [
    http({ pathExact: `/${'x'.repeat(2048)}` }),
    'Sources[0].Permissions[0].HTTP.Path exceeds maximum length 2048',
  ],
  [
    { ...BASE, action: '', permissions: [{ action: 'x' as 'allow', http: { pathExact: '/' } }] },
    "Sources[0].Permissions[0].Action must be set to 'allow' or 'deny'",
  ],
  [http({}), 'Sources[0].Permissions[0].HTTP should not be empty'],
  [
    http({ pathExact: 'a' }),
    "Sources[0].Permissions[0].HTTP.PathExact doesn't start with '/': \"a\"",
  ],
  [
    http({ pathPrefix: 'a' }),
    "Sources[0].Permissions[0].HTTP.PathPrefix doesn't start with '/': \"a\"",
  ],
  [
    http({ pathPrefix: '/a', pathRegex: '/b' }),
    'Sources[0].Permissions[0].HTTP should only contain at most one of PathExact, PathPrefix, or PathRegex',
  ],
  [
    header({ name: '', exact: 'x' }),
    'Sources[0].Permissions[0].HTTP.Header[0] missing required Name field',
  ],
  [
    header({ name: 'h', exact: 'x', prefix: 'y' }),
    'Sources[0].Permissions[0].HTTP.Header[0] should only contain one of Present, Exact, Prefix, Suffix, Contains, or Regex',
  ],
  [
    header({ name: 'h' }),
    'Sources[0].Permissions[0].HTTP.Header[0] should only contain one of Present, Exact, Prefix, Suffix, Contains, or Regex',
  ],
  [
    header({ name: 'h', regex: 'a', ignoreCase: true }),
    'Sources[0].Permissions[0].HTTP.Header[0] should set one of Exact, Prefix, Suffix, or Contains when using IgnoreCase',
  ],
  [
    http({ methods: ['FETCH'] }),
    'Sources[0].Permissions[0].HTTP.Methods contains an invalid method "FETCH"',
  ],
  [
    http({ methods: ['GET', 'get'] }),
    'Sources[0].Permissions[0].HTTP.Methods contains "get" more than once',
  ],
]

describe('validation of intentions', () => {
  for (const [write, text] of REFUSED) {
    it(`refuses: ${text.slice(0, 90)}`, () => assert.equal(validateIntention(write), text))
  }

  it('refuses patterns that RE2 does not take', () => {
    assert.match(
      validateIntention(http({ pathRegex: '(' })) ?? '',
      /^Sources\[0\]\.Permissions\[0\]\.HTTP\.PathRegex is not a valid regular expression: /,
    )
    assert.match(
      validateIntention(header({ name: 'h', regex: '[' })) ?? '',
      /HTTP\.Header\[0\] is not a valid regular expression: /,
    )
  })

  it('takes what the texts ask for', () => {
    assert.equal(validateIntention(BASE), undefined)
    assert.equal(validateIntention({ ...BASE, sourceName: '*', destinationName: '*' }), undefined)
    assert.equal(validateIntention(header({ name: 'h', present: true, invert: true })), undefined)
    assert.equal(
      validateIntention(header({ name: 'h', contains: 'x', ignoreCase: true })),
      undefined,
    )
    assert.equal(validateIntention({ ...BASE, description: 'é'.repeat(256) }), undefined)
  })

  it('stores methods in upper case and leaves the rest alone', () => {
    const normal = normalizeIntention(http({ methods: ['get', 'PUT'] }))
    assert.deepEqual(normal.permissions[0]?.http.methods, ['GET', 'PUT'])
    assert.equal(normalizeIntention(normal), normal)
  })

  it('never throws, whatever the text', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (a, b, c) => {
        validateIntention({ ...header({ name: a, regex: b }), sourceName: c })
        validateIntention(http({ pathRegex: a, methods: [b] }))
      }),
    )
  })
})
