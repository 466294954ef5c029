/**
 * A client agent where access control is on: what it may do before and after it is given its token, what it shows of
 * its views, and what it goes by when the servers are gone.
 */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { Resolver } from 'node:dns/promises'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { createCluster, type TestNode } from './harness/cluster.ts'
import { eventually } from './harness/program.ts'

const ROOT = randomUUID()
const WAIT_MS = 30_000
const ACL = `acl { enabled = true default_policy = "deny" enable_token_persistence = true token_ttl = "200ms" tokens { initial_management = "${ROOT}" } }`

async function ask(
  node: TestNode,
  method: string,
  path: string,
  { token = '', body }: { readonly token?: string; readonly body?: unknown } = {},
): Promise<{ status: number; text: string; headers: Headers }> {
  const response = await fetch(`${node.url}${path}`, {
    method,
    headers: { 'X-Consul-Token': token },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: response.status, text: await response.text(), headers: response.headers }
}

async function makeToken(node: TestNode, body: unknown): Promise<string> {
  const { status, text } = await ask(node, 'PUT', '/v1/acl/token', { token: ROOT, body })
  assert.equal(status, 200, text)
  return (JSON.parse(text) as { SecretID: string }).SecretID
}

async function addresses(node: TestNode, name: string): Promise<readonly string[]> {
  const resolver = new Resolver({ timeout: 2_000, tries: 1 })
  resolver.setServers([`127.0.0.1:${node.ports.dns}`])
  return resolver.resolve4(name).catch(() => [])
}

test('a client agent goes by its tokens, and shows each caller what he may see', async () => {
  await using cluster = await createCluster(['s1'], { flags: [`-hcl=${ACL}`] })
  const client = await cluster.addClient('c1', [`-hcl=${ACL}`])
  await cluster.startAll()
  const server = cluster.node('s1')
  await eventually(
    'the first token is known through the client',
    async () => (await ask(client, 'GET', '/v1/acl/token/self', { token: ROOT })).status === 200,
    WAIT_MS,
  )
  const web = await makeToken(server, { ServiceIdentities: [{ ServiceName: 'web' }] })
  const other = await makeToken(server, { ServiceIdentities: [{ ServiceName: 'other' }] })

  const refused = await ask(client, 'PUT', '/v1/agent/service/register', {
    token: other,
    body: { Name: 'web' },
  })
  assert.equal(refused.status, 403)
  assert.match(refused.text, /lacks permission 'service:write' on "web"/)

  // Its node is not its own yet, so nothing can be registered on it.
  const agent = await makeToken(server, { NodeIdentities: [{ NodeName: 'c1', Datacenter: 'dc1' }] })
  const set = { token: ROOT, body: { Token: agent } }
  assert.equal((await ask(client, 'PUT', '/v1/agent/token/agent', set)).status, 200)
  const registered = await ask(client, 'PUT', '/v1/agent/service/register', {
    token: web,
    body: { Name: 'web', Address: '10.1.2.3', Port: 80 },
  })
  assert.equal(registered.status, 200, registered.text)
  await eventually(
    'the service is in the catalog, by its own token',
    async () => {
      const { text } = await ask(server, 'GET', '/v1/catalog/service/web', { token: ROOT })
      return text.includes('10.1.2.3')
    },
    WAIT_MS,
  )

  // The view is the agent's; what is shown of it is each caller's.
  const path = '/v1/health/service/web?index=1&wait=1s'
  await eventually(
    'the view is fed',
    async () => {
      const { text, headers } = await ask(client, 'GET', path, { token: web })
      const isStreamed = headers.get('x-consul-query-backend') === 'streaming'
      return isStreamed && text.includes('10.1.2.3')
    },
    WAIT_MS,
  )
  assert.equal((await ask(client, 'GET', path)).text, '[]')
  const weak = await makeToken(server, { NodeIdentities: [{ NodeName: 'zz', Datacenter: 'dc1' }] })
  const hidden = await ask(client, 'GET', path, { token: weak })
  assert.equal(hidden.text, '[]')
  assert.equal(hidden.headers.get('x-consul-results-filtered-by-acls'), 'true')

  assert.deepEqual(await addresses(client, 'web.service.consul'), [])
  const dns = await makeToken(server, { TemplatedPolicies: [{ TemplateName: 'builtin/dns' }] })
  await ask(client, 'PUT', '/v1/agent/token/dns', { token: ROOT, body: { Token: dns } })
  await eventually(
    'DNS answers by its token',
    async () => (await addresses(client, 'web.service.consul')).includes('10.1.2.3'),
    WAIT_MS,
  )
  const file = await stat(join(client.folder, 'acl-tokens.json'))
  assert.equal(file.mode & 0o777, 0o600)

  // What the servers said counts on while they are away; what they never said gives nothing.
  await ask(client, 'GET', '/v1/agent/services', { token: web })
  await server.kill()
  const mine = await ask(client, 'GET', '/v1/agent/services', { token: web })
  assert.ok(mine.text.includes('10.1.2.3'), mine.text)
  const unknown = await ask(client, 'GET', '/v1/agent/services', { token: randomUUID() })
  assert.equal(unknown.text, '{}')

  for (const secret of [ROOT, web, agent, dns]) {
    assert.ok(!client.output.includes(secret), 'a secret is in the log of the client')
    assert.ok(!server.output.includes(secret), 'a secret is in the log of the server')
  }
})
