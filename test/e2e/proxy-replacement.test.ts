/**
 * The proxy is replaced under load and nobody notices: by a signal, and by an agent of another version.
 *
 * Callers of every kind keep what they have open and repeat nothing: HTTP/1 on kept and on new connections, gRPC, and raw
 * streams that are older than the proxy that serves by then.
 */

import assert from 'node:assert/strict'
import { cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { Client, credentials } from '@grpc/grpc-js'
import { ask, startGrpcService } from '../integration/proxy/grpc-peers.ts'
import { startAgent, type TestAgent, temporaryFolder } from './harness/agent.ts'
import { freePort } from './harness/free-port.ts'
import {
  call,
  callUntil,
  intend,
  meshFlags,
  proxyPid,
  register,
  registerMesh,
  sharedAddress,
  startApp,
} from './harness/mesh.ts'
import { eventually, isAlive, kill, processesMentioning, ROOT } from './harness/program.ts'

const REPLACEMENTS = 3
/** Of each caller, before and after each replacement. */
const CALLS = 5
/** What a copy of the program needs besides its dependencies. */
const PROGRAM_PARTS = ['bin', 'cli', 'core', 'runtime', 'proto', 'server', 'agent', 'proxy']

/** One that calls again as soon as it has been answered. */
class Caller {
  count = 0
  readonly failures: string[] = []
  readonly #end = new AbortController()
  readonly #done: Promise<void>

  constructor(name: string, once: (i: number) => Promise<void>) {
    this.#done = this.#run(name, once)
  }

  async end(): Promise<void> {
    this.#end.abort()
    await this.#done
  }

  async #run(name: string, once: (i: number) => Promise<void>): Promise<void> {
    while (!this.#end.signal.aborted) {
      try {
        await once(this.count)
      } catch (thrown) {
        this.failures.push(`${name} ${this.count}: ${String(thrown)}`)
      }
      this.count++
    }
  }
}

/** A stream to something that answers what it gets, asked one thing after the other. */
class Stream {
  readonly socket: Socket
  #text = ''
  #wake: () => void = () => {}

  constructor(host: string, port: number) {
    this.socket = connect({ host, port })
    this.socket.setEncoding('utf8').on('data', (text: string) => {
      this.#text += text
      this.#wake()
    })
    this.socket.on('error', () => {})
    this.socket.on('close', () => this.#wake())
  }

  async ask(text: string): Promise<void> {
    this.#text = ''
    this.socket.write(text)
    while (this.#text.length < text.length) {
      if (this.socket.destroyed) throw new Error('the stream was cut')
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    assert.equal(this.#text, text)
  }
}

async function goOn(callers: readonly Caller[]): Promise<void> {
  const before = callers.map(({ count }) => count)
  await eventually('all callers go on', () =>
    callers.every(({ count }, i) => count >= (before[i] ?? 0) + CALLS),
  )
  assert.deepEqual(
    callers.flatMap(({ failures }) => failures),
    [],
  )
}

function httpCaller(name: string, host: string, port: number, keep?: Agent): Caller {
  return new Caller(name, async (i) => {
    const path = `/${name}/${i}`
    const reply = await call(host, port, path, keep === undefined ? {} : { keep })
    if (reply.status !== 200 || !reply.body.endsWith(path)) {
      throw new Error(`${reply.status} ${reply.body}`)
    }
  })
}

async function echoServer(): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, port: (server.address() as AddressInfo).port }
}

/** The proxy that the agent uses, as its log tells. */
function currentProxy(agent: TestAgent): number {
  const told = agent
    .output()
    .split('\n')
    .filter((line) => /proxy started|another proxy took over/.test(line))
    .map((line) => /"pid":(\d+)/.exec(line)?.[1])
  return Number(told.at(-1))
}

describe('a proxy that is replaced', () => {
  it('loses no call of any kind, and lets nobody through who is denied since', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    await using app = await startApp('payments')
    const greeter = await startGrpcService()
    const echo = await echoServer()
    const grpcPort = await freePort()
    const keep = new Agent({ keepAlive: true })
    const client = new Client(`127.0.0.1:${grpcPort}`, credentials.createInsecure())
    const streams: Stream[] = []
    const callers: Caller[] = []
    try {
      await agent.put('/v1/config', { Kind: 'service-defaults', Name: 'greeter', Protocol: 'grpc' })
      await register(agent, {
        Name: 'greeter',
        Port: greeter.port,
        Connect: { SidecarService: {} },
      })
      const echoService = { Name: 'echo', Port: echo.port, Connect: { SidecarService: {} } }
      await register(agent, echoService)
      const upstream = { DestinationName: 'greeter', LocalBindPort: grpcPort }
      await registerMesh(agent, app, { sidecar: { Proxy: { Upstreams: [upstream] } } })
      const address = await sharedAddress(agent, 'payments')
      const echoAddress = await sharedAddress(agent, 'echo')
      await callUntil((reply) => reply.status === 200, address, app.port)
      await eventually('gRPC answers', async () => (await ask(client, 'x', 4000)).err === null)
      await eventually('the stream is echoed', async () => {
        const stream = new Stream(echoAddress, echo.port)
        await stream.ask('first')
        streams.push(stream)
        return true
      })
      callers.push(
        httpCaller('kept', address, app.port, keep),
        httpCaller('kept-too', address, app.port, keep),
        httpCaller('new', address, app.port),
        new Caller('gRPC', async () => {
          const { err } = await ask(client, 'x', 10_000)
          if (err !== null) throw err
        }),
        new Caller('new streams', async (i) => {
          const stream = new Stream(echoAddress, echo.port)
          await stream.ask(`new ${i}`)
          stream.socket.destroy()
        }),
      )
      const pids = [currentProxy(agent)]
      for (let i = 0; i < REPLACEMENTS; i++) {
        await goOn(callers)
        const before = pids.at(-1) ?? 0
        process.kill(before, 'SIGUSR2')
        const after = await eventually('another proxy serves', () => {
          const pid = currentProxy(agent)
          return pid === before ? undefined : pid
        })
        pids.push(after)
        await eventually(
          'it has the ports',
          () => agent.output().split('the other proxy serves').length === i + 2,
        )
        await goOn(callers)
        // Older than the proxy, and served on by the one that it replaced.
        for (const stream of streams) await stream.ask(`after ${i}`)
        const stream = new Stream(echoAddress, echo.port)
        await stream.ask('another')
        streams.push(stream)
      }
      assert.equal(new Set(pids).size, REPLACEMENTS + 1)
      await Promise.all(callers.map(async (caller) => await caller.end()))
      assert.deepEqual(
        callers.flatMap(({ failures }) => failures),
        [],
      )
      await intend(agent, '*', 'echo', 'deny')
      await eventually('streams of all proxies are cut', () =>
        streams.every(({ socket }) => socket.destroyed),
      )
      keep.destroy()
      client.close()
      await eventually('those that were replaced have ended', () =>
        pids.slice(0, -1).every((pid) => !isAlive(pid)),
      )
      assert.ok(isAlive(pids.at(-1) ?? 0))
    } finally {
      await Promise.all(callers.map(async (caller) => await caller.end()))
      for (const { socket } of streams) socket.destroy()
      keep.destroy()
      client.close()
      greeter.close()
      echo.server.close()
    }
  })
})

describe('an agent of another version', () => {
  it('has the running proxy hand over to its own, and no call is lost', async () => {
    const folder = await temporaryFolder()
    const flags = [...meshFlags(), '-hcl=proxy { keep_on_agent_stop = true }']
    await using app = await startApp('payments')
    const keep = new Agent({ keepAlive: true })
    let callers: readonly Caller[] = []
    try {
      const dataDir = join(folder, 'data')
      const program = await copyProgram(join(folder, 'newer'), '99.0.0')
      let address = ''
      let before = 0
      {
        await using agent = await startAgent({ dataDir, flags, leavesProxy: true })
        await registerMesh(agent, app)
        address = await sharedAddress(agent, 'payments')
        await callUntil((reply) => reply.status === 200, address, app.port)
        before = await proxyPid(agent, dataDir)
        callers = [
          httpCaller('kept', address, app.port, keep),
          httpCaller('new', address, app.port),
        ]
        await goOn(callers)
        agent.signal('SIGTERM')
        await agent.ended
        await goOn(callers)
      }
      await using agent = await startAgent({ dataDir, flags, program })
      await eventually('the proxy is the new one', () =>
        agent.output().includes('another proxy took over'),
      )
      await eventually('the old one has ended', () => !isAlive(before))
      await goOn(callers)
      const [after] = processesMentioning(dataDir).filter((pid) => pid !== agent.pid)
      const command = await readFile(`/proc/${after}/cmdline`, 'utf8')
      assert.ok(command.includes(join(folder, 'newer', 'cli', 'main.ts')), command)
    } finally {
      await Promise.all(callers.map(async (caller) => await caller.end()))
      keep.destroy()
      for (const pid of processesMentioning(folder)) kill(pid)
      await rm(folder, { recursive: true, force: true })
    }
  })
})

/** @returns its launcher */
async function copyProgram(to: string, version: string): Promise<string> {
  await mkdir(to)
  for (const part of PROGRAM_PARTS) {
    await cp(join(ROOT, part), join(to, part), { recursive: true })
  }
  await symlink(join(ROOT, 'node_modules'), join(to, 'node_modules'))
  const manifest: object = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
  await writeFile(join(to, 'package.json'), JSON.stringify({ ...manifest, version }))
  return join(to, 'bin', 'fairlead')
}
