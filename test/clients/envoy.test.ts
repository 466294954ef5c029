/**
 * A real Envoy as the data plane of sidecars beside our own proxy, driven by discovery: mutual TLS both ways, intentions,
 * routes, splits, retries, renewed certificates, changed instances.
 */

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { startAgent, type TestAgent, temporaryFolder } from '../e2e/harness/agent.ts'
import { createTestAuthority } from '../e2e/harness/certificates.ts'
import { freePort } from '../e2e/harness/free-port.ts'
import {
  type App,
  call,
  callUntil,
  meshFlags,
  type Reply,
  register,
  registerMesh,
  startApp,
} from '../e2e/harness/mesh.ts'
import { eventually } from '../e2e/harness/program.ts'
import { envoyProgram, startEnvoy, type TestEnvoy } from './harness/envoy.ts'
import { startLoad } from './harness/load.ts'

const HERE = '127.0.0.1'
/** Leaves are renewed within half a minute after the root has changed. */
const RENEWAL_MAX_MS = 60_000

async function write(agent: TestAgent, entry: object): Promise<void> {
  const response = await agent.put('/v1/config', entry)
  assert.equal(response.status, 200, await response.text())
}

async function speakHttp(agent: TestAgent, ...names: readonly string[]): Promise<void> {
  for (const Name of names) await write(agent, { Kind: 'service-defaults', Name, Protocol: 'http' })
}

function upstream(name: string, port: number): object {
  return { Proxy: { Upstreams: [{ DestinationName: name, LocalBindPort: port }] } }
}

const says =
  (body: string) =>
  (reply: Reply): boolean =>
    reply.status === 200 && reply.body === body

async function counter(envoy: TestEnvoy, name: string): Promise<number> {
  const line = await envoy.admin(`/stats?filter=^${name.replaceAll('.', '\\.')}$`)
  return Number(line.split(': ')[1])
}

/** `web` behind Envoy calls `api` behind our proxy at `toApi`, and the other way round at `toWeb`. */
async function pair(
  agent: TestAgent,
  web: App,
  api: App,
): Promise<{ readonly toApi: number; readonly toWeb: number }> {
  const ports = { toApi: await freePort(), toWeb: await freePort() }
  await speakHttp(agent, 'web', 'api')
  await registerMesh(agent, web, { sidecar: upstream('api', ports.toApi) })
  await registerMesh(agent, api, { sidecar: upstream('web', ports.toWeb) })
  return ports
}

describe('Envoy', () => {
  it('calls our proxy and is called by it, each proving who it is', async (t) => {
    const program = await envoyProgram(t)
    if (program === undefined) return
    await using agent = await startAgent({ flags: meshFlags() })
    const identities: (string | undefined)[] = []
    await using web = await startApp('web', (incoming, response) => {
      identities.push(String(incoming.headers['x-forwarded-client-cert']))
      response.end(`web ${incoming.url}`)
    })
    await using api = await startApp('api', (incoming, response) => {
      identities.push(String(incoming.headers['x-forwarded-client-cert']))
      response.end(`api ${incoming.url}`)
    })
    const { toApi, toWeb } = await pair(agent, web, api)
    await using _envoy = await startEnvoy(program, agent, 'web')
    await callUntil(says('api /x'), HERE, toApi, '/x')
    assert.match(identities.at(-1) ?? '', /URI=spiffe:\/\/[^;]+\/svc\/web/)
    await callUntil(says('web /y'), HERE, toWeb, '/y')
    assert.match(identities.at(-1) ?? '', /URI=spiffe:\/\/[^;]+\/svc\/api/)
    const status = await agent.command('proxy', 'status')
    assert.match(status.stdout, /web-sidecar-proxy +web +envoy 1\.\d+\.\d+ +current/)
    assert.match(status.stdout, /api-sidecar-proxy +api +fairlead +current/)
    assert.doesNotMatch(agent.output(), /proxy cannot listen|refused its configuration/)
  })

  it('asks for its configuration over TLS', async (t) => {
    const program = await envoyProgram(t)
    if (program === undefined) return
    const folder = await temporaryFolder()
    try {
      const authority = await createTestAuthority(folder)
      const { certFile, keyFile } = await authority.issue('agent', 'server')
      const tls = `ports { grpc_tls = 0 } tls { grpc { cert_file = "${certFile}" key_file = "${keyFile}" } }`
      await using agent = await startAgent({ flags: [...meshFlags(), `-hcl=${tls}`] })
      await using web = await startApp('web')
      await using api = await startApp('api')
      const { toWeb } = await pair(agent, web, api)
      const at = `-grpc-addr=https://127.0.0.1:${agent.ready.grpcTls}`
      const bare = await agent.command('connect', 'envoy', '-sidecar-for=web', '-bootstrap', at)
      assert.equal(bare.code, 1)
      assert.match(bare.stderr, /needs the authority of the agent/)
      const grpc = [at, `-grpc-ca-file=${authority.caFile}`]
      await using _envoy = await startEnvoy(program, agent, 'web', grpc)
      await callUntil(says('web /y'), HERE, toWeb, '/y')
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it('obeys intentions for connections and for requests, and is judged by ours', async (t) => {
    const program = await envoyProgram(t)
    if (program === undefined) return
    await using agent = await startAgent({ flags: meshFlags() })
    await using web = await startApp('web')
    await using api = await startApp('api')
    const { toApi, toWeb } = await pair(agent, web, api)
    await using _envoy = await startEnvoy(program, agent, 'web')
    await callUntil(says('web /y'), HERE, toWeb, '/y')
    await callUntil(says('api /x'), HERE, toApi, '/x')
    const intend = (Name: string, source: object): Promise<void> =>
      write(agent, { Kind: 'service-intentions', Name, Sources: [source] })
    await intend('web', {
      Name: 'api',
      Permissions: [
        { Action: 'allow', HTTP: { PathPrefix: '/open/', Methods: ['GET'] } },
        { Action: 'deny', HTTP: { PathPrefix: '/' } },
      ],
    })
    await callUntil(({ status }) => status === 403, HERE, toWeb, '/secret')
    assert.equal((await call(HERE, toWeb, '/open/x')).status, 200)
    assert.equal((await call(HERE, toWeb, '/open/../secret')).status, 403, 'judged once normalised')
    assert.equal((await call(HERE, toWeb, '/OPEN/x')).status, 403)
    await intend('web', { Name: 'api', Action: 'deny' })
    await callUntil(({ status }) => status === 403, HERE, toWeb, '/open/x')
    await intend('web', { Name: 'api', Action: 'allow' })
    await callUntil(says('web /secret'), HERE, toWeb, '/secret')
    await intend('api', { Name: 'web', Action: 'deny' })
    await callUntil(({ status }) => status === 403, HERE, toApi, '/x')
  })

  it('carries bytes, and lets go of who is denied later', async (t) => {
    const program = await envoyProgram(t)
    if (program === undefined) return
    await using agent = await startAgent({ flags: meshFlags() })
    await using echo = await startEcho()
    await using caller = await startApp('caller')
    const port = await freePort()
    await register(agent, {
      Name: 'echo',
      Port: echo.port,
      Connect: { SidecarService: {} },
    })
    await registerMesh(agent, caller, { sidecar: upstream('echo', port) })
    await write(agent, { Kind: 'service-defaults', Name: 'echo', Protocol: 'tcp' })
    await using _envoy = await startEnvoy(program, agent, 'echo')
    const line = await eventually('bytes come back', async () => {
      const socket = await open(port)
      if ((await exchange(socket, 'one')) === 'one') return socket
      socket.destroy()
      return undefined
    })
    const isClosed = new Promise<void>((resolve) => line.once('close', () => resolve()))
    await write(agent, {
      Kind: 'service-intentions',
      Name: 'echo',
      Sources: [{ Name: 'caller', Action: 'deny' }],
    })
    await isClosed
    await eventually('nobody gets in any more', async () => {
      const socket = await open(port)
      const answer = await exchange(socket, 'two')
      socket.destroy()
      return answer === undefined
    })
  })

  it('follows splits and retries without losing a call', async (t) => {
    const program = await envoyProgram(t)
    if (program === undefined) return
    await using agent = await startAgent({ flags: meshFlags() })
    let refusals = 0
    await using web = await startApp('web')
    await using api = await startApp('api', (incoming, response) => {
      if (incoming.url === '/again' && refusals-- > 0) response.writeHead(503).end('busy')
      else response.end('api')
    })
    await using next = await startApp('next', (_, response) => response.end('next'))
    await speakHttp(agent, 'next')
    await registerMesh(agent, next)
    const { toApi } = await pair(agent, web, api)
    await using _envoy = await startEnvoy(program, agent, 'web')
    await callUntil(says('api'), HERE, toApi)
    await using load = startLoad(toApi)
    const split = (weight: number): Promise<void> =>
      write(agent, {
        Kind: 'service-splitter',
        Name: 'api',
        Splits: [{ Weight: 100 - weight }, { Weight: weight, Service: 'next' }],
      })
    for (const weight of [20, 70]) {
      await split(weight)
      const [a, n] = [api.served(), next.served()]
      await eventually(`next gets about ${weight} %`, () => {
        const all = api.served() - a + next.served() - n
        return all > 300 && Math.abs(((next.served() - n) / all) * 100 - weight) < 9
      })
    }
    await split(0)
    await eventually('only api answers', async () => {
      const before = next.served()
      for (let i = 0; i < 20; i++) await call(HERE, toApi)
      return next.served() === before
    })
    await write(agent, {
      Kind: 'service-router',
      Name: 'api',
      Routes: [
        {
          Match: { HTTP: { PathPrefix: '/again' } },
          Destination: { RetryOnStatusCodes: [503], NumRetries: 2 },
        },
      ],
    })
    await eventually('the route holds', async () => {
      refusals = 2
      return (await call(HERE, toApi, '/again')).status === 200
    })
    refusals = 3
    assert.equal((await call(HERE, toApi, '/again')).status, 503)
    await load.stop()
    assert.deepEqual(load.failures, [])
  })

  it('takes renewed certificates and other instances without losing a call', async (t) => {
    const program = await envoyProgram(t)
    if (program === undefined) return
    await using agent = await startAgent({ flags: meshFlags() })
    await using web = await startApp('web')
    await using api = await startApp('api', (_, response) => response.end('one'))
    await using other = await startApp('api', (_, response) => response.end('two'))
    const { toApi, toWeb } = await pair(agent, web, api)
    await using envoy = await startEnvoy(program, agent, 'web')
    await callUntil(says('one'), HERE, toApi)
    await callUntil((reply) => reply.status === 200, HERE, toWeb)
    await using load = startLoad(toApi)
    await using back = startLoad(toWeb)
    const serials = (): Promise<string> => envoy.admin('/certs')
    const [first, listeners, clusters] = [
      await serials(),
      await counter(envoy, 'listener_manager.listener_create_success'),
      await counter(envoy, 'cluster_manager.cluster_modified'),
    ]
    await rotateRoot(agent)
    await eventually(
      'Envoy has another certificate',
      async () => leafSerials(await serials()) !== leafSerials(first),
      RENEWAL_MAX_MS,
    )
    await registerMesh(agent, other, { id: 'api2' })
    await eventually('the new instance is called', () => other.served() > 20)
    await agent.put('/v1/agent/service/maintenance/api?enable=true')
    await eventually('the old instance is left alone', async () => {
      const before = api.served()
      const at = load.calls
      await eventually('calls go on', () => load.calls > at + 50)
      return api.served() === before
    })
    await load.stop()
    await back.stop()
    assert.deepEqual([...load.failures, ...back.failures], [])
    assert.deepEqual(
      [
        await counter(envoy, 'listener_manager.listener_create_success'),
        await counter(envoy, 'cluster_manager.cluster_modified'),
      ],
      [listeners, clusters],
      'a renewal touches secrets only',
    )
  })
})

async function rotateRoot(agent: TestAgent): Promise<void> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const PrivateKey = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const body = { Provider: 'consul', Config: { PrivateKey } }
  const answer = await agent.put('/v1/connect/ca/configuration', body)
  assert.equal(answer.status, 200, await answer.text())
}

/** Of what Envoy shows, that of its own certificate. */
function leafSerials(certs: string): string {
  const { certificates } = JSON.parse(certs) as {
    readonly certificates: readonly {
      readonly cert_chain?: readonly { readonly serial_number: string }[]
    }[]
  }
  const serials = certificates.flatMap(({ cert_chain }) => cert_chain?.[0]?.serial_number ?? [])
  return [...new Set(serials)].sort().join(' ')
}

async function startEcho(): Promise<AsyncDisposable & { readonly port: number }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, HERE, resolve))
  const address = server.address()
  return {
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function open(port: number): Promise<Socket> {
  return await new Promise((resolve, reject) => {
    const socket = connect(port, HERE, () => resolve(socket))
    socket.setEncoding('utf8').on('error', reject)
  })
}

/** @returns what came back, undefined when the connection was closed */
async function exchange(socket: Socket, text: string): Promise<string | undefined> {
  return await new Promise((resolve) => {
    socket.once('data', (answer) => resolve(String(answer)))
    socket.once('close', () => resolve(undefined))
    socket.write(text)
  })
}
