/**
 * Intentions as Envoy's rules decide as ours: rules of random sets are judged by a small model of Envoy's RBAC.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type {
  IntentionAction,
  IntentionPermission,
  IntentionRecord,
  JsonObject,
} from '../../../../core/catalog/types.ts'
import { decideConnection } from '../../../../core/intentions/decide.ts'
import { permits } from '../../../../core/intentions/permissions.ts'
import { compareIntentions } from '../../../../core/intentions/precedence.ts'
import { agentSpiffeUri, serviceSpiffeUri } from '../../../../core/mesh/spiffe.ts'
import { rbacRules } from '../../../../core/xds/rbac.ts'
import { intention } from '../intentions/intention-fixture.ts'

const TD = 'c1.consul'

interface Request {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

/** As Envoy's documentation has it; only the messages that are built here. */
function envoyAllows(rules: JsonObject, uri: string, request: Request): boolean {
  const policies = Object.values(rules['policies'] as Record<string, JsonObject>)
  const isMatched = policies.some(
    (policy) =>
      (policy['permissions'] as JsonObject[]).some((rule) => permission(rule, request)) &&
      (policy['principals'] as JsonObject[]).some((id) => principal(id, uri)),
  )
  return rules['action'] === 'ALLOW' ? isMatched : !isMatched
}

function only(body: JsonObject): [string, never] {
  const entries = Object.entries(body)
  assert.equal(entries.length, 1, JSON.stringify(body))
  return entries[0] as [string, never]
}

function principal(id: JsonObject, uri: string): boolean {
  const [kind, value] = only(id)
  switch (kind) {
    case 'andIds':
      return (value['ids'] as JsonObject[]).every((each) => principal(each, uri))
    case 'notId':
      return !principal(value, uri)
    case 'authenticated':
      return text(value['principalName'] as JsonObject, uri)
    default:
      return assert.fail(kind)
  }
}

function permission(rule: JsonObject, request: Request): boolean {
  const [kind, value] = only(rule)
  switch (kind) {
    case 'any':
      return true
    case 'andRules':
      return (value['rules'] as JsonObject[]).every((each) => permission(each, request))
    case 'notRule':
      return !permission(value, request)
    case 'urlPath':
      return text(value['path'], request.path)
    case 'header':
      return header(value, request)
    default:
      return assert.fail(kind)
  }
}

function header(match: JsonObject, { method, headers }: Request): boolean {
  const name = String(match['name'])
  const value = name === ':method' ? method : headers[name]
  const invert = match['invertMatch'] === true
  if (match['presentMatch'] === true) return (value !== undefined) !== invert
  return value !== undefined && text(match['stringMatch'] as JsonObject, value) !== invert
}

function text(matcher: JsonObject, value: string): boolean {
  const { ignoreCase, ...match } = matcher
  const [kind, pattern] = only(match)
  if (kind === 'safeRegex') return new RegExp(`^(?:${pattern['regex']})$`).test(value)
  const fold = (each: string): string => (ignoreCase === true ? each.toLowerCase() : each)
  const [a, b] = [fold(value), fold(String(pattern))]
  switch (kind) {
    case 'exact':
      return a === b
    case 'prefix':
      return a.startsWith(b)
    case 'suffix':
      return a.endsWith(b)
    case 'contains':
      return a.includes(b)
    default:
      return assert.fail(kind)
  }
}

const NAMES = ['web', 'web.b', 'webxb', 'a b']
const action = fc.constantFrom<IntentionAction>('allow', 'deny')
const word = fc.constantFrom('/a', '/a/b', '/', '/ab')
const http = fc.record(
  {
    pathExact: word,
    pathPrefix: word,
    pathRegex: fc.constantFrom('/a.*', '/[ab]+'),
    methods: fc.subarray(['GET', 'put'], { minLength: 1 }),
    header: fc.array(
      fc.record(
        {
          name: fc.constant('X-A'),
          present: fc.constant(true),
          exact: fc.constantFrom('one', 'ONE'),
          contains: fc.constant('n'),
          ignoreCase: fc.boolean(),
          invert: fc.boolean(),
        },
        { requiredKeys: ['name'] },
      ),
      { maxLength: 2 },
    ),
  },
  { requiredKeys: [] },
)
const permissions: fc.Arbitrary<IntentionPermission[]> = fc.array(fc.record({ action, http }), {
  maxLength: 3,
})
const rule: fc.Arbitrary<IntentionRecord> = fc
  .record({
    sourceName: fc.constantFrom('*', ...NAMES),
    destinationName: fc.constantFrom('db', '*'),
    action,
    permissions,
  })
  .map((given) => intention({ ...given, ...(given.permissions.length > 0 ? { action: '' } : {}) }))
const caller = fc.constantFrom(null, ...NAMES, 'stranger')
const request: fc.Arbitrary<Request> = fc.record({
  method: fc.constantFrom('GET', 'PUT', 'POST'),
  path: word,
  headers: fc.constantFrom<Record<string, string>[]>({}, { 'x-a': 'one' }, { 'x-a': 'two' }),
})

function oursAllows(
  rules: readonly IntentionRecord[],
  source: string | null,
  asked: Request | undefined,
  defaultAction: IntentionAction,
): boolean {
  const decision = decideConnection(rules, source, defaultAction)
  if (decision.kind !== 'per-request') return decision.kind === 'allow'
  if (asked === undefined) return false
  const judged = { ...asked, header: (name: string) => asked.headers[name] }
  return permits(decision.rule, judged, defaultAction)
}

function uriOf(source: string | null, datacenter: string): string {
  if (source === null) return agentSpiffeUri(TD, datacenter, 'vm-a')
  return serviceSpiffeUri(TD, datacenter, source)
}

describe("Envoy's rules", () => {
  it('decide as ours for every caller and request', () => {
    fc.assert(
      fc.property(
        fc.array(rule, { maxLength: 6 }),
        action,
        caller,
        request,
        (given, otherwise, source, asked) => {
          const intentions = [...given].sort(compareIntentions)
          const inputs = { trustDomain: TD, intentions, defaultAction: otherwise }
          const rules = rbacRules({ ...inputs, isHttp: true })
          for (const datacenter of ['dc1', 'dc2']) {
            const uri = uriOf(source, datacenter)
            assert.equal(
              envoyAllows(rules, uri, asked),
              oursAllows(intentions, source, asked, otherwise),
              JSON.stringify(rules),
            )
            const streams = rbacRules({ ...inputs, isHttp: false })
            assert.equal(
              envoyAllows(streams, uri, asked),
              oursAllows(intentions, source, undefined, otherwise),
              JSON.stringify(streams),
            )
          }
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('say what the default says where there is no intention', () => {
    const none = { trustDomain: TD, intentions: [], isHttp: true }
    assert.deepEqual(rbacRules({ ...none, defaultAction: 'deny' }), {
      action: 'ALLOW',
      policies: {},
    })
    assert.deepEqual(rbacRules({ ...none, defaultAction: 'allow' }), {
      action: 'DENY',
      policies: {},
    })
  })

  it('let nothing pass by an intention that asks for tokens, which Envoy cannot verify here', () => {
    const jwt = { providers: [{ name: 'okta' }] }
    const asking = [
      intention({ sourceName: 'web', action: 'allow', jwt }),
      intention({
        sourceName: 'web',
        action: '',
        permissions: [{ action: 'allow', http: { pathPrefix: '/' }, jwt }],
      }),
    ]
    for (const rule of asking) {
      for (const isHttp of [true, false]) {
        const inputs = { trustDomain: TD, intentions: [rule], isHttp }
        const closed = rbacRules({ ...inputs, defaultAction: 'deny' })
        assert.deepEqual(closed, { action: 'ALLOW', policies: {} })
        const open = rbacRules({ ...inputs, defaultAction: 'allow' })
        assert.deepEqual(Object.keys(open['policies'] as object), ['consul-intentions-layer4'])
      }
    }
  })

  it('name a caller as a whole, whatever datacentre it is in', () => {
    const rules = rbacRules({
      trustDomain: TD,
      intentions: [intention({ sourceName: 'web', action: 'allow' })],
      defaultAction: 'deny',
      isHttp: false,
    })
    assert.deepEqual(rules['policies'], {
      'consul-intentions-layer4': {
        permissions: [{ any: true }],
        principals: [
          {
            authenticated: {
              principalName: {
                safeRegex: { regex: '^spiffe://c1\\.consul/ns/default/dc/[^/]+/svc/web$' },
              },
            },
          },
        ],
      },
    })
  })
})
