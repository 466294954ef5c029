/**
 * Mesh set-ups for black-box tests: real HTTP services in this process, registered with a sidecar, and
 * calls through the shared address that the agent's DNS gives.
 */

import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { Resolver } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import { Agent, createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestAgent } from './agent.ts'
import { eventually, isAlive, processesMentioning } from './program.ts'

/** Sidecars of one agent under test. */
const SIDECARS_MAX = 20

/** A loopback range of its own for each agent: several run at once on one machine. */
export function meshFlags(): string[] {
  const base = `127.${randomInt(129, 250)}.${randomInt(0, 250)}.0`
  return [`-hcl=proxy { loopback_base = "${base}" }`, ...sidecarPorts()]
}

/** Sidecars must not take the ports of agents, or of anything else, that runs at the same time. */
function sidecarPorts(): string[] {
  const taken = ['tcp', 'tcp6'].map((name) => readFileSync(`/proc/net/${name}`, 'latin1')).join('')
  const isTaken = (port: number): boolean =>
    taken.includes(`:${port.toString(16).toUpperCase().padStart(4, '0')} `)
  for (;;) {
    const min = randomInt(22_000 / SIDECARS_MAX, 32_000 / SIDECARS_MAX) * SIDECARS_MAX
    const ports = Array.from({ length: SIDECARS_MAX }, (_, i) => min + i)
    if (ports.some(isTaken)) continue
    return [`-hcl=ports { sidecar_min_port = ${min} sidecar_max_port = ${min + SIDECARS_MAX - 1} }`]
  }
}

export interface App extends AsyncDisposable {
  readonly name: string
  readonly port: number
  /** Requests answered so far. */
  readonly served: () => number
  readonly server: Server
}

type Listener = Parameters<typeof createServer>[1]

export async function startApp(name: string, listener?: Listener): Promise<App> {
  let served = 0
  const server = createServer((incoming, response) => {
    served++
    if (listener !== undefined) listener(incoming, response)
    else response.end(`${name} ${incoming.url}`)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    name,
    port: (server.address() as AddressInfo).port,
    served: () => served,
    server,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export async function register(agent: TestAgent, definition: object): Promise<void> {
  const answer = await agent.put('/v1/agent/service/register', definition)
  assert.equal(answer.status, 200, await answer.text())
}

/** A service in the mesh, with a check that follows its process. */
export async function registerMesh(
  agent: TestAgent,
  app: App,
  extra: {
    readonly id?: string
    readonly meta?: Readonly<Record<string, string>>
    readonly sidecar?: object
  } = {},
): Promise<void> {
  await register(agent, {
    ID: extra.id ?? app.name,
    Name: app.name,
    Port: app.port,
    Meta: extra.meta ?? {},
    Check: { TCP: `127.0.0.1:${app.port}`, Interval: '1s', Status: 'passing' },
    Connect: { SidecarService: extra.sidecar ?? {} },
  })
}

/** The address of `<service>.virtual.consul` as this agent's DNS tells it. */
export async function sharedAddress(agent: TestAgent, service: string): Promise<string> {
  const resolver = new Resolver({ timeout: 1000, tries: 1 })
  resolver.setServers([`127.0.0.1:${agent.ready.dns}`])
  return await eventually(`${service} has a shared address`, async () => {
    const [address] = await resolver.resolve4(`${service}.virtual.consul`)
    return address
  })
}

export interface Reply {
  readonly status: number
  readonly body: string
  readonly headers: NodeJS.Dict<string | string[]>
}

/** One GET on a connection of its own unless `agent` keeps them. */
export async function call(
  host: string,
  port: number,
  path = '/',
  options: { readonly keep?: Agent; readonly headers?: Record<string, string> } = {},
): Promise<Reply> {
  return await new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host,
        port,
        path,
        agent: options.keep ?? false,
        headers: options.headers ?? {},
        timeout: 10_000,
      },
      (response) => {
        let body = ''
        response.setEncoding('utf8').on('data', (text: string) => {
          body += text
        })
        response.on('error', reject)
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, body, headers: response.headers })
        })
      },
    )
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')))
    outgoing.on('error', reject)
    outgoing.end()
  })
}

/** Calls until the answer is as wanted: the mesh opens a moment after the registration. */
export async function callUntil(
  wanted: (reply: Reply) => boolean,
  host: string,
  port: number,
  path = '/',
): Promise<Reply> {
  let last: Reply | undefined
  return await eventually('the mesh answers as wanted', async () => {
    last = await call(host, port, path)
    if (!wanted(last)) throw new Error(`${last.status} ${last.body}`)
    return last
  })
}

export async function intend(
  agent: TestAgent,
  source: string,
  destination: string,
  action: 'allow' | 'deny',
): Promise<void> {
  const path = `/v1/connect/intentions/exact?source=${source}&destination=${destination}`
  const answer = await agent.put(path, { Action: action })
  assert.equal(answer.status, 200, await answer.text())
}

export function keepAlive(): Agent {
  return new Agent({ keepAlive: true, maxSockets: 1 })
}

/** Pid of the proxy of an agent, told by the folder of its control socket. */
export async function proxyPid(agent: TestAgent, folder = agent.folder): Promise<number> {
  return await eventually('the proxy runs', () =>
    processesMentioning(folder).find((pid) => pid !== agent.pid && isAlive(pid)),
  )
}
