/**
 * Random requests never end the process and always get a documented status.
 */

import assert from 'node:assert/strict'
import { METHODS } from 'node:http'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { ROUTES } from '../../../../agent/http/routes.ts'
import { type RunningAgent, startAgent } from './running-agent.ts'

let agent: RunningAgent

before(async () => {
  agent = await startAgent()
})

after(async () => {
  await agent[Symbol.asyncDispose]()
  assert.deepEqual(agent.errors, [])
})

const STATUSES = [200, 301, 400, 401, 403, 404, 405, 409, 413, 429, 500, 501, 503]

/** None that waits: the longest wait is a few milliseconds. */
const QUERY_NAMES = [
  'stale',
  'consistent',
  'cached',
  'pretty',
  'filter',
  'near',
  'node-meta',
  'tag',
  'passing',
  'recurse',
  'keys',
  'separator',
  'raw',
  'cas',
  'flags',
  'acquire',
  'release',
  'dc',
  'ns',
  'max_stale',
  'enable',
  'reason',
  'note',
  'by',
  'name',
  'source',
  'destination',
  'format',
  'pem',
  'replace-existing-checks',
  'wan',
]

/** What streams until the client has enough of it. */
const ENDLESS: readonly string[] = ['/v1/agent/metrics/stream', '/v1/agent/monitor']
const PATHS = ROUTES.map((route) => route.path).filter((path) => !ENDLESS.includes(path))

const word = fc.oneof(
  fc.constantFrom('', 'true', '1', '0', 'web', 'db', '*', 'n1', 'consul', 'a/b', '10s', '-1'),
  fc.string({ unit: 'binary', maxLength: 12 }),
)
const query = fc
  .array(fc.tuple(fc.constantFrom(...QUERY_NAMES), word), { maxLength: 4 })
  .map((pairs) => pairs.map(([k, v]) => `${k}=${encodeURIComponent(v.toWellFormed())}`).join('&'))
const path = fc.oneof(
  fc
    .tuple(fc.constantFrom(...PATHS), word)
    .map(([base, tail]) =>
      base.endsWith('/') ? base + encodeURIComponent(tail.toWellFormed()) : base,
    ),
  fc.stringMatching(/^\/[\x21-\x7e]{0,20}$/).filter((text) => !text.includes('#')),
)
const target = fc
  .tuple(path, query, fc.boolean())
  .map(([base, rest, isRaw]) => `${base.replaceAll('?', '')}?${rest}${isRaw ? '&x' : ''}`)

const NAMES = [
  'Name',
  'ID',
  'Node',
  'Address',
  'Service',
  'Check',
  'Checks',
  'Port',
  'Tags',
  'Meta',
  'Kind',
  'Proxy',
  'Connect',
  'SidecarService',
  'TTL',
  'Interval',
  'HTTP',
  'Status',
  'KV',
  'Verb',
  'Key',
  'Value',
  'Flags',
  'Index',
  'Action',
  'Permissions',
  'Protocol',
  'Target',
  'ClientCertURI',
  'LockDelay',
  'Weights',
  'Upstreams',
  'Definition',
  '__proto__',
  'constructor',
]
const { body } = fc.letrec((tie) => ({
  body: fc.oneof({ depthSize: 'small' }, tie('leaf'), tie('object'), tie('list')),
  leaf: fc.oneof(word, fc.double(), fc.boolean(), fc.constant(null), fc.bigInt().map(Number)),
  list: fc.array(tie('body'), { maxLength: 3 }),
  object: fc.dictionary(fc.constantFrom(...NAMES), tie('body'), { maxKeys: 5 }),
}))
const payload = fc.oneof(
  body.map((value) => JSON.stringify(value) ?? ''),
  fc.string({ unit: 'binary', maxLength: 40 }),
)
const method = fc.oneof(
  fc.constantFrom('GET', 'PUT', 'POST', 'DELETE'),
  fc.constantFrom(...METHODS.filter((name) => name !== 'CONNECT')),
)

/** Methods to which the client attaches a body with its length. */
const WITH_BODY = new Set(['PUT', 'POST', 'PATCH'])

describe('a random request', () => {
  it('gets a documented status, and the agent stays up', async () => {
    await fc.assert(
      fc.asyncProperty(method, target, payload, async (verb, url, text) => {
        const options = WITH_BODY.has(verb) ? { body: text } : {}
        const answer = await agent.send(verb, url, options)
        assert.ok(STATUSES.includes(answer.status), `${verb} ${url} ${text}: ${answer.status}`)
        assert.notEqual(answer.headers['x-fairlead-error'], 'INTERNAL', `${verb} ${url} ${text}`)
        if (answer.headers['content-type'] === 'application/json') answer.json()
      }),
      { numRuns: 1500 },
    )
    assert.equal((await agent.get('/v1/agent/version')).status, 200)
  })

  it('with a body that every write understands gets one too', async () => {
    const writes = ROUTES.filter((route) => 'PUT' in route.methods && route.unsupported !== true)
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...writes), body, async (route, value) => {
        const answer = await agent.put(
          route.path.endsWith('/') ? `${route.path}x` : route.path,
          JSON.stringify(value) ?? '',
        )
        assert.ok(STATUSES.includes(answer.status), `${route.path}: ${answer.status}`)
        assert.notEqual(answer.headers['x-fairlead-error'], 'INTERNAL', answer.text)
      }),
      { numRuns: 800 },
    )
  })
})
