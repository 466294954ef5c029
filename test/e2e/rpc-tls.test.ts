/**
 * TLS between agents and servers, on real processes: a cluster that demands it, who is refused what, certificates that are
 * renewed, and the way from a cluster in clear to one that demands TLS without a write that fails.
 */

import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../runtime/clock/system-clock.ts'
import { dialRaft } from '../../runtime/rpc/raft-service.ts'
import { RpcChannel } from '../../runtime/rpc/rpc-channel.ts'
import { RpcPeerCalls } from '../../runtime/rpc/rpc-peer-calls.ts'
import { createTestAuthority, type TestAuthority } from './harness/certificates.ts'
import { createCluster, type TestCluster, type TestNode } from './harness/cluster.ts'
import { eventually } from './harness/program.ts'
import { tlsOf } from './harness/rpc-tls.ts'

const WAIT_MS = 60_000
const never = new AbortController().signal
const DEMANDING = 'verify_incoming = true verify_outgoing = true verify_server_hostname = true'

function fileOf(cluster: TestCluster, name: string): string {
  return join(cluster.folder, `${name}.hcl`)
}

async function configure(
  cluster: TestCluster,
  name: string,
  tls: {
    readonly authority: TestAuthority
    readonly rules: string
    readonly role?: 'client'
  } | null,
): Promise<void> {
  if (tls === null) return writeFile(fileOf(cluster, name), '')
  const { authority, rules, role = 'server' } = tls
  const { certFile, keyFile } = await authority.issue(name, role)
  const files = `ca_file = "${authority.caFile}" cert_file = "${certFile}" key_file = "${keyFile}"`
  await writeFile(
    fileOf(cluster, name),
    `tls { defaults { ${files} } internal_rpc { ${rules} } }\n`,
  )
}

async function clusterOf(...names: readonly string[]): Promise<TestCluster> {
  const cluster = await createCluster([])
  for (const name of names) {
    const node = await cluster.addServer(name, names.length)
    node.addFlags(`-config-file=${fileOf(cluster, name)}`)
  }
  return cluster
}

async function write(node: TestNode, key: string): Promise<boolean> {
  const response = await node.put(`/v1/kv/${key}`, key)
  return (await response.text()).trim() === 'true' && response.status === 200
}

test('servers that demand TLS: who has proven what may do what', async () => {
  await using cluster = await clusterOf('s1', 's2', 's3')
  const authority = await createTestAuthority(cluster.folder)
  for (const name of ['s1', 's2', 's3']) {
    await configure(cluster, name, { authority, rules: DEMANDING })
  }
  const client = await cluster.addClient('c1')
  client.addFlags(`-config-file=${fileOf(cluster, 'c1')}`)
  await configure(cluster, 'c1', { authority, rules: DEMANDING, role: 'client' })
  const plain = await cluster.addClient('c2')
  await cluster.startAll()
  await cluster.leader()
  await eventually('a write through the client', () => write(client, 'a'), WAIT_MS)
  for (const name of ['s1', 's2', 's3']) {
    await eventually(
      `${name} has it`,
      async () => (await cluster.node(name).value('a', 'stale')) === 'a',
      WAIT_MS,
    )
  }

  // In clear nobody gets in, and the log says what to set.
  assert.equal(await write(plain, 'b').catch(() => false), false)
  const servers = [cluster.node('s1'), cluster.node('s2'), cluster.node('s3')]
  await eventually('the refusal is logged', () =>
    servers.some((node) => {
      const { output } = node
      return output.includes('does not speak TLS') && output.includes('verify_outgoing')
    }),
  )

  const address = cluster.node('s1').rpcAddress
  const asClient = await tlsOf(await readHcl(cluster, 'c1'))
  const tls = asClient.rpc.outgoing()
  const channel = await RpcChannel.open(address, systemClock, { tls })
  try {
    // What agents ask is answered; what servers ask of each other is not.
    await channel.call('status', {}, { timeoutMs: 10_000 })
    const peers = new RpcPeerCalls({ clock: systemClock, tls: asClient.rpc.outgoing })
    await assert.rejects(peers.stats(address, never), {
      code: 'PERMISSION_DENIED',
      message: /verify_server_hostname/,
    })
    await peers.close()
    for (const lane of ['append', 'signal', 'image'] as const) {
      const raft = await dialRaft(address, lane, { clock: systemClock, signal: never, tls })
      const end = new Promise((resolve) => raft.stream.onEnd(resolve))
      raft.stream.onBytes(() => {})
      raft.stream.write(Buffer.from('x'), () => {})
      assert.match(String(await end), /verify_server_hostname/)
      raft.close()
    }
    await (await channel.feeds(never)).end()
  } finally {
    channel.close()
  }

  const stranger = await RpcChannel.open(address, systemClock, { tls: asClient.rpc.anonymous() })
  try {
    await assert.rejects(stranger.call('status', {}, { timeoutMs: 10_000 }), /needs a certificate/)
    await assert.rejects(
      stranger.call(
        'read',
        { name: 'kv.get', request: { key: 'a' }, options: {} },
        { timeoutMs: 10_000 },
      ),
      /needs a certificate/,
    )
    await assert.rejects(
      stranger.call('signLeaf', { csrPem: '' }, { timeoutMs: 10_000 }),
      /auto_encrypt\.allow_tls/,
    )
    const feeds = await stranger.feeds(never)
    await new Promise((resolve) => feeds.onEnd(resolve))
  } finally {
    stranger.close()
  }

  // A certificate of somebody else's authority.
  const other = await createTestAuthority(cluster.folder, 'other-ca')
  const { certFile, keyFile } = await other.issue('mallory', 'server')
  const files = `ca_file = "${authority.caFile}" cert_file = "${certFile}" key_file = "${keyFile}"`
  const mallory = await tlsOf(`tls { defaults { ${files} verify_outgoing = true } }`)
  const refused = await RpcChannel.open(address, systemClock, { tls: mallory.rpc.outgoing() })
  try {
    await assert.rejects(async () => {
      await refused.whenReady(5_000)
      await refused.call('status', {}, { timeoutMs: 5_000 })
    })
  } finally {
    refused.close()
  }
})

async function readHcl(cluster: TestCluster, name: string): Promise<string> {
  return readFile(fileOf(cluster, name), 'utf8')
}

test('who claims in gossip to be a server, and has the certificate of a client, becomes none', async () => {
  await using cluster = await clusterOf('s1')
  const authority = await createTestAuthority(cluster.folder)
  await configure(cluster, 's1', { authority, rules: DEMANDING })
  const client = await cluster.addClient('c1')
  client.addFlags(`-config-file=${fileOf(cluster, 'c1')}`)
  await configure(cluster, 'c1', { authority, rules: DEMANDING, role: 'client' })
  const rogue = await cluster.addServer('evil')
  rogue.addFlags(`-config-file=${fileOf(cluster, 'evil')}`)
  await configure(cluster, 'evil', { authority, rules: DEMANDING, role: 'client' })
  await cluster.startAll()
  const server = cluster.node('s1')
  await eventually('a write through the client', () => write(client, 'a'), WAIT_MS)
  await eventually(
    'everybody takes it for a server, by gossip',
    async () => {
      const members =
        await server.json<{ Name: string; Tags: Record<string, string> }[]>('/v1/agent/members')
      return members.some(({ Name, Tags }) => Name === 'evil' && Tags['role'] === 'consul')
    },
    WAIT_MS,
  )
  const looked = Date.now()
  let isWritten = 0
  // Long enough for several rounds of the leader's looking after servers, with clients choosing among both.
  while (Date.now() - looked < 8_000) {
    if (await write(client, `key-${isWritten}`)) isWritten += 1
  }
  assert.ok(isWritten > 0)
  const { Servers } = await server.json<{ Servers: { Node: string }[] }>(
    '/v1/operator/raft/configuration',
  )
  assert.deepEqual(
    Servers.map(({ Node }) => Node),
    ['s1'],
  )
  assert.equal(await write(rogue, 'b').catch(() => false), false)
})

test('a server with the certificate of a client is none to who looks at the name', async () => {
  await using cluster = await clusterOf('s1')
  const authority = await createTestAuthority(cluster.folder)
  await configure(cluster, 's1', { authority, rules: 'verify_incoming = false', role: 'client' })
  await cluster.startAll()
  const files = `ca_file = "${authority.caFile}"`
  const looking = await tlsOf(`tls { defaults { ${files} verify_server_hostname = true } }`)
  const trusting = await tlsOf(`tls { defaults { ${files} verify_outgoing = true } }`)
  const address = cluster.node('s1').rpcAddress
  const good = await RpcChannel.open(address, systemClock, { tls: trusting.rpc.outgoing() })
  await good.whenReady(10_000)
  good.close()
  const refused = await RpcChannel.open(address, systemClock, { tls: looking.rpc.outgoing() })
  await assert.rejects(refused.whenReady(10_000), /server\.dc1\.consul/)
  refused.close()
})

test('a cluster in clear comes to demand TLS, server by server, and writes go on', async () => {
  await using cluster = await clusterOf('s1', 's2', 's3')
  const names = ['s1', 's2', 's3']
  for (const name of names) await configure(cluster, name, null)
  await cluster.startAll()
  await cluster.leader()
  const authority = await createTestAuthority(cluster.folder)
  const steps = [
    'verify_incoming = false',
    'verify_incoming = false verify_outgoing = true',
    'verify_incoming = true verify_server_hostname = true',
  ]
  let count = 0
  for (const rules of steps) {
    for (const name of names) {
      await configure(cluster, name, { authority, rules })
      const node = cluster.node(name)
      await node.stop()
      await node.start()
      await cluster.leader()
      for (const via of names) {
        count += 1
        const key = `key-${count}`
        await eventually(`a write through ${via}`, () => write(cluster.node(via), key), WAIT_MS)
      }
    }
  }
  const value = await cluster.node('s2').value(`key-${count}`, 'consistent')
  assert.equal(value, `key-${count}`)
})

test('renewed certificates count for what is dialled later, and what is there goes on', async () => {
  await using cluster = await clusterOf('s1')
  const authority = await createTestAuthority(cluster.folder)
  await configure(cluster, 's1', { authority, rules: DEMANDING })
  const client = await cluster.addClient('c1')
  client.addFlags(`-config-file=${fileOf(cluster, 'c1')}`)
  await configure(cluster, 'c1', { authority, rules: DEMANDING, role: 'client' })
  await cluster.startAll()
  await eventually('a write through the client', () => write(client, 'a'), WAIT_MS)
  // A blocking query is under way while both get new certificates, which are of the same authority.
  const index = (await fetch(`${client.url}/v1/kv/a`)).headers.get('x-consul-index')
  const blocked = fetch(`${client.url}/v1/kv/a?index=${index}&wait=60s`)
  for (const [name, role] of [
    ['s1', undefined],
    ['c1', 'client'],
  ] as const) {
    await configure(cluster, name, {
      authority,
      rules: DEMANDING,
      ...(role === undefined ? {} : { role }),
    })
    const reloaded = await cluster.node(name).put('/v1/agent/reload')
    assert.equal(reloaded.status, 200, await reloaded.text())
  }
  assert.equal(await write(client, 'a2'), true)
  assert.equal((await client.put('/v1/kv/a', 'new')).status, 200)
  const woken = await blocked
  assert.equal(woken.status, 200)
  assert.match(await woken.text(), /"Value":"bmV3"/)
})
