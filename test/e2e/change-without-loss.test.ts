/**
 * A hundred changes of every kind while calls go on: none of the calls fails (mesh.md 10.1).
 *
 * Callers keep their connections, as applications do, and repeat nothing. Each change is followed by calls of every
 * caller before the next one comes.
 */

import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { it } from 'node:test'
import { startAgent, type TestAgent, temporaryFolder } from './harness/agent.ts'
import {
  type App,
  call,
  callUntil,
  meshFlags,
  proxyPid,
  registerMesh,
  sharedAddress,
  startApp,
} from './harness/mesh.ts'
import { eventually, kill, processesMentioning } from './harness/program.ts'

const CALLERS = 4
const CHANGES = 100
/** Of each caller, after each change. */
const CALLS_AFTER_CHANGE = 2

/** Calls without a pause, one after the other on one connection each. */
class Load {
  readonly failures: string[] = []
  readonly #counts = Array.from({ length: CALLERS }, () => 0)
  readonly #keep = new Agent({ keepAlive: true })
  readonly #loops: readonly Promise<void>[]
  #isOver = false

  constructor(host: string, port: number) {
    this.#loops = this.#counts.map(async (_, i) => await this.#run(i, host, port))
  }

  get total(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0)
  }

  /** Every caller has been answered some more times. */
  async goesOn(): Promise<void> {
    const before = [...this.#counts]
    await eventually('all callers go on', () =>
      this.#counts.every((count, i) => count >= (before[i] ?? 0) + CALLS_AFTER_CHANGE),
    )
  }

  async end(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#loops)
    this.#keep.destroy()
  }

  async #run(i: number, host: string, port: number): Promise<void> {
    while (!this.#isOver) {
      const path = `/${i}/${this.#counts[i]}`
      try {
        const reply = await call(host, port, path, { keep: this.#keep })
        if (reply.status !== 200 || !reply.body.endsWith(path)) {
          this.failures.push(`${path}: ${reply.status} ${reply.body}`)
        }
      } catch (thrown) {
        this.failures.push(`${path}: ${String(thrown)}`)
      }
      this.#counts[i] = (this.#counts[i] ?? 0) + 1
    }
  }
}

interface Scene {
  readonly agent: TestAgent
  readonly second: App
  readonly extra: App
  readonly folder: string
}

type Change = (scene: Scene) => Promise<void>

async function put(agent: TestAgent, path: string, body: object): Promise<void> {
  const answer = await agent.put(path, body)
  assert.equal(answer.status, 200, `${path}: ${await answer.text()}`)
}

async function remove(agent: TestAgent, path: string): Promise<void> {
  const answer = await fetch(`${agent.url}${path}`, { method: 'DELETE' })
  assert.equal(answer.status, 200, `${path}: ${await answer.text()}`)
}

/** Each with what takes it back. */
const CHANGES_OF_EACH_KIND: Readonly<Record<string, readonly [Change, Change]>> = {
  router: [
    async ({ agent }) =>
      await put(agent, '/v1/config', {
        Kind: 'service-router',
        Name: 'payments',
        Routes: [
          {
            Match: { HTTP: { PathPrefix: '/1' } },
            Destination: { RequestHeaders: { Set: { 'x-changed': 'yes' } }, NumRetries: 0 },
          },
        ],
      }),
    async ({ agent }) => await remove(agent, '/v1/config/service-router/payments'),
  ],
  resolver: [
    async ({ agent }) =>
      await put(agent, '/v1/config', {
        Kind: 'service-resolver',
        Name: 'payments',
        ConnectTimeout: '7s',
      }),
    async ({ agent }) => await remove(agent, '/v1/config/service-resolver/payments'),
  ],
  intention: [
    async ({ agent }) =>
      await put(agent, '/v1/connect/intentions/exact?source=*&destination=payments', {
        Action: 'allow',
      }),
    async ({ agent }) =>
      await remove(agent, '/v1/connect/intentions/exact?source=*&destination=payments'),
  ],
  instance: [
    async ({ agent, second }) => await registerMesh(agent, second, { id: 'payments-2' }),
    async ({ agent }) => await put(agent, '/v1/agent/service/deregister/payments-2', {}),
  ],
  listener: [
    async ({ agent, extra }) => await registerMesh(agent, extra),
    async ({ agent }) => await put(agent, '/v1/agent/service/deregister/extra', {}),
  ],
  'access log': [
    async ({ agent, folder }) =>
      await put(agent, '/v1/config', {
        Kind: 'proxy-defaults',
        Name: 'global',
        AccessLogs: { Enabled: true, Type: 'file', Path: join(folder, 'access.log') },
      }),
    async ({ agent }) => await remove(agent, '/v1/config/proxy-defaults/global'),
  ],
}

it('loses no call through a hundred changes of every kind, a renewed CA and a killed agent', async () => {
  const folder = await temporaryFolder()
  const flags = meshFlags()
  await using first = await startApp('payments')
  await using second = await startApp('payments')
  await using extra = await startApp('extra')
  let load: Load | undefined
  try {
    let address = ''
    const made = new Map<string, number>()
    const change = async (agent: TestAgent, i: number): Promise<void> => {
      const kinds = Object.entries(CHANGES_OF_EACH_KIND)
      const [kind, acts] = kinds[i % kinds.length] as [string, readonly [Change, Change]]
      const act = acts[Math.floor(i / kinds.length) % 2] as Change
      await act({ agent, second, extra, folder })
      made.set(kind, (made.get(kind) ?? 0) + 1)
      await load?.goesOn()
      assert.deepEqual(load?.failures, [], `after change ${i}, ${kind}`)
    }
    let proxy = 0
    {
      await using agent = await startAgent({ dataDir: folder, flags, leavesProxy: true })
      await put(agent, '/v1/config', {
        Kind: 'service-defaults',
        Name: 'payments',
        Protocol: 'http',
      })
      await registerMesh(agent, first)
      address = await sharedAddress(agent, 'payments')
      await callUntil((reply) => reply.status === 200, address, first.port)
      proxy = await proxyPid(agent, folder)
      load = new Load(address, first.port)
      for (let i = 0; i < CHANGES / 2; i++) await change(agent, i)
      await put(agent, '/v1/connect/ca/configuration', {
        Provider: 'consul',
        Config: { PrivateKeyType: 'ec', PrivateKeyBits: 384 },
      })
      await load.goesOn()
      assert.deepEqual(load.failures, [], 'after the CA was renewed')
      agent.signal('SIGKILL')
      await agent.ended
      await load.goesOn()
      assert.deepEqual(load.failures, [], 'after the agent was killed')
    }
    await using agent = await startAgent({ dataDir: folder, flags })
    await eventually('the agent adopted the proxy', () =>
      agent.output().includes('adopted the running proxy'),
    )
    assert.equal(await proxyPid(agent, folder), proxy)
    for (let i = CHANGES / 2; i < CHANGES; i++) await change(agent, i)
    await load.end()
    assert.deepEqual(load.failures, [])
    assert.deepEqual([...made.keys()].sort(), Object.keys(CHANGES_OF_EACH_KIND).sort())
    assert.ok(load.total >= CHANGES * CALLERS * CALLS_AFTER_CHANGE)
  } finally {
    await load?.end()
    for (const pid of processesMentioning(folder)) kill(pid)
    await rm(folder, { recursive: true, force: true })
  }
})
