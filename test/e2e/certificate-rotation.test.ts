/**
 * The root of the mesh is replaced while calls flow between two hosts: no call fails, old and new roots vouch
 * for each other, and OpenSSL accepts what every host then presents.
 */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { gunzipSync } from 'node:zlib'
import { createCluster, type TestCluster, type TestNode } from './harness/cluster.ts'
import { freePort } from './harness/free-port.ts'
import { call, keepAlive, meshFlags, startApp } from './harness/mesh.ts'
import { eventually } from './harness/program.ts'

/** Callers that keep their connection, beside one that never does. */
const STEADY_CALLERS = 2
const SPREAD = 'connect { test_ca_leaf_root_change_spread = "2s" }'
const SETTLE_MAX_MS = 60_000

interface Roots {
  readonly ActiveRootID: string
  readonly Roots: readonly {
    readonly ID: string
    readonly Active: boolean
    readonly RootCert: string
    readonly SigningKeyID: string
    readonly IntermediateCerts: readonly string[] | null
    readonly PrivateKeyType: string
  }[]
}

interface Leaf {
  readonly CertPEM: string
  readonly SerialNumber: string
  readonly ServiceURI: string
}

/** Calls without a pause until told to stop. */
class Load {
  calls = 0
  readonly failures: string[] = []
  readonly #port: number
  #isOver = false
  readonly #loops: Promise<void>[]

  constructor(port: number) {
    this.#port = port
    const steady = Array.from({ length: STEADY_CALLERS }, () => this.#run(true))
    this.#loops = [...steady, this.#run(false)]
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#loops)
  }

  async #run(keeps: boolean): Promise<void> {
    const keep = keepAlive()
    try {
      while (!this.#isOver) {
        try {
          const { status, body } = await call('127.0.0.1', this.#port, '/x', keeps ? { keep } : {})
          if (status !== 200) this.failures.push(`${status} ${body}`)
        } catch (err) {
          this.failures.push(String(err))
        }
        this.calls++
      }
    } finally {
      keep.destroy()
    }
  }
}

/** The certificate that a sidecar presents. */
async function presented(port: number): Promise<X509Certificate> {
  return await new Promise((resolve, reject) => {
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
    socket.on('error', reject)
    socket.on('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate()
      socket.destroy()
      if (certificate === undefined) reject(new Error('no certificate'))
      else resolve(certificate)
    })
  })
}

/** @throws with OpenSSL's words when it does not accept the chain */
function opensslVerify(cluster: TestCluster, certPem: string, rootPem: string): void {
  const [chain, root] = [join(cluster.folder, 'chain.pem'), join(cluster.folder, 'root.pem')]
  writeFileSync(chain, certPem)
  writeFileSync(root, rootPem)
  const own = ['-no-CApath', '-no-CAstore', '-CAfile', root]
  execFileSync('openssl', ['verify', '-x509_strict', ...own, '-untrusted', chain, chain], {
    stdio: 'pipe',
  })
}

async function roots(node: TestNode): Promise<Roots> {
  return await node.json<Roots>('/v1/connect/ca/roots')
}

function activeOf({ ActiveRootID, Roots }: Roots) {
  const active = Roots.find(({ ID }) => ID === ActiveRootID)
  assert(active?.Active === true)
  return active
}

async function register(node: TestNode, definition: object): Promise<void> {
  const answer = await node.put('/v1/agent/service/register', definition)
  assert.equal(answer.status, 200, await answer.text())
}

async function sidecarPort(node: TestNode, id: string): Promise<number> {
  return (await node.json<{ readonly Port: number }>(`/v1/agent/service/${id}`)).Port
}

/** A server and two hosts, a call from one to the other, and what a rotation must leave whole. */
test('no call fails while the root is replaced, twice, and old connections live on', async () => {
  await using cluster = await createCluster(['s1'], { flags: [`-hcl=${SPREAD}`] })
  const flags = () => [...meshFlags(), `-hcl=${SPREAD}`]
  const [caller, callee] = [
    await cluster.addClient('caller', flags()),
    await cluster.addClient('callee', flags()),
  ]
  const server = cluster.node('s1')
  await cluster.startAll()
  await using app = await startApp('payments')
  const echo = createServer((socket) => socket.on('error', () => {}).pipe(socket))
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve))
  let stream: Socket | undefined
  let load: Load | undefined
  try {
    const [port, echoUpstream] = [await freePort(), await freePort()]
    await register(callee, {
      Name: 'payments',
      Port: app.port,
      Connect: { SidecarService: { Proxy: { Config: { protocol: 'http' } } } },
    })
    await register(callee, {
      Name: 'echo',
      Port: (echo.address() as { port: number }).port,
      Connect: { SidecarService: {} },
    })
    await register(caller, {
      Name: 'cart',
      Port: await freePort(),
      Connect: {
        SidecarService: {
          Proxy: {
            Upstreams: [
              { DestinationName: 'payments', LocalBindPort: port },
              { DestinationName: 'echo', LocalBindPort: echoUpstream },
            ],
          },
        },
      },
    })
    await eventually('calls arrive', async () => {
      const reply = await call('127.0.0.1', port)
      return reply.status === 200 ? reply : undefined
    })
    const first = activeOf(await roots(server))
    const line = await openEcho(echoUpstream)
    stream = line.socket
    load = new Load(port)
    const running = load
    const paymentsPort = await sidecarPort(callee, 'payments-sidecar-proxy')

    for (const kind of ['rsa', 'ec'] as const) {
      const before = activeOf(await roots(server))
      await setKey(server, kind)
      const after = activeOf(await roots(server))
      assert.notEqual(after.ID, before.ID)
      assert.equal(after.PrivateKeyType, kind)
      await eventually(
        'the callee presents a leaf of the new root',
        async () => {
          const certificate = await presented(paymentsPort)
          return certificate.checkIssued(parse(after.RootCert)) ? certificate : undefined
        },
        SETTLE_MAX_MS,
      )
      const leaf = await eventually('the caller has a leaf of the new root', async () => {
        const found = await caller.json<Leaf>('/v1/agent/connect/ca/leaf/cart')
        return parse(found.CertPEM).checkIssued(parse(after.RootCert)) ? found : undefined
      })
      // Who has only heard of the old root accepts it too.
      opensslVerify(cluster, leaf.CertPEM, after.RootCert)
      opensslVerify(cluster, leaf.CertPEM, before.RootCert)
      assert.match(
        leaf.ServiceURI,
        /^spiffe:\/\/[0-9a-f-]{36}\.consul\/ns\/default\/dc\/dc1\/svc\/cart$/,
      )
      const at = running.calls
      await eventually('calls go on', () => (running.calls > at + 100 ? true : undefined))
      assert.equal(await line.say(kind), kind)
    }
    await load.stop()
    assert.deepEqual(load.failures, [])
    assert.ok(load.calls > 300, `only ${load.calls} calls`)
    const last = await roots(caller)
    assert.equal(last.Roots.length, 3)
    assert.equal(last.Roots.filter(({ Active }) => Active).length, 1)
    assert.equal(activeOf(last).IntermediateCerts?.length, 1)
    assert.ok(last.Roots.some(({ ID }) => ID === first.ID))
    const pem = await (await fetch(`${server.url}/v1/connect/ca/roots?pem=true`)).text()
    assert.equal(pem.match(/BEGIN CERTIFICATE/g)?.length, 5)
  } finally {
    await load?.stop()
    stream?.destroy()
    echo.close()
  }
})

test('a rotation asked of any server outlives the leader, and no backup shows the key', async () => {
  const key = randomBytes(32).toString('base64')
  const sealing = `connect { ca_sealing_keys = ["${key}"] }`
  await using cluster = await createCluster(['s1', 's2', 's3'], { flags: [`-hcl=${sealing}`] })
  await cluster.startAll()
  const leader = await cluster.leader()
  const follower = cluster.running.find((node) => node !== leader)
  assert(follower !== undefined)
  const before = activeOf(
    await eventually('there is a root', async () => {
      const found = await roots(follower)
      return found.ActiveRootID === '' ? undefined : found
    }),
  )
  const secret = await setKey(follower, 'ec')
  const after = activeOf(
    await eventually('the follower has the new root', async () => {
      const found = await roots(follower)
      return found.ActiveRootID === before.ID ? undefined : found
    }),
  )
  const path = join(cluster.folder, 'backup.tgz')
  const saved = await follower.command('snapshot', 'save', path)
  assert.equal(saved.code, 0, saved.stderr)
  const backup = gunzipSync(readFileSync(path)).toString('latin1')
  assert.ok(backup.includes('fairlead-sealed:1:'))
  assert.ok(secret.length > 40)
  assert.equal(backup.includes(secret), false)
  assert.equal(backup.includes('PRIVATE KEY'), false)

  await leader.kill()
  await cluster.leader()
  const leaf = await eventually('the next leader signs', async () => {
    const response = await fetch(`${follower.url}/v1/agent/connect/ca/leaf/web`)
    return response.ok ? ((await response.json()) as Leaf) : undefined
  })
  assert.ok(parse(leaf.CertPEM).checkIssued(parse(after.RootCert)))
  opensslVerify(cluster, leaf.CertPEM, before.RootCert)
})

/** @returns a line that only the key has */
async function setKey(server: TestNode, kind: 'ec' | 'rsa'): Promise<string> {
  const { privateKey } =
    kind === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
      : generateKeyPairSync('rsa', { modulusLength: 2048 })
  const path = join(server.folder, 'ca.json')
  const PrivateKey = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  writeFileSync(path, JSON.stringify({ Provider: 'consul', Config: { PrivateKey } }))
  const result = await server.command('connect', 'ca', 'set-config', `-config-file=${path}`)
  assert.equal(result.code, 0, result.stderr)
  assert.equal(result.stdout, 'Configuration updated!\n')
  const shown = await server.command('connect', 'ca', 'get-config')
  assert.equal(shown.stdout.includes('PRIVATE KEY'), false)
  const sec1 = privateKey.export({ type: kind === 'ec' ? 'sec1' : 'pkcs1', format: 'pem' })
  return sec1.toString().split('\n')[1] ?? ''
}

function parse(pem: string): X509Certificate {
  return new X509Certificate(pem)
}

interface EchoLine {
  readonly socket: Socket
  say(text: string): Promise<string>
}

/** A stream that has been answered: the port opens before the other host is ready. */
async function openEcho(port: number): Promise<EchoLine> {
  return await eventually('the echo is heard', async () => {
    const socket = connectTcp(port, '127.0.0.1')
    socket.setEncoding('utf8').on('error', () => {})
    const say = (text: string): Promise<string> =>
      new Promise((resolve, reject) => {
        socket.once('data', (answer) => resolve(String(answer)))
        socket.once('close', () => reject(new Error('the connection was cut')))
        socket.write(text)
      })
    assert.equal(await say('before'), 'before')
    return { socket, say }
  })
}
