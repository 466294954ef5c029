/**
 * Client agents of a cluster under measurement, as an operator starts them, each with a DNS port of its own.
 */

import { join } from 'node:path'
import { Members, until } from '../cluster/members.ts'

const BINARY =
  process.env['FAIRLEAD_BIN'] ?? new URL('../../bin/fairlead', import.meta.url).pathname

/** Below those that the system hands out: with dozens of processes one of them would be taken meanwhile. */
const FIRST_PORT = 21_000

export interface FleetAgent {
  readonly name: string
  readonly url: string
  readonly dns: number
}

export interface Clients extends AsyncDisposable {
  readonly agents: readonly FleetAgent[]
  pidOf(name: string): number
  /** SIGKILL. */
  kill(name: string): Promise<void>
}

/**
 * Resolves when every one of them answers through a server.
 *
 * @param server URL of one of the servers
 * @param hclOf more configuration of the n-th, from 1
 */
export async function startClients(
  folder: string,
  server: string,
  count: number,
  hclOf: (number: number) => string = () => '',
): Promise<Clients> {
  const members = new Members()
  const joins = `127.0.0.1:${await gossipPort(server)}`
  const agents: FleetAgent[] = []
  for (let i = 1; i <= count; i++) {
    const name = `client${i}`
    const http = FIRST_PORT + 3 * i
    const dns = http + 1
    const serf = http + 2
    const argv: [string, ...string[]] = [BINARY, 'agent', '-node', name, '-bind', '127.0.0.1']
    argv.push('-data-dir', join(folder, name), '-retry-join', joins, '-log-level', 'warn')
    argv.push('-http-port', `${http}`, '-dns-port', `${dns}`, '-serf-lan-port', `${serf}`)
    argv.push('-hcl', hclOf(i))
    members.start(name, { argv, logFile: join(folder, `${name}.log`) })
    agents.push({ name, dns, url: `http://127.0.0.1:${http}` })
  }
  try {
    for (const { name, url } of agents) await until(`${name} to answer`, () => leaderKnown(url))
  } catch (thrown) {
    await members.endAll()
    throw thrown
  }
  return {
    agents,
    pidOf: (name) => members.pid(name),
    kill: (name) => members.end(name, 'SIGKILL'),
    [Symbol.asyncDispose]: () => members.endAll(),
  }
}

async function gossipPort(url: string): Promise<number> {
  const self = (await (await fetch(`${url}/v1/agent/self`)).json()) as {
    readonly Member: { readonly Port: number }
  }
  return self.Member.Port
}

async function leaderKnown(url: string): Promise<true | undefined> {
  try {
    const response = await fetch(`${url}/v1/status/leader`, { signal: AbortSignal.timeout(2_000) })
    return response.ok && (await response.json()) !== '' ? true : undefined
  } catch {
    return undefined // not listening yet
  }
}
