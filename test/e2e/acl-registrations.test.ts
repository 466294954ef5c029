/**
 * Who may register what with an agent where access control is on: every name that a registration bears, stands for or
 * takes the place of is asked for, on a server as on a client.
 */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { createCluster, type TestNode } from './harness/cluster.ts'
import { eventually } from './harness/program.ts'

const ROOT = randomUUID()
const WAIT_MS = 30_000
const ACL = `acl { enabled = true default_policy = "deny" tokens { initial_management = "${ROOT}" agent = "${ROOT}" } }`

async function ask(
  node: TestNode,
  method: string,
  path: string,
  { token, body }: { readonly token: string; readonly body?: unknown },
): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(`${node.url}${path}`, {
    method,
    headers: { 'X-Consul-Token': token },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: response.status, text: await response.text() }
}

async function identityOf(node: TestNode, service: string): Promise<string> {
  const { status, text } = await ask(node, 'PUT', '/v1/acl/token', {
    token: ROOT,
    body: { ServiceIdentities: [{ ServiceName: service }] },
  })
  assert.equal(status, 200, text)
  return (JSON.parse(text) as { SecretID: string }).SecretID
}

const proxyOf = (destination: string): object => ({
  Kind: 'connect-proxy',
  Port: 21_000,
  Proxy: { DestinationServiceName: destination },
})

/** Each stands for, or takes the place of, a service that is not the registrant's. */
const STOLEN: Readonly<Record<string, object>> = {
  'a proxy for another service': { Name: 'evil-sidecar-proxy', ...proxyOf('victim') },
  'a sidecar for another service': {
    Name: 'evil',
    Connect: { SidecarService: { Proxy: { DestinationServiceName: 'victim' } } },
  },
  'a sidecar of another name': {
    Name: 'evil',
    Connect: { SidecarService: { Name: 'victim-sidecar-proxy' } },
  },
  'the id of another service': { Name: 'evil', ID: 'victim' },
  'the id of the sidecar of another service': {
    Name: 'evil-sidecar-proxy',
    ID: 'victim-sidecar-proxy',
    ...proxyOf('evil'),
  },
}

test('nobody registers what stands for a service that he may not write', async () => {
  await using cluster = await createCluster(['s1'], { flags: [`-hcl=${ACL}`] })
  await cluster.addClient('c1', [`-hcl=${ACL}`])
  await cluster.startAll()
  for (const node of [cluster.node('s1'), cluster.node('c1')]) {
    await eventually(
      'the first token is known',
      async () => (await ask(node, 'GET', '/v1/acl/token/self', { token: ROOT })).status === 200,
      WAIT_MS,
    )
    const evil = await identityOf(node, 'evil')
    const victim = await identityOf(node, 'victim')
    const register = (token: string, body: object): ReturnType<typeof ask> =>
      ask(node, 'PUT', '/v1/agent/service/register', { token, body })
    const own = await register(victim, {
      Name: 'victim',
      Port: 8_080,
      Connect: { SidecarService: {} },
    })
    assert.equal(own.status, 200, own.text)

    for (const [what, body] of Object.entries(STOLEN)) {
      const { status, text } = await register(evil, body)
      assert.equal(status, 403, `${what} on ${node.name}: ${text}`)
      assert.match(text, /lacks permission 'service:write' on "victim/, `${what} on ${node.name}`)
    }
    const services = await ask(node, 'GET', '/v1/agent/services', { token: ROOT })
    assert.deepEqual(Object.keys(JSON.parse(services.text)).sort(), [
      'victim',
      'victim-sidecar-proxy',
    ])

    const leaf = await ask(node, 'GET', '/v1/agent/connect/ca/leaf/victim', { token: victim })
    assert.equal(leaf.status, 200, leaf.text)
    const refused = await ask(node, 'GET', '/v1/agent/connect/ca/leaf/victim', { token: evil })
    assert.equal(refused.status, 403, refused.text)
    // What a right token registers reaches the catalog from a server too, which writes as the registrant.
    await eventually(
      'the sidecar is in the catalog',
      async () =>
        (
          await ask(node, 'GET', '/v1/catalog/service/victim-sidecar-proxy', { token: ROOT })
        ).text.includes(node.name),
      WAIT_MS,
    )
  }
})
