/**
 * Three servers of the program named by FAIRLEAD_BIN (default bin/fairlead), as an operator starts them.
 *
 * `raft_multiplier` is 1, the value that Consul recommends for production, so that elections are compared
 * with etcd's one second. On demand each server carries a probe (probe.ts), and with BENCH_TLS=1 they speak TLS.
 */

import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { serverTls, speaksTls } from './certificates.ts'
import { freePorts, Members, type MortalCluster, until } from './members.ts'

const BINARY =
  process.env['FAIRLEAD_BIN'] ?? new URL('../../bin/fairlead', import.meta.url).pathname
const PROBE = new URL('./probe.ts', import.meta.url).href

export interface FairleadCluster extends MortalCluster {
  /** Starts one more server that joins the others. @returns its URL at once, before it answers */
  add(): Promise<string>
  pidOf(url: string): number
  /** Where the probe of a member listens. */
  probeOf(url: string): string
  logOf(url: string): Promise<string>
}

export interface FairleadOptions {
  readonly size?: number
  /** More configuration, in HCL; of the n-th server, from 1, if it is a function. */
  readonly hcl?: string | ((number: number) => string)
  readonly hasProbe?: boolean
  readonly logLevel?: 'info' | 'warn'
}

interface Member {
  readonly number: number
  readonly name: string
  readonly url: string
  readonly http: number
  readonly dns: number
  readonly server: number
  readonly serf: number
  readonly expect: number
}

export async function startFairlead(
  folder: string,
  options: FairleadOptions = {},
): Promise<FairleadCluster> {
  const { size = 3, hcl = '', hasProbe = false, logLevel = 'warn' } = options
  const members = new Members()
  const known = new Map<string, Member>()
  const alive = new Set<string>()
  await mkdir(folder, { recursive: true })
  const tls = speaksTls ? await serverTls(join(folder, 'tls')) : ''
  const made = await Promise.all(Array.from({ length: size }, (_, i) => newMember(i + 1, size)))
  const joins = `127.0.0.1:${made[0]?.serf}`
  const start = (member: Member): void => {
    const { name, url, expect } = member
    const argv: [string, ...string[]] = [BINARY, 'agent', '-server', '-node', name]
    argv.push('-data-dir', join(folder, name), '-bind', '127.0.0.1', '-retry-join', joins)
    if (expect > 0) argv.push('-bootstrap-expect', `${expect}`)
    argv.push('-log-level', logLevel)
    argv.push(
      '-hcl',
      `performance { raft_multiplier = 1 } limits { http_max_conns_per_client = 4096 } ${tls} ${typeof hcl === 'string' ? hcl : hcl(member.number)}`,
    )
    argv.push('-http-port', `${member.http}`, '-dns-port', `${member.dns}`, '-grpc-port', '-1')
    argv.push('-server-port', `${member.server}`, '-serf-lan-port', `${member.serf}`)
    const env = hasProbe ? { NODE_OPTIONS: `--import ${PROBE}`, BENCH_PROBE: probeAt(name) } : {}
    members.start(name, { argv, logFile: join(folder, `${name}.log`), env })
    known.set(url, member)
    alive.add(url)
  }
  const probeAt = (name: string): string => join(folder, `${name}.probe`)
  const nameOf = (url: string): string => known.get(url)?.name ?? ''
  for (const member of made) start(member)
  const cluster: FairleadCluster = {
    name: 'fairlead',
    urls: made.map(({ url }) => url),
    leader: () => until('a leader of fairlead', () => leaderOf([...alive])),
    cpuMs: () => members.cpuMs(),
    rssBytes: () => members.rssBytes(),
    kill: async (url) => {
      alive.delete(url)
      await members.end(nameOf(url), 'SIGKILL')
      await rm(probeAt(nameOf(url)), { force: true })
    },
    restart: async (url) => {
      const member = known.get(url)
      if (member !== undefined) start(member)
    },
    add: async () => {
      const member = await newMember(known.size + 1, 0)
      start(member)
      return member.url
    },
    pidOf: (url) => members.pid(nameOf(url)),
    probeOf: (url) => probeAt(nameOf(url)),
    logOf: (url) => readFile(join(folder, `${nameOf(url)}.log`), 'utf8'),
    [Symbol.asyncDispose]: () => members.endAll(),
  }
  await cluster.leader()
  return cluster
}

async function newMember(number: number, expect: number): Promise<Member> {
  const [http = 0, dns = 0, server = 0, serf = 0] = await freePorts(4)
  const url = `http://127.0.0.1:${http}`
  return { number, name: `server${number}`, url, http, dns, server, serf, expect }
}

/** The member that says of itself that it leads. */
async function leaderOf(urls: readonly string[]): Promise<string | undefined> {
  for (const url of urls) {
    if ((await raftStats(url))?.['state'] === 'Leader') return url
  }
  return undefined
}

/** What a server says of its Raft; undefined while it does not answer. */
export async function raftStats(url: string): Promise<Record<string, string> | undefined> {
  try {
    const response = await fetch(`${url}/v1/agent/self`, { signal: AbortSignal.timeout(1_000) })
    const self = (await response.json()) as { Stats?: { raft?: Record<string, string> } }
    return self.Stats?.raft
  } catch {
    // Not listening yet, or no more.
    return undefined
  }
}
