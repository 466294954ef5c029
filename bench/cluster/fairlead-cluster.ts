/**
 * Three servers of the program named by FAIRLEAD_BIN (default bin/fairlead), as an operator starts them.
 *
 * `raft_multiplier` is 1, the value that Consul recommends for production, so that elections are compared
 * with etcd's one second.
 */

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Cluster, freePorts, Members, until } from './members.ts'

const BINARY =
  process.env['FAIRLEAD_BIN'] ?? new URL('../../bin/fairlead', import.meta.url).pathname

export interface FairleadCluster extends Cluster {
  /** SIGKILL to one member. */
  kill(url: string): Promise<void>
  /** Starts one more server that joins the others. @returns its URL once it answers */
  add(): Promise<string>
  pidOf(url: string): number
}

interface Ports {
  readonly http: number
  readonly dns: number
  readonly server: number
  readonly serf: number
}

export async function startFairlead(folder: string, size = 3): Promise<FairleadCluster> {
  const members = new Members()
  const names = new Map<string, string>()
  const ports = await Promise.all(Array.from({ length: size }, portsOf))
  const join0 = `127.0.0.1:${ports[0]?.serf}`
  await mkdir(folder, { recursive: true })
  const start = async (at: Ports, expect: number): Promise<string> => {
    const name = `server${names.size + 1}`
    const url = `http://127.0.0.1:${at.http}`
    const args = ['agent', '-server', '-data-dir', join(folder, name), '-node', name]
    if (expect > 0) args.push('-bootstrap-expect', `${expect}`)
    args.push('-bind', '127.0.0.1', '-retry-join', join0, '-log-level', 'warn')
    args.push(
      '-hcl',
      'performance { raft_multiplier = 1 } limits { http_max_conns_per_client = 4096 }',
    )
    args.push('-http-port', `${at.http}`, '-dns-port', `${at.dns}`, '-server-port', `${at.server}`)
    args.push('-serf-lan-port', `${at.serf}`, '-grpc-port', '-1')
    names.set(url, name)
    members.start(name, [BINARY, ...args], join(folder, `${name}.log`))
    return url
  }
  const urls = await Promise.all(ports.map((at) => start(at, size)))
  const cluster: FairleadCluster = {
    name: 'fairlead',
    urls,
    leader: () => until('a leader of fairlead', () => leaderOf([...names.keys()], names)),
    cpuMs: () => members.cpuMs(),
    rssBytes: () => members.rssBytes(),
    kill: async (url) => {
      await members.end(names.get(url) ?? '', 'SIGKILL')
      names.delete(url)
    },
    add: async () => await start(await portsOf(), 0),
    pidOf: (url) => members.pid(names.get(url) ?? ''),
    [Symbol.asyncDispose]: () => members.endAll(),
  }
  await cluster.leader()
  return cluster
}

async function portsOf(): Promise<Ports> {
  const [http = 0, dns = 0, server = 0, serf = 0] = await freePorts(4)
  return { http, dns, server, serf }
}

/** The member that says of itself that it leads; asked one by one, so that a dead one costs nothing. */
async function leaderOf(
  urls: readonly string[],
  names: ReadonlyMap<string, string>,
): Promise<string | undefined> {
  for (const url of urls) {
    if (!names.has(url)) continue
    try {
      const response = await fetch(`${url}/v1/agent/self`, { signal: AbortSignal.timeout(1_000) })
      const self = (await response.json()) as { Stats?: { raft?: { state?: string } } }
      if (self.Stats?.raft?.state === 'Leader') return url
    } catch {
      // Not listening yet, or no more.
    }
  }
  return undefined
}
