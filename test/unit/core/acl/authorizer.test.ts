/**
 * The authorizer against a naive model: every rule looked at, for every name (http-api.md 24.3).
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Authorizer } from '../../../../core/acl/authorizer.ts'
import { BUILTIN_POLICIES } from '../../../../core/acl/builtin.ts'
import type { Access, Level, Rule } from '../../../../core/acl/rule.ts'
import { readRules } from '../../../../core/acl/rule-reader.ts'

const NAME = fc.stringMatching(/^[ab/]{0,4}$/)
const LEVEL = fc.constantFrom<Level>('deny', 'read', 'list', 'write')
const ACCESS = fc.constantFrom<Access>('read', 'list', 'write')
const KEY_RULE = fc.record({
  resource: fc.constant('key' as const),
  match: fc.constantFrom('exact' as const, 'prefix' as const),
  name: NAME,
  policy: LEVEL,
})
const DEFAULT = fc.constantFrom('allow' as const, 'deny' as const)

type KeyRule = Extract<Rule, { match: string }>

/** deny beats write beats list beats read. */
function strongest(levels: readonly Level[]): Level {
  for (const level of ['deny', 'write', 'list'] as const) if (levels.includes(level)) return level
  return 'read'
}

function modelLevel(rules: readonly KeyRule[], name: string): Level | undefined {
  const exact = rules.filter((rule) => rule.match === 'exact' && rule.name === name)
  if (exact.length > 0) return strongest(exact.map((rule) => rule.policy as Level))
  const prefixes = rules.filter((rule) => rule.match === 'prefix' && name.startsWith(rule.name))
  const longest = Math.max(...prefixes.map((rule) => rule.name.length))
  const best = prefixes.filter((rule) => rule.name.length === longest)
  return best.length === 0 ? undefined : strongest(best.map((rule) => rule.policy as Level))
}

function modelGrants(level: Level | undefined, access: Access, isAllow: boolean): boolean {
  if (level === undefined) return isAllow
  const allowed: Readonly<Record<Level, readonly Access[]>> = {
    deny: [],
    read: ['read'],
    list: ['read', 'list'],
    write: ['read', 'list', 'write'],
  }
  return allowed[level].includes(access)
}

describe('authorizer', () => {
  test('decides as the model does', () => {
    fc.assert(
      fc.property(
        fc.array(KEY_RULE, { maxLength: 8 }),
        NAME,
        ACCESS,
        DEFAULT,
        (rules, name, access, fallback) => {
          const actual = new Authorizer(rules, fallback).allows('key', access, name)
          const expected = modelGrants(modelLevel(rules, name), access, fallback === 'allow')
          assert.equal(actual, expected)
        },
      ),
    )
  })

  test('below a prefix grants only what every name there is granted', () => {
    fc.assert(
      fc.property(
        fc.array(KEY_RULE, { maxLength: 6 }),
        NAME,
        DEFAULT,
        fc.array(NAME, { maxLength: 8 }),
        (rules, prefix, fallback, tails) => {
          const authorizer = new Authorizer(rules, fallback)
          if (!authorizer.allowsUnder('key', 'write', prefix)) return
          for (const tail of tails) assert.ok(authorizer.allows('key', 'write', prefix + tail))
          for (const { name } of rules) {
            if (name.startsWith(prefix)) assert.ok(authorizer.allows('key', 'write', name))
          }
        },
      ),
    )
  })

  test('the order of policies does not matter', () => {
    fc.assert(
      fc.property(fc.array(KEY_RULE, { maxLength: 6 }), NAME, ACCESS, (rules, name, access) => {
        const one = new Authorizer(rules, 'deny').allows('key', access, name)
        assert.equal(new Authorizer(rules.toReversed(), 'deny').allows('key', access, name), one)
      }),
    )
  })

  test('access control itself is never given by default', () => {
    const open = new Authorizer([], 'allow')
    assert.equal(open.allows('acl', 'read'), false)
    assert.equal(open.allows('operator', 'write'), true)
    assert.equal(open.allows('service', 'write', 'web'), true)
  })

  test('operator stands for mesh and peering where they are not named', () => {
    const some = new Authorizer(readRules('operator = "write"\npeering = "read"'), 'deny')
    assert.equal(some.allows('mesh', 'write'), true)
    assert.equal(some.allows('peering', 'write'), false)
    assert.equal(some.allows('keyring', 'read'), false)
  })

  test('rights on a service imply reading its intentions, and no more', () => {
    const rules = `
      service "web" { policy = "write" }
      service "api" { policy = "deny" }
      service "db" { policy = "read" intentions = "write" }
      service "only" { intentions = "write" }`
    const some = new Authorizer(readRules(rules), 'deny')
    assert.equal(some.allows('intention', 'read', 'web'), true)
    assert.equal(some.allows('intention', 'write', 'web'), false)
    assert.equal(some.allows('intention', 'read', 'api'), false)
    assert.equal(some.allows('intention', 'write', 'db'), true)
    assert.equal(some.allows('service', 'read', 'only'), false)
    assert.equal(some.allows('intention', 'read', '*'), true)
    assert.equal(some.allows('intention', 'write', '*'), false)
  })

  test('global management may do everything, global read only read', () => {
    const [all, read] = BUILTIN_POLICIES.map(
      ({ rules }) => new Authorizer(readRules(rules), 'deny'),
    )
    for (const resource of [
      'acl',
      'agent',
      'event',
      'intention',
      'key',
      'keyring',
      'mesh',
      'node',
      'operator',
      'peering',
      'query',
      'service',
      'session',
    ] as const) {
      assert.equal(all?.allows(resource, 'write', 'x'), true, resource)
      assert.equal(read?.allows(resource, 'read', 'x'), true, resource)
      assert.equal(read?.allows(resource, 'write', 'x'), false, resource)
    }
  })
})

describe('rules', () => {
  test('HCL and JSON say the same', () => {
    const hcl =
      'acl = "read"\nkey_prefix "app/" { policy = "list" }\nservice "web" { policy = "write" }'
    const json =
      '{"acl":"read","key_prefix":{"app/":{"policy":"list"}},"service":[{"web":[{"policy":"write"}]}]}'
    assert.deepEqual(readRules(hcl), readRules(json))
    assert.deepEqual(readRules('  '), [])
  })

  const WRONG: readonly (readonly [string, RegExp])[] = [
    ['servce "web" { policy = "read" }', /"servce" is not a resource.*did you mean "service"/],
    ['service "web" { policy = "list" }', /service "web": policy: Invalid policy.*"write"/],
    ['service "web" { }', /service "web" has no policy/],
    ['key "a" { policy = "read" intentions = "read" }', /"intentions" is not known here/],
    ['acl = 3', /acl: Invalid policy/],
    ['namespace "x" { }', /Consul Enterprise/],
    ['service "web" {', /line 1/],
  ]
  for (const [text, message] of WRONG) {
    test(`refuses ${text}`, () => {
      assert.throws(() => readRules(text), { code: 'REJECTED', message })
    })
  }

  test('whatever the text, there are rules or one kind of error', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        try {
          readRules(text)
        } catch (thrown) {
          assert.equal((thrown as { code?: string }).code, 'REJECTED')
        }
      }),
    )
  })
})
