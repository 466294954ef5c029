/**
 * Requests judged by permissions (permissions.ts; mesh.md 6.5).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { IntentionHeaderMatch, IntentionPermission } from '../../../../core/catalog/types.ts'
import { regexProblem } from '../../../../core/filter/regex.ts'
import { permits } from '../../../../core/intentions/permissions.ts'
import { intention } from './intention-fixture.ts'

type Http = IntentionPermission['http']

function request(method: string, path: string, headers: Record<string, string> = {}) {
  return { method, path, header: (name: string) => headers[name] }
}

function allowed(http: Http, method: string, path: string, headers?: Record<string, string>) {
  const rule = intention({ action: '', permissions: [{ action: 'allow', http }] })
  return permits(rule, request(method, path, headers), 'deny')
}

function headerMatches(match: IntentionHeaderMatch, headers: Record<string, string>): boolean {
  return allowed({ header: [match] }, 'GET', '/', headers)
}

describe('permissions of an intention', () => {
  it('matches exact paths, prefixes and whole regular expressions', () => {
    assert.equal(allowed({ pathExact: '/a' }, 'GET', '/a'), true)
    assert.equal(allowed({ pathExact: '/a' }, 'GET', '/a/'), false)
    assert.equal(allowed({ pathPrefix: '/a' }, 'GET', '/ab'), true)
    assert.equal(allowed({ pathPrefix: '/a/' }, 'GET', '/a'), false)
    assert.equal(allowed({ pathRegex: '/v[0-9]+/x' }, 'GET', '/v12/x'), true)
    assert.equal(allowed({ pathRegex: '/v[0-9]+/x' }, 'GET', '/v12/xy'), false)
    assert.equal(allowed({ pathRegex: '/v[0-9]+/x' }, 'GET', '/a/v12/x'), false)
    assert.equal(allowed({ pathRegex: '/a|/ab' }, 'GET', '/ab'), true)
    assert.equal(allowed({ pathRegex: '/a|/ab' }, 'GET', '/a\n'), false)
  })

  it('wants every criterion of one permission', () => {
    const http: Http = {
      pathPrefix: '/a',
      methods: ['GET', 'put'],
      header: [{ name: 'X', present: true }],
    }
    assert.equal(allowed(http, 'GET', '/a', { x: '' }), true)
    assert.equal(allowed(http, 'PUT', '/a', { x: '' }), true)
    assert.equal(allowed(http, 'POST', '/a', { x: '' }), false)
    assert.equal(allowed(http, 'GET', '/b', { x: '' }), false)
    assert.equal(allowed(http, 'GET', '/a'), false)
  })

  it('compares headers in every way', () => {
    assert.equal(headerMatches({ name: 'X-A', exact: 'one' }, { 'x-a': 'one' }), true)
    assert.equal(headerMatches({ name: 'X-A', exact: 'one' }, { 'x-a': 'One' }), false)
    assert.equal(
      headerMatches({ name: 'X-A', exact: 'one', ignoreCase: true }, { 'x-a': 'ONE' }),
      true,
    )
    assert.equal(headerMatches({ name: 'x-a', prefix: 'on' }, { 'x-a': 'one' }), true)
    assert.equal(
      headerMatches({ name: 'x-a', prefix: 'On', ignoreCase: true }, { 'x-a': 'oNe' }),
      true,
    )
    assert.equal(headerMatches({ name: 'x-a', suffix: 'ne' }, { 'x-a': 'one' }), true)
    assert.equal(headerMatches({ name: 'x-a', contains: 'n' }, { 'x-a': 'one' }), true)
    assert.equal(headerMatches({ name: 'x-a', contains: 'z' }, { 'x-a': 'one' }), false)
    assert.equal(headerMatches({ name: 'x-a', regex: 'o.e' }, { 'x-a': 'one' }), true)
    assert.equal(headerMatches({ name: 'x-a', regex: 'n' }, { 'x-a': 'one' }), false)
  })

  it('inverts a comparison only when the header is there', () => {
    const match = { name: 'x-a', exact: 'one', invert: true }
    assert.equal(headerMatches(match, { 'x-a': 'two' }), true)
    assert.equal(headerMatches(match, { 'x-a': 'one' }), false)
    assert.equal(headerMatches(match, {}), false)
    assert.equal(headerMatches({ name: 'x-a', present: true, invert: true }, {}), true)
    assert.equal(headerMatches({ name: 'x-a', present: true, invert: true }, { 'x-a': '' }), false)
  })

  it('lets the first matching permission decide, and the default when none does', () => {
    const rule = intention({
      action: '',
      permissions: [
        { action: 'deny', http: { pathExact: '/a/secret' } },
        { action: 'allow', http: { pathPrefix: '/a' } },
      ],
    })
    assert.equal(permits(rule, request('GET', '/a/secret'), 'allow'), false)
    assert.equal(permits(rule, request('GET', '/a/b'), 'deny'), true)
    assert.equal(permits(rule, request('GET', '/c'), 'deny'), false)
    assert.equal(permits(rule, request('GET', '/c'), 'allow'), true)
  })

  it('fails to the safe side when a stored pattern does not compile', () => {
    const judge = (action: 'allow' | 'deny', http: Http, fallback: 'allow' | 'deny') =>
      permits(
        intention({ action: '', permissions: [{ action, http }] }),
        request('GET', '/', { h: 'v' }),
        fallback,
      )
    assert.equal(judge('allow', { pathRegex: '(' }, 'deny'), false)
    assert.equal(judge('deny', { pathRegex: '(' }, 'allow'), false)
    const inverted = { header: [{ name: 'h', regex: '(', invert: true }] }
    assert.equal(judge('allow', inverted, 'deny'), false)
    assert.equal(judge('deny', inverted, 'allow'), false)
  })

  it('names what is wrong with a pattern', () => {
    assert.equal(regexProblem('a+b'), undefined)
    assert.notEqual(regexProblem('a)|(b'), undefined)
    assert.match(regexProblem('(?<=a)b') ?? '', /error parsing regexp/)
  })

  it('agrees with a direct reading of the rules', () => {
    const path = fc.constantFrom('/', '/a', '/a/b', '/b')
    const method = fc.constantFrom('GET', 'POST')
    const action = fc.constantFrom('allow' as const, 'deny' as const)
    const permission = fc.record({
      action,
      http: fc.record(
        { pathPrefix: path, methods: fc.array(method, { minLength: 1, maxLength: 2 }) },
        { requiredKeys: [] },
      ),
    })
    fc.assert(
      fc.property(fc.array(permission), method, path, action, (permissions, m, p, fallback) => {
        const first = permissions.find(
          ({ http }) =>
            (http.pathPrefix === undefined || p.startsWith(http.pathPrefix)) &&
            (http.methods === undefined || http.methods.includes(m)),
        )
        const expected = (first?.action ?? fallback) === 'allow'
        assert.equal(permits(intention({ permissions }), request(m, p), fallback), expected)
      }),
    )
  })
})
