/**
 * The HTTP API over TLS, and gRPC: as a user sets it up with `fairlead tls`, with and without certificates of callers, and
 * through a reload that swaps the certificate under connections that are there.
 */

import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { startAgent, type TestAgent, temporaryFolder } from './harness/agent.ts'
import { createTestAuthority } from './harness/certificates.ts'
import { eventually, runCommand } from './harness/program.ts'

async function folder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await temporaryFolder()
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

function tlsHcl(options: {
  readonly ca: string
  readonly cert: string
  readonly key: string
  readonly more?: string
}): string {
  const { ca, cert, key, more = '' } = options
  return `ports { https = 0 grpc_tls = 0 } tls { defaults { ca_file = "${ca}" cert_file = "${cert}" key_file = "${key}" } ${more} }`
}

test('a user makes certificates, serves HTTPS with them, and asks with them', async () => {
  await using dir = await folder()
  const run = async (...argv: readonly string[]) => {
    const program = 'sh'
    const fairlead = join(import.meta.dirname, '..', '..', 'bin', 'fairlead')
    const line = `cd '${dir.path}' && '${process.env['FAIRLEAD_BIN'] ?? fairlead}' ${argv.join(' ')}`
    return await runCommand(['-c', line], { program })
  }
  const ca = await run('tls', 'ca', 'create')
  assert.equal(ca.code, 0, ca.stderr)
  assert.equal(ca.stdout, '==> Saved consul-agent-ca.pem\n==> Saved consul-agent-ca-key.pem\n')
  const again = await run('tls', 'ca', 'create')
  assert.equal(again.code, 1)
  assert.match(again.stderr, /consul-agent-ca\.pem already exists\./)
  const none = await run('tls', 'cert', 'create')
  assert.equal(none.code, 1)
  assert.match(none.stderr, /Please provide either -server, -client, or -cli/)
  const server = await run('tls', 'cert', 'create', '-server')
  assert.equal(server.code, 0, server.stderr)
  assert.match(
    server.stdout,
    /==> Saved dc1-server-consul-0\.pem\n==> Saved dc1-server-consul-0-key\.pem\n/,
  )
  assert.match(server.stderr, /is a server to every agent/)
  assert.match((await run('tls', 'cert', 'create', '-server')).stdout, /dc1-server-consul-1\.pem/)
  assert.match((await run('tls', 'cert', 'create', '-cli')).stdout, /dc1-cli-consul-0\.pem/)
  const keyMode = (await stat(join(dir.path, 'consul-agent-ca-key.pem'))).mode & 0o777
  assert.equal(keyMode, 0o600)
  const leaf = new X509Certificate(await readFile(join(dir.path, 'dc1-server-consul-0.pem')))
  assert.match(leaf.subjectAltName ?? '', /DNS:server\.dc1\.consul/)
  assert.match(leaf.subjectAltName ?? '', /IP Address:127\.0\.0\.1/)

  const files = {
    ca: join(dir.path, 'consul-agent-ca.pem'),
    cert: join(dir.path, 'dc1-server-consul-0.pem'),
    key: join(dir.path, 'dc1-server-consul-0-key.pem'),
    more: 'https { verify_incoming = true }',
  }
  await using agent = await startAgent({ flags: [`-hcl=${tlsHcl(files)}`] })
  const address = `-http-addr=https://127.0.0.1:${agent.ready.https}`
  const client = [
    `-ca-file=${files.ca}`,
    `-client-cert=${join(dir.path, 'dc1-cli-consul-0.pem')}`,
    `-client-key=${join(dir.path, 'dc1-cli-consul-0-key.pem')}`,
  ]
  const members = await runCommand(['members', address, ...client])
  assert.equal(members.code, 0, members.stderr)
  assert.match(members.stdout, /alive/)

  const named = await runCommand([
    'members',
    address,
    ...client,
    '-tls-server-name=server.dc1.consul',
  ])
  assert.equal(named.code, 0, named.stderr)
  const misnamed = await runCommand(['members', address, ...client, '-tls-server-name=db.consul'])
  assert.equal(misnamed.code, 1, 'a server of another name')

  const viaEnv = await runCommand(['members'], {
    env: {
      CONSUL_HTTP_ADDR: `127.0.0.1:${agent.ready.https}`,
      CONSUL_HTTP_SSL: 'true',
      CONSUL_CACERT: files.ca,
      CONSUL_CLIENT_CERT: join(dir.path, 'dc1-cli-consul-0.pem'),
      CONSUL_CLIENT_KEY: join(dir.path, 'dc1-cli-consul-0-key.pem'),
    },
  })
  assert.equal(viaEnv.code, 0, viaEnv.stderr)

  const without = await runCommand(['members', address, `-ca-file=${files.ca}`])
  assert.equal(without.code, 1, 'a caller without a certificate')
  const distrusting = await runCommand(['members', address, ...client.slice(1)])
  assert.equal(distrusting.code, 1, 'an agent whose authority is not known')
})

interface Held {
  readonly socket: TLSSocket
  ask(): Promise<string>
}

async function hold(port: number, ca: string): Promise<Held> {
  const socket = connect({ host: '127.0.0.1', port, ca, checkServerIdentity: () => undefined })
  await new Promise((resolve, reject) =>
    socket.once('secureConnect', resolve).once('error', reject),
  )
  return {
    socket,
    ask: () =>
      new Promise((resolve, reject) => {
        socket.once('data', (bytes) => resolve(String(bytes).slice(0, 15)))
        socket.once('error', reject).once('close', () => reject(new Error('closed')))
        socket.write('GET /v1/agent/version HTTP/1.1\r\nHost: a\r\n\r\n')
      }),
  }
}

function serialOf(socket: TLSSocket): string {
  return socket.getPeerX509Certificate()?.serialNumber ?? ''
}

async function dial(port: number, ca: string, alpn: readonly string[] = []): Promise<TLSSocket> {
  const socket = connect({
    host: '127.0.0.1',
    port,
    ca,
    checkServerIdentity: () => undefined,
    ALPNProtocols: [...alpn],
  })
  await new Promise((resolve, reject) =>
    socket.once('secureConnect', resolve).once('error', reject),
  )
  return socket
}

test('a reload swaps certificates; connections that are there go on', async () => {
  await using dir = await folder()
  const authority = await createTestAuthority(dir.path)
  const first = await authority.issue('own', 'server')
  const { certFile: cert, keyFile: key } = first
  const hcl = tlsHcl({ ca: authority.caFile, cert, key })
  await using agent = await startAgent({ flags: [`-hcl=${hcl}`] })
  const held = await hold(agent.ready.https, authority.caPem)
  using _cut = { [Symbol.dispose]: () => held.socket.destroy() }
  assert.equal(await held.ask(), 'HTTP/1.1 200 OK')
  const before = serialOf(held.socket)

  const second = await authority.issue('own', 'server')
  const reloaded = await agent.put('/v1/agent/reload')
  assert.equal(reloaded.status, 200, await reloaded.text())
  for (const [port, alpn] of [
    [agent.ready.https, []],
    [agent.ready.grpcTls, ['h2']],
  ] as const) {
    const fresh = await dial(port, authority.caPem, alpn)
    assert.equal(serialOf(fresh), new X509Certificate(second.certPem).serialNumber)
    fresh.destroy()
  }
  assert.notEqual(before, new X509Certificate(second.certPem).serialNumber)
  assert.equal(await held.ask(), 'HTTP/1.1 200 OK')

  // What cannot be used changes nothing, and says which file it is.
  await writeFile(key, (await authority.issue('other', 'server')).keyPem)
  const refused = await agent.put('/v1/agent/reload')
  assert.equal(refused.status, 500)
  assert.match(await refused.text(), /tls\.\w+\.key_file: .*it is not the key of the certificate/)
  const still = await dial(agent.ready.https, authority.caPem)
  assert.equal(serialOf(still), new X509Certificate(second.certPem).serialNumber)
  still.destroy()
})

test('hybrid key exchange where both have it, and nothing below TLS 1.2', async () => {
  await using dir = await folder()
  const authority = await createTestAuthority(dir.path)
  const { certFile: cert, keyFile: key } = await authority.issue('own', 'server')
  const hcl = tlsHcl({ ca: authority.caFile, cert, key })
  await using agent = await startAgent({ flags: [`-hcl=${hcl}`] })
  const old = connect({
    host: '127.0.0.1',
    port: agent.ready.https,
    ca: authority.caPem,
    minVersion: 'TLSv1.1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  })
  await assert.rejects(
    new Promise((resolve, reject) => old.once('secureConnect', resolve).once('error', reject)),
  )
  // A caller who has nothing else gets through only when the agent has it as well.
  const hybrid = connect({
    host: '127.0.0.1',
    port: agent.ready.https,
    ca: authority.caPem,
    ecdhCurve: 'X25519MLKEM768',
    checkServerIdentity: () => undefined,
  })
  await new Promise((resolve, reject) =>
    hybrid.once('secureConnect', resolve).once('error', reject),
  )
  assert.equal(hybrid.getProtocol(), 'TLSv1.3')
  hybrid.destroy()
  await eventually('the API answers over TLS', () => httpsOk(agent, authority.caPem))
})

async function httpsOk(agent: TestAgent, ca: string): Promise<boolean> {
  const pool = new Agent({ keepAlive: false })
  return await new Promise((resolve, reject) => {
    request(
      { host: '127.0.0.1', port: agent.ready.https, path: '/v1/status/leader', ca, agent: pool },
      (response) => {
        response.resume()
        resolve(response.statusCode === 200)
      },
    )
      .on('error', reject)
      .end()
  })
}
