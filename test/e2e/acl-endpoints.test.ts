/**
 * Every endpoint with no token, one that does not exist, a weak one and the right one: the table is that of the routes.
 *
 * What is stored is called `marker…`. Who has no right to it must not read the word, and nothing that changes
 * something may succeed; who has all rights is never refused. A new route fails here until it has a sample.
 */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Route } from '../../agent/http/route.ts'
import { rightOf } from '../../agent/http/route-rights.ts'
import { ROUTES } from '../../agent/http/routes.ts'
import { startAgent, type TestAgent, temporaryFolder } from './harness/agent.ts'

const ROOT = randomUUID()

interface Sample {
  /** Behind the path of the route. */
  readonly rest?: string | (() => string)
  readonly body?: unknown
  /** Would end the agent, or never ends. */
  readonly isOnlyRefused?: true
}

const ids = { session: '', query: '', policy: '', role: '', rule: '', token: '', intention: '' }
const NAME = 'marker-web'
const NODE = 'marker-node'
const PAIR = `?source=marker-a&destination=${NAME}`

/** By method and path; without one the path is asked as it is. */
const SAMPLES: Readonly<Record<string, Sample>> = {
  'PUT /v1/agent/maintenance': { rest: '?enable=false' },
  'PUT /v1/agent/leave': { isOnlyRefused: true },
  'PUT /v1/agent/reload': {},
  'GET /v1/agent/service/': { rest: NAME },
  'PUT /v1/agent/service/register': { body: { Name: 'marker-new' } },
  'PUT /v1/agent/service/deregister/': { rest: 'marker-gone' },
  'PUT /v1/agent/service/maintenance/': { rest: `${NAME}?enable=false` },
  'PUT /v1/agent/check/register': { body: { Name: 'marker-check', TTL: '1h' } },
  'PUT /v1/agent/check/deregister/': { rest: 'marker-check-gone' },
  'PUT /v1/agent/check/pass/': { rest: 'marker-ttl' },
  'PUT /v1/agent/check/warn/': { rest: 'marker-ttl' },
  'PUT /v1/agent/check/fail/': { rest: 'marker-ttl' },
  'PUT /v1/agent/check/update/': { rest: 'marker-ttl', body: { Status: 'passing' } },
  'GET /v1/agent/health/service/id/': { rest: NAME },
  'GET /v1/agent/health/service/name/': { rest: NAME },
  'PUT /v1/agent/join/': { rest: '127.0.0.1:1' },
  'PUT /v1/agent/force-leave/': { rest: 'marker-nobody' },
  'GET /v1/agent/metrics/stream': { isOnlyRefused: true },
  'GET /v1/agent/monitor': { isOnlyRefused: true },
  'GET /v1/agent/proxy/tap': { isOnlyRefused: true },
  'PUT /v1/agent/token/': { rest: 'replication', body: { Token: '' } },
  'GET /v1/catalog/service/': { rest: NAME },
  'GET /v1/catalog/connect/': { rest: NAME },
  'GET /v1/catalog/node/': { rest: NODE },
  'GET /v1/catalog/node-services/': { rest: NODE },
  'PUT /v1/catalog/register': { body: { Node: NODE, Address: '10.0.0.2' } },
  'PUT /v1/catalog/deregister': { body: { Node: 'marker-nobody' } },
  'GET /v1/catalog/gateway-services/': { rest: 'marker-gateway' },
  'GET /v1/health/node/': { rest: NODE },
  'GET /v1/health/checks/': { rest: NAME },
  'GET /v1/health/state/': { rest: 'any' },
  'GET /v1/health/service/': { rest: NAME },
  'GET /v1/health/connect/': { rest: NAME },
  'GET /v1/health/ingress/': { rest: NAME },
  'GET /v1/coordinate/node/': { rest: NODE },
  'PUT /v1/coordinate/update': {
    body: {
      Node: NODE,
      Coord: { Vec: [0, 0, 0, 0, 0, 0, 0, 0], Error: 1, Adjustment: 0, Height: 0 },
    },
  },
  'GET /v1/kv/': { rest: 'marker?raw' },
  'PUT /v1/kv/': { rest: 'marker', body: 'marker' },
  'DELETE /v1/kv/': { rest: 'marker-gone' },
  'PUT /v1/config': { body: { Kind: 'service-defaults', Name: NAME, Protocol: 'tcp' } },
  'GET /v1/config/': { rest: `service-defaults/${NAME}` },
  'DELETE /v1/config/': { rest: 'service-defaults/marker-gone' },
  'GET /v1/discovery-chain/': { rest: NAME },
  'POST /v1/discovery-chain/': { rest: NAME, body: {} },
  'PUT /v1/connect/ca/configuration': { body: { Provider: 'consul', Config: {} } },
  'PUT /v1/connect/ca/revocations': { body: { SerialNumber: '01:02', Reason: 'x' } },
  'DELETE /v1/connect/ca/revocations/': { rest: 'nothing' },
  'GET /v1/agent/connect/ca/leaf/': { rest: NAME },
  'POST /v1/agent/connect/authorize': {
    body: { Target: NAME, ClientCertURI: 'spiffe://x.consul/ns/default/dc/dc1/svc/marker-a' },
  },
  'POST /v1/connect/intentions': {
    body: { SourceName: 'marker-b', DestinationName: NAME, Action: 'allow' },
  },
  'GET /v1/connect/intentions/exact': { rest: PAIR },
  'PUT /v1/connect/intentions/exact': { rest: PAIR, body: { Action: 'deny' } },
  'DELETE /v1/connect/intentions/exact': { rest: `?source=marker-c&destination=${NAME}` },
  'GET /v1/connect/intentions/match': { rest: `?by=destination&name=${NAME}` },
  'GET /v1/connect/intentions/check': { rest: PAIR },
  'GET /v1/connect/intentions/': { rest: () => ids.intention },
  'PUT /v1/connect/intentions/': {
    rest: () => ids.intention,
    body: { SourceName: 'marker-i', DestinationName: NAME, Action: 'deny' },
  },
  'DELETE /v1/connect/intentions/': { rest: () => ids.intention },
  'PUT /v1/session/create': { body: { Name: 'marker' } },
  'PUT /v1/session/destroy/': { rest: () => ids.session },
  'PUT /v1/session/renew/': { rest: () => ids.session },
  'GET /v1/session/info/': { rest: () => ids.session },
  'GET /v1/session/node/': { rest: NODE },
  'PUT /v1/txn': { body: [{ KV: { Verb: 'set', Key: 'marker/txn', Value: 'bWFya2Vy' } }] },
  'POST /v1/query': { body: { Name: 'marker-new', Service: { Service: NAME } } },
  'GET /v1/query/': { rest: () => ids.query },
  'PUT /v1/query/': { rest: () => ids.query, body: { Name: 'marker', Service: { Service: NAME } } },
  'DELETE /v1/query/': { rest: () => ids.query },
  'POST /v1/operator/raft/transfer-leader': {},
  'DELETE /v1/operator/raft/peer': { rest: '?id=marker-nobody' },
  'PUT /v1/operator/join-token': { body: { Description: 'marker' } },
  'DELETE /v1/operator/join-token/': { rest: 'marker-none' },
  'PUT /v1/operator/autopilot/configuration': { body: {} },
  'POST /v1/operator/keyring': { body: { Key: 'cg8StVXbQJ0gPvMd9o7yrg==' } },
  'PUT /v1/operator/keyring': { body: { Key: 'cg8StVXbQJ0gPvMd9o7yrg==' } },
  'DELETE /v1/operator/keyring': { body: { Key: 'cg8StVXbQJ0gPvMd9o7yrg==' } },
  'PUT /v1/event/fire/': { rest: 'marker' },
  'PUT /v1/snapshot': { body: 'no archive' },
  'GET /v1/internal/federation-state/': { rest: 'dc1' },
  'GET /v1/internal/ui/node/': { rest: NODE },
  'GET /v1/internal/ui/gateway-services-nodes/': { rest: 'marker-gateway' },
  'GET /v1/internal/ui/gateway-intentions/': { rest: 'marker-gateway' },
  'GET /v1/internal/ui/service-topology/': { rest: `${NAME}?kind=` },
  'GET /v1/internal/ui/metrics-proxy/': { rest: 'api/v1/query' },
  'POST /v1/internal/acl/authorize': {
    body: [{ Resource: 'key', Access: 'read', Segment: 'x' }],
  },
  'PUT /v1/internal/service-virtual-ip': { body: { Service: NAME, ManualVIPs: ['10.9.0.1'] } },
  'GET /debug/pprof/': { rest: 'heap' },
  'PUT /v1/acl/policy': { body: { Name: 'marker-new' } },
  'GET /v1/acl/policy/': { rest: () => ids.policy },
  'PUT /v1/acl/policy/': { rest: () => ids.policy, body: { Name: 'marker-policy' } },
  'DELETE /v1/acl/policy/': { rest: () => ids.policy },
  'GET /v1/acl/policy/name/': { rest: 'marker-policy' },
  'PUT /v1/acl/role': { body: { Name: 'marker-new' } },
  'GET /v1/acl/role/': { rest: () => ids.role },
  'PUT /v1/acl/role/': { rest: () => ids.role, body: { Name: 'marker-role' } },
  'DELETE /v1/acl/role/': { rest: () => ids.role },
  'GET /v1/acl/role/name/': { rest: 'marker-role' },
  'PUT /v1/acl/auth-method': {
    body: { Name: 'marker-new', Type: 'jwt', Config: { JWKSURL: 'http://127.0.0.1:1/' } },
  },
  'GET /v1/acl/auth-method/': { rest: 'marker-method' },
  'PUT /v1/acl/auth-method/': {
    rest: 'marker-method',
    body: { Name: 'marker-method', Type: 'jwt', Config: { JWKSURL: 'http://127.0.0.1:1/' } },
  },
  'DELETE /v1/acl/auth-method/': { rest: 'marker-nobody' },
  'PUT /v1/acl/binding-rule': {
    body: { AuthMethod: 'marker-method', BindType: 'role', BindName: 'marker' },
  },
  'GET /v1/acl/binding-rule/': { rest: () => ids.rule },
  'PUT /v1/acl/binding-rule/': {
    rest: () => ids.rule,
    body: { AuthMethod: 'marker-method', BindType: 'role', BindName: 'marker' },
  },
  'DELETE /v1/acl/binding-rule/': { rest: () => ids.rule },
  'PUT /v1/acl/token': { body: { Description: 'marker' } },
  'GET /v1/acl/token/': { rest: () => ids.token },
  'PUT /v1/acl/token/': { rest: () => ids.token, body: { Description: 'marker' } },
  'DELETE /v1/acl/token/': { rest: () => ids.token },
  'GET /v1/acl/templated-policy/name/': { rest: 'builtin/service' },
  'POST /v1/acl/templated-policy/preview/': { rest: 'builtin/service', body: { Name: 'x' } },
  'GET /v1/query/*/execute': { rest: 'marker' },
  'GET /v1/query/*/explain': { rest: 'marker' },
}

/** Answers to writes that say nothing and change nothing, or are about the caller alone. */
const HARMLESS: ReadonlySet<string> = new Set([
  // A read, in spite of its method.
  'POST /v1/internal/acl/authorize',
  // An unnamed thing of somebody else is not told from one that is not there.
  'PUT /v1/agent/service/deregister/',
  'PUT /v1/agent/check/deregister/',
])

/** Says which service it is about and none of its instances, as Consul does. */
const EXECUTE = 'GET /v1/query/*/execute'

let agent: TestAgent
let weak = ''

async function ask(method: string, path: string, token: string, body?: unknown): Promise<Response> {
  const text =
    typeof body === 'string' ? body : body === undefined ? undefined : JSON.stringify(body)
  return fetch(`${agent.url}${path}`, {
    method,
    redirect: 'manual',
    headers: token === '' ? {} : { 'X-Consul-Token': token },
    ...(text === undefined ? {} : { body: text }),
    signal: AbortSignal.timeout(30_000),
  })
}

async function make(method: string, path: string, body: unknown): Promise<string> {
  const response = await ask(method, path, ROOT, body)
  const text = await response.text()
  assert.equal(response.status, 200, `${path}: ${text}`)
  return text.startsWith('{') ? ((JSON.parse(text) as { ID?: string }).ID ?? '') : ''
}

function pathOf(route: Route, { rest = '' }: Sample): string {
  const given = typeof rest === 'function' ? rest() : rest
  return route.path.includes('*') ? route.path.replace('*', given) : route.path + given
}

const CALLS = ROUTES.filter(({ unsupported }) => unsupported !== true).flatMap((route) =>
  Object.keys(route.methods).map((method) => ({ route, method, name: `${method} ${route.path}` })),
)

before(async () => {
  const folder = await temporaryFolder()
  const file = join(folder, 'acl.json')
  const acl = { enabled: true, default_policy: 'deny', tokens: { initial_management: ROOT } }
  await writeFile(file, JSON.stringify({ acl, node_name: NODE, enable_debug: true }))
  agent = await startAgent({ flags: [`-config-file=${file}`] })
  await rm(folder, { recursive: true, force: true })
  for (;;) if ((await ask('GET', '/v1/acl/token/self', ROOT)).status === 200) break
  await make('PUT', '/v1/agent/service/register', {
    Name: NAME,
    Port: 1,
    Checks: [{ CheckID: 'marker-ttl', TTL: '1h', Status: 'passing' }],
    Connect: { SidecarService: {} },
  })
  await make('PUT', '/v1/kv/marker', 'marker')
  await make('PUT', '/v1/config', { Kind: 'service-defaults', Name: NAME, Protocol: 'tcp' })
  await make('PUT', `/v1/connect/intentions/exact${PAIR}`, { Action: 'allow' })
  const intention = { SourceName: 'marker-i', DestinationName: NAME, Action: 'allow' }
  ids.intention = await make('POST', '/v1/connect/intentions', intention)
  ids.session = await make('PUT', '/v1/session/create', { Name: 'marker' })
  const query = { Name: 'marker', Service: { Service: NAME } }
  ids.query = await make('POST', '/v1/query', query)
  ids.policy = await make('PUT', '/v1/acl/policy', { Name: 'marker-policy' })
  ids.role = await make('PUT', '/v1/acl/role', { Name: 'marker-role' })
  const method = { Name: 'marker-method', Type: 'jwt', Config: { JWKSURL: 'http://127.0.0.1:1/' } }
  await make('PUT', '/v1/acl/auth-method', method)
  const rule = { AuthMethod: 'marker-method', BindType: 'role', BindName: 'marker' }
  ids.rule = await make('PUT', '/v1/acl/binding-rule', rule)
  await make('PUT', '/v1/event/fire/marker', undefined)
  const token = await ask('PUT', '/v1/acl/token', ROOT, { Description: 'marker' })
  ids.token = ((await token.json()) as { AccessorID: string }).AccessorID
  await make('PUT', '/v1/acl/policy', {
    Name: 'weak',
    Rules: 'key_prefix "other/" { policy = "write" }',
  })
  const made = await ask('PUT', '/v1/acl/token', ROOT, { Policies: [{ Name: 'weak' }] })
  weak = ((await made.json()) as { SecretID: string }).SecretID
})
after(() => agent[Symbol.asyncDispose]())

describe('the table of rights', () => {
  test('has a row for every route, and a sample for every call that needs one', () => {
    for (const { route, method, name } of CALLS) {
      assert.ok(rightOf(route, method) !== undefined, `${name} has no row in route-rights.ts`)
      const needsOne = route.path.endsWith('/') || route.path.includes('*')
      if (needsOne) assert.ok(SAMPLES[name] !== undefined, `${name} has no sample here`)
    }
  })

  test('has no row for what is not there', () => {
    const known = new Set(CALLS.map(({ name }) => name))
    for (const name of Object.keys(SAMPLES)) assert.ok(known.has(name), name)
  })
})

describe('without the rights', () => {
  for (const { route, method, name } of CALLS) {
    if (rightOf(route, method) === 'open') continue
    test(`${name} gives nothing away`, async () => {
      const sample = SAMPLES[name] ?? {}
      for (const [who, token] of [
        ['nobody', ''],
        ['a weak token', weak],
        ['a token that is none', randomUUID()],
      ] as const) {
        const response = await ask(method, pathOf(route, sample), token, sample.body)
        const text = await response.text()
        const what = `${who}: ${response.status} ${text.slice(0, 200)}`
        if (response.status < 400) {
          assert.ok(!text.includes('marker') || name === EXECUTE, what)
          if (method !== 'GET') assert.ok(HARMLESS.has(name) || isReadOfChain(name), what)
        } else if (text.includes('lacks permission')) {
          assert.equal(response.status, name === 'PUT /v1/txn' ? 409 : 403, what)
        }
        if (who === 'a token that is none' && !HARMLESS.has(name)) {
          assert.ok(response.status >= 400, what)
        }
      }
    })
  }
})

describe('with all rights', () => {
  // What deletes comes last, or nothing would be there for the others.
  const inOrder = CALLS.toSorted((a, b) => rank(a.method) - rank(b.method))
  for (const { route, method, name } of inOrder) {
    test(`${name} is not refused`, async () => {
      const sample = SAMPLES[name] ?? {}
      if (sample.isOnlyRefused === true) return
      if (name === 'PUT /v1/acl/bootstrap' || name === 'POST /v1/acl/logout') return
      const response = await ask(method, pathOf(route, sample), ROOT, sample.body)
      const text = await response.text()
      assert.notEqual(response.status, 403, `${response.status} ${text.slice(0, 200)}`)
      assert.ok(!text.includes('Permission denied'), text.slice(0, 200))
    })
  }
})

function rank(method: string): number {
  return method === 'DELETE' ? 1 : 0
}

function isReadOfChain(name: string): boolean {
  return name === 'POST /v1/discovery-chain/'
}
