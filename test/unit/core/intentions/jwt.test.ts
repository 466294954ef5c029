/**
 * Tokens in intentions: what they open, what they do not, against a model that enumerates.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type {
  IntentionJwt,
  IntentionPermission,
  JsonObject,
} from '../../../../core/catalog/types.ts'
import { decideConnection } from '../../../../core/intentions/decide.ts'
import { providersOf, satisfies } from '../../../../core/intentions/jwt.ts'
import { permits } from '../../../../core/intentions/permissions.ts'
import { claimsFit } from '../../../../core/jwt/claims.ts'
import { wallTime } from '../../../../core/time.ts'
import { intention } from './intention-fixture.ts'

const okta: IntentionJwt = { providers: [{ name: 'okta' }] }

function request(path: string, tokens: Readonly<Record<string, JsonObject>> = {}) {
  return { method: 'GET', path, header: () => undefined, payload: (name: string) => tokens[name] }
}

test('providers are alternatives, the claims of one are not', () => {
  const jwt: IntentionJwt = {
    providers: [
      {
        name: 'okta',
        verifyClaims: [
          { path: ['roles'], value: 'admin' },
          { path: ['org', 'id'], value: '7' },
        ],
      },
      { name: 'other' },
    ],
  }
  const holds = (tokens: Readonly<Record<string, JsonObject>>): boolean =>
    satisfies(jwt, (name) => tokens[name])
  assert.equal(holds({}), false)
  assert.equal(holds({ okta: { roles: ['dev', 'admin'], org: { id: '7' } } }), true)
  assert.equal(holds({ okta: { roles: 'admin', org: { id: '7' } } }), true)
  assert.equal(holds({ okta: { roles: ['admin'] } }), false)
  assert.equal(holds({ okta: { roles: ['admin'], org: { id: 7 } } }), false)
  assert.equal(holds({ okta: { roles: ['admin'], org: null } }), false)
  assert.equal(holds({ okta: {}, other: {} }), true)
  assert.equal(
    satisfies(
      { providers: [{ name: 'okta', verifyClaims: [{ path: ['toString'], value: 'x' }] }] },
      () => ({}),
    ),
    false,
  )
})

test('a rule that asks for a token decides each request; a denial needs none', () => {
  const allow = intention({ action: 'allow', jwt: okta })
  assert.equal(decideConnection([allow], 'web', 'allow').kind, 'per-request')
  assert.equal(permits(allow, request('/'), 'allow'), false)
  assert.equal(permits(allow, request('/', { okta: {} }), 'deny'), true)
  const deny = intention({ action: 'deny', jwt: okta })
  assert.equal(decideConnection([deny], 'web', 'allow').kind, 'deny')
})

test('a request without the token of a permission is not let in by the default', () => {
  const permissions: IntentionPermission[] = [
    { action: 'allow', http: { pathPrefix: '/admin' }, jwt: okta },
  ]
  const rule = intention({ action: '', permissions })
  assert.equal(permits(rule, request('/admin'), 'allow'), false)
  assert.equal(permits(rule, request('/admin', { okta: {} }), 'allow'), true)
  assert.equal(permits(rule, request('/open'), 'allow'), true)
  assert.equal(permits(rule, request('/open'), 'deny'), false)
})

test('permissions with and without tokens agree with a model, on random ones', () => {
  const names = fc.constantFrom('a', 'b')
  const jwt = fc.option(
    fc.array(names, { minLength: 1, maxLength: 2 }).map((all) => ({
      providers: all.map((name) => ({ name })),
    })),
    { nil: undefined },
  )
  const permission = fc
    .record({
      action: fc.constantFrom('allow' as const, 'deny' as const),
      path: fc.constantFrom('/', '/x', '/x/y'),
      jwt,
    })
    .map(({ action, path, jwt: token }) => ({
      action,
      http: { pathPrefix: path },
      ...(token === undefined ? {} : { jwt: token }),
    }))
  fc.assert(
    fc.property(
      fc.array(permission, { minLength: 1, maxLength: 4 }),
      jwt,
      fc.subarray(['a', 'b']),
      fc.constantFrom('/', '/x', '/x/y', '/z'),
      fc.constantFrom('allow' as const, 'deny' as const),
      (permissions, top, held, path, fallback) => {
        const has = (asked: IntentionJwt | undefined): boolean =>
          asked === undefined || asked.providers.some(({ name }) => held.includes(name))
        const matching = permissions.filter((each) => path.startsWith(each.http.pathPrefix))
        const first = matching.find((each) => has(each.jwt))
        const before = matching.slice(0, first === undefined ? undefined : matching.indexOf(first))
        const isBarred = before.some((each) => each.action === 'allow')
        const verdict = first?.action ?? (isBarred ? 'deny' : fallback)
        const rule = intention({
          action: '',
          permissions,
          ...(top === undefined ? {} : { jwt: top }),
        })
        const tokens = Object.fromEntries(held.map((name) => [name, {}]))
        const given = permits(rule, request(path, tokens), fallback)
        assert.equal(given, verdict === 'allow' && has(top))
        const asked = [top, ...permissions.map((each) => ('jwt' in each ? each.jwt : undefined))]
        const expected = new Set(
          asked.flatMap((each) => each?.providers.map(({ name }) => name) ?? []),
        )
        assert.deepEqual(new Set(providersOf(rule)), expected)
      },
    ),
  )
})

test('issuer, audience and times must fit, within the skew', () => {
  const rules = { issuer: 'me', audiences: ['x', 'y'], clockSkewMs: 30_000 }
  const at = wallTime(1_000_000)
  const good = { iss: 'me', aud: ['z', 'y'], exp: 1000, nbf: 1000 }
  assert.equal(claimsFit(good, rules, at), true)
  for (const change of [
    { iss: 'you' },
    { aud: 'z' },
    { aud: [] },
    { exp: 970 },
    { exp: '1000' },
    { nbf: 1031 },
    { nbf: null },
  ]) {
    assert.equal(claimsFit({ ...good, ...change }, rules, at), false, JSON.stringify(change))
  }
  assert.equal(claimsFit({ ...good, exp: 971 }, rules, at), true)
  assert.equal(claimsFit({ ...good, nbf: 1030, aud: 'x' }, rules, at), true)
  assert.equal(claimsFit({}, { issuer: '', audiences: [], clockSkewMs: 0 }, at), true)
})
