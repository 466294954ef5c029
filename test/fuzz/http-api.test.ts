/**
 * Damaged requests to every route that writes: a documented status, never an internal error, and nothing is changed by a
 * request that was refused. FAIRLEAD_SEED repeats a run, FAIRLEAD_FUZZ_REQUESTS makes it longer.
 */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Agent, fetch } from 'undici'
import { ROUTES } from '../../agent/http/routes.ts'
import { type Rng, seededRng } from '../../core/rng.ts'
import { type RunningAgent, startAgent } from '../integration/agent/http/running-agent.ts'
import { ACL_OFF } from '../integration/server/running-server.ts'
import { corpus, PREPARATIONS, type Specimen } from './http/corpus.ts'
import { type DamagedRequest, damage, textOf } from './http/damage.ts'
import { type Dump, differences, dumpState, type Get } from './http/state-dump.ts'

const SEED = Number(process.env['FAIRLEAD_SEED'] ?? process.hrtime.bigint() % 1_000_000_000n)
const REQUESTS = Number(process.env['FAIRLEAD_FUZZ_REQUESTS'] ?? 800)
/** What was accepted piles up in an agent: after so many requests comes the next one. */
const REQUESTS_PER_AGENT = 250

const ACCEPTED = 200
/**
 * 500 is what the reference gives for most refusals by servers; the error's code tells them from bugs. 501 is for
 * what this version does not support, such as peers.
 */
const REFUSED = new Set([301, 400, 401, 403, 404, 405, 409, 413, 500, 501])
const BUG = 'INTERNAL'

/** Routes that write and are left out, each with its reason. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  '/v1/agent/leave': 'ends the agent',
  '/v1/agent/reload': 'reads files of the composition root',
  '/v1/agent/join/': 'dials what it is given',
  '/v1/agent/force-leave/': 'needs a pool of gossip',
  '/v1/event/fire/': 'needs a pool of gossip',
  '/v1/operator/keyring': 'needs a pool of gossip',
  '/v1/operator/raft/transfer-leader': 'needs more servers',
  '/v1/operator/raft/peer': 'needs more servers',
  '/v1/snapshot': 'has its own test of damaged images',
  '/v1/operator/join-token': 'needs TLS, and servers in a pool of gossip',
  '/v1/operator/join-token/': 'needs one that was made',
  '/v1/acl/bootstrap': 'is done once, and has been',
  '/v1/acl/login': 'needs what an identity provider signed',
  '/v1/acl/logout': 'ends what a login gave',
}

/** Access control is on, and all requests come with every right, so that what guards them is damaged too. */
const SECRET = '5b1d9f0c-7a3e-4f52-9c68-0e2a4d7b8f13'
const HEADERS = { 'x-consul-token': SECRET }

interface Bench extends AsyncDisposable {
  readonly agent: RunningAgent
  readonly get: Get
  readonly specimens: readonly Specimen[]
}

let connections: Agent

before(() => {
  connections = new Agent({ connections: 16 })
})
after(async () => {
  await connections.close()
})

async function startBench(): Promise<Bench> {
  const agent = await startAgent({
    httpMaxConnsPerClient: 0,
    acl: { ...ACL_OFF, enabled: true, defaultPolicy: 'deny', initialManagement: SECRET },
  })
  const get: Get = async (path) => {
    const response = await fetch(`http://127.0.0.1:${agent.port}${path}`, {
      dispatcher: connections,
      headers: HEADERS,
    })
    return { status: response.status, text: await response.text() }
  }
  for (const specimen of PREPARATIONS) await accepted(agent, specimen)
  const made = async (method: string, path: string, body: object): Promise<string> => {
    const answer = await agent.send(method, path, { body, headers: HEADERS })
    return (answer.json() as { readonly ID: string }).ID
  }
  const session = await made('PUT', '/v1/session/create', { Name: 'fuzz', TTL: '24h' })
  const query = await made('POST', '/v1/query', { Name: 'fuzz', Service: { Service: 'web' } })
  const policy = await made('PUT', '/v1/acl/policy', { Name: 'fuzz' })
  const role = await made('PUT', '/v1/acl/role', { Name: 'fuzz', Policies: [{ ID: policy }] })
  const method = { Name: 'old', Type: 'jwt', Config: { JWKSURL: 'http://127.0.0.1:1/' } }
  await accepted(agent, { method: 'PUT', path: '/v1/acl/auth-method', body: method })
  const binding = { AuthMethod: 'old', BindType: 'role', BindName: 'fuzz' }
  const rule = await made('PUT', '/v1/acl/binding-rule', binding)
  const [key] = JSON.parse((await get('/v1/kv/fuzz/a')).text) as { readonly ModifyIndex: number }[]
  const specimens = corpus({ session, query, policy, role, rule, index: key?.ModifyIndex ?? 0 })
  return {
    agent,
    get,
    specimens,
    [Symbol.asyncDispose]: () => agent[Symbol.asyncDispose](),
  }
}

async function accepted(agent: RunningAgent, specimen: Specimen): Promise<void> {
  const { method, path, body = '' } = specimen
  const answer = await agent.send(method, path, { body: textOf(body), headers: HEADERS })
  assert.equal(answer.status, ACCEPTED, `${method} ${path} ${textOf(body)}: ${answer.text}`)
}

/** What is wrong with the answer to a request, for a reader; empty if nothing is. */
async function judge(bench: Bench, request: DamagedRequest, state: Dump): Promise<Verdict> {
  const { method, path, body } = request
  const answer = await bench.agent.send(method, path, { body, headers: HEADERS })
  const findings: string[] = []
  if (answer.status !== ACCEPTED && !REFUSED.has(answer.status)) findings.push('undocumented')
  if (answer.headers['x-fairlead-error'] === BUG) findings.push('a bug')
  const after = await dumpState(bench.get)
  if (answer.status !== ACCEPTED) findings.push(...differences(state, after))
  const shown = typeof body === 'string' ? body : Buffer.from(body).toString('latin1')
  const told = `${method} ${path.slice(0, 300)} ${shown.slice(0, 2_000)}`
  return {
    isRefused: answer.status !== ACCEPTED,
    findings: findings.map((text) => `${text}\n${told}\n${answer.status} ${answer.text}`),
    state: after,
  }
}

interface Verdict {
  readonly isRefused: boolean
  readonly findings: readonly string[]
  readonly state: Dump
}

async function hunt(rng: Rng, requests: number): Promise<{ refused: number; findings: string[] }> {
  await using bench = await startBench()
  const findings: string[] = []
  let refused = 0
  let state = await dumpState(bench.get)
  for (let i = 0; i < requests; i++) {
    const specimen = rng.pick(bench.specimens)
    assert.ok(specimen !== undefined)
    const verdict = await judge(bench, damage(specimen, bench.specimens, rng), state)
    findings.push(...verdict.findings)
    if (verdict.isRefused) refused++
    state = verdict.state
  }
  findings.push(...bench.agent.errors.map((error) => `logged: ${(error as Error).stack ?? error}`))
  return { refused, findings }
}

describe('a damaged request', () => {
  it('is damaged from one that is accepted, for every route that writes', async () => {
    await using bench = await startBench()
    for (const specimen of bench.specimens) await accepted(bench.agent, specimen)
    const paths = bench.specimens.map((specimen) => specimen.path.split('?')[0] ?? '')
    const missing = ROUTES.filter((route) => route.unsupported !== true)
      .filter((route) => Object.keys(route.methods).some((method) => method !== 'GET'))
      .map((route) => route.path)
      .filter((path) => LEFT_OUT[path] === undefined)
      .filter(
        (path) =>
          !paths.some((each) => (path.endsWith('/') ? each.startsWith(path) : each === path)),
      )
    assert.deepEqual(missing, [])
  })

  it('gets a documented answer, and changes nothing when it is refused', async (t) => {
    const rng = seededRng(SEED)
    let refused = 0
    for (let sent = 0; sent < REQUESTS; sent += REQUESTS_PER_AGENT) {
      const round = await hunt(rng.fork(`${sent}`), Math.min(REQUESTS_PER_AGENT, REQUESTS - sent))
      refused += round.refused
      assert.deepEqual(round.findings, [], `FAIRLEAD_SEED=${SEED}`)
    }
    t.diagnostic(`seed ${SEED}: ${refused} of ${REQUESTS} requests refused`)
    assert.ok(refused > REQUESTS / 4 && refused < REQUESTS, `${refused} refused`)
  })

  it('would be found out if it changed something', async () => {
    await using bench = await startBench()
    const state = await dumpState(bench.get)
    await accepted(bench.agent, { method: 'PUT', path: '/v1/kv/fuzz/secretly', body: 'x' })
    const refusal = { method: 'PUT', path: '/v1/txn', body: '[' }
    const { findings } = await judge(bench, refusal, state)
    assert.deepEqual(
      findings.map((finding) => finding.split('\n')[0]),
      ['/v1/kv/?recurse'],
    )
  })
})
