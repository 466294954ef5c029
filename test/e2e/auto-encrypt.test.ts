/**
 * A client that holds nothing but the authority and a token gets its certificate from the servers; who has neither gets
 * none, and certificates of services open no door of the servers.
 */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { agentSpiffeUri } from '../../core/mesh/spiffe.ts'
import { systemClock } from '../../runtime/clock/system-clock.ts'
import { createKeyAndCsr } from '../../runtime/pki/csr.ts'
import { RpcChannel } from '../../runtime/rpc/rpc-channel.ts'
import { RpcPeerCalls } from '../../runtime/rpc/rpc-peer-calls.ts'
import { createTestAuthority } from './harness/certificates.ts'
import { createCluster, type TestNode } from './harness/cluster.ts'
import { freePort } from './harness/free-port.ts'
import { eventually } from './harness/program.ts'
import { tlsOf } from './harness/rpc-tls.ts'

const WAIT_MS = 60_000
const ROOT = randomUUID()
const ACL = `acl { enabled = true default_policy = "deny" tokens { initial_management = "${ROOT}" } }`
const VERIFY = 'verify_incoming = true verify_outgoing = true verify_server_hostname = true'
const never = new AbortController().signal

async function ask(node: TestNode, method: string, path: string, body?: unknown) {
  const response = await fetch(`${node.url}${path}`, {
    method,
    headers: { 'X-Consul-Token': ROOT },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: response.status, text: await response.text() }
}

test('auto_encrypt: from an authority and a token to a certificate', async () => {
  await using cluster = await createCluster([])
  const authority = await createTestAuthority(cluster.folder)
  const { certFile, keyFile } = await authority.issue('s1', 'server')
  const files = `ca_file = "${authority.caFile}" cert_file = "${certFile}" key_file = "${keyFile}"`
  const server = await cluster.addServer('s1', 1)
  server.addFlags(
    `-hcl=${ACL} auto_encrypt { allow_tls = true } tls { defaults { ${files} } internal_rpc { ${VERIFY} } }`,
  )
  const client = async (name: string, token: string): Promise<TestNode> => {
    const node = await cluster.addClient(name)
    const tokens = token === '' ? '' : `tokens { agent = "${token}" }`
    const clientTls = `tls { defaults { ca_file = "${authority.caFile}" verify_outgoing = true } internal_rpc { verify_server_hostname = true } }`
    node.addFlags(
      `-hcl=acl { enabled = true default_policy = "deny" ${tokens} } auto_encrypt { tls = true } ${clientTls}`,
    )
    return node
  }
  await server.start()
  const made = await eventually(
    'a token of the node is made',
    async () => {
      const answer = await ask(server, 'PUT', '/v1/acl/token', {
        NodeIdentities: [{ NodeName: 'c1', Datacenter: 'dc1' }],
      })
      return answer.status === 200 && answer.text
    },
    WAIT_MS,
  )
  const { SecretID } = JSON.parse(made) as { SecretID: string }
  const good = await client('c1', SecretID)
  const grpcTls = await freePort()
  good.addFlags(`-hcl=ports { grpc_tls = ${grpcTls} } tls { grpc { use_auto_cert = true } }`)
  const bad = await client('c2', SecretID)
  await good.start()
  await bad.start()
  await eventually(
    'a write through the client',
    async () => (await ask(good, 'PUT', '/v1/kv/a', 'x')).text.trim() === 'true',
    WAIT_MS,
  )
  await eventually(
    'the client is in the catalog',
    async () => (await ask(server, 'GET', '/v1/catalog/node/c1')).text.includes('"Node":"c1"'),
    WAIT_MS,
  )
  assert.match(good.output, /got a certificate from a server/)

  // Envoys of the host are served with the same certificate.
  const seen = connect({
    host: '127.0.0.1',
    port: grpcTls,
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
  })
  await once(seen, 'secureConnect')
  assert.match(
    seen.getPeerX509Certificate()?.subjectAltName ?? '',
    /agent\/client\/dc\/dc1\/id\/c1/,
  )
  seen.destroy()

  // A token of another node gets no certificate for this one.
  await eventually(
    'the refusal is in the log',
    () => bad.output.includes('lacks permission \'node:write\' on \\"c2\\"'),
    WAIT_MS,
  )
  assert.doesNotMatch(bad.output, /got a certificate/)

  // An agent's certificate is good until it is revoked.
  const { csrPem, privateKeyPem } = await createKeyAndCsr({
    uri: agentSpiffeUri('any.consul', 'dc1', 'c1'),
  })
  const anonymous = await tlsOf(
    `tls { defaults { ca_file = "${authority.caFile}" verify_outgoing = true } }`,
  )
  const asking = await RpcChannel.open(server.rpcAddress, systemClock, {
    tls: anonymous.rpc.anonymous(),
  })
  const signed = (await asking.call(
    'signLeaf',
    { csrPem },
    { timeoutMs: 10_000, secret: SecretID },
  )) as { certPem: string; uri: string }
  asking.close()
  anonymous.internalRpc.give({ own: { certPem: signed.certPem, keyPem: privateKeyPem } })
  const asAgent = async (): Promise<unknown> => {
    const agent = await RpcChannel.open(server.rpcAddress, systemClock, {
      tls: anonymous.rpc.outgoing(),
    })
    try {
      return await agent.call('status', {}, { timeoutMs: 10_000 })
    } finally {
      agent.close()
    }
  }
  await asAgent()
  const revoked = await ask(server, 'PUT', '/v1/connect/ca/revocations', { Identity: signed.uri })
  assert.equal(revoked.status, 200, revoked.text)
  await eventually('the revoked certificate opens no connection', async () => {
    const outcome = await asAgent().catch((err: unknown) => String(err))
    return String(outcome).includes('needs a certificate')
  })

  // A certificate of a service is one of the mesh; agents' calls are not for it.
  const leaf = await ask(server, 'GET', '/v1/agent/connect/ca/leaf/web')
  assert.equal(leaf.status, 200, leaf.text)
  const { CertPEM, PrivateKeyPEM } = JSON.parse(leaf.text) as Record<string, string>
  const certPath = join(cluster.folder, 'web.pem')
  const keyPath = join(cluster.folder, 'web-key.pem')
  await writeFile(certPath, CertPEM ?? '')
  await writeFile(keyPath, PrivateKeyPEM ?? '')
  const web = await tlsOf(
    `tls { defaults { ca_file = "${authority.caFile}" cert_file = "${certPath}" key_file = "${keyPath}" verify_outgoing = true } }`,
  )
  const channel = await RpcChannel.open(server.rpcAddress, systemClock, {
    tls: web.rpc.outgoing(),
  })
  try {
    await assert.rejects(channel.call('status', {}, { timeoutMs: 10_000 }), /needs a certificate/)
  } finally {
    channel.close()
  }
  const peers = new RpcPeerCalls({ clock: systemClock, tls: web.rpc.outgoing })
  await assert.rejects(peers.stats(server.rpcAddress, never), { code: 'PERMISSION_DENIED' })
  await peers.close()
})
