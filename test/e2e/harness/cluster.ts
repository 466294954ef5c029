/**
 * Clusters for black-box tests: real agents on loopback, with data directories and fixed ports of their own, that
 * can be stopped, killed and started again.
 *
 *   await using cluster = await createCluster(['n1', 'n2', 'n3'])
 *   await cluster.startAll()
 *   const leader = await cluster.leader()
 *
 * Leaving the block kills whatever still runs. Timers of Raft, gossip and farewells are short.
 */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryFolder } from './agent.ts'
import { freePort } from './free-port.ts'
import {
  eventually,
  type Finished,
  finished,
  kill,
  PROGRAM,
  processesMentioning,
  runCommand,
} from './program.ts'

const READY_MAX_MS = 60_000
const LEADER_MAX_MS = 60_000
const FAST = [
  'performance { raft_multiplier = 1 leave_drain_time = "200ms" }',
  'gossip_lan { probe_interval = "500ms" probe_timeout = "250ms" gossip_interval = "100ms" }',
].join('\n')

export interface Ports {
  readonly http: number
  readonly dns: number
  readonly server: number
  readonly serf: number
}

export interface ClusterOptions {
  /** For every server. */
  readonly flags?: readonly string[]
  /** Default: the number of names. */
  readonly expect?: number
}

export async function createCluster(
  names: readonly string[],
  options: ClusterOptions = {},
): Promise<TestCluster> {
  const cluster = new TestCluster(await temporaryFolder(), options)
  for (const name of names) await cluster.addServer(name, options.expect ?? names.length)
  return cluster
}

export class TestCluster implements AsyncDisposable {
  readonly folder: string
  readonly nodes = new Map<string, TestNode>()
  readonly #options: ClusterOptions
  readonly #joinAddresses: string[] = []

  constructor(folder: string, options: ClusterOptions) {
    this.folder = folder
    this.#options = options
  }

  /** Makes a server without starting it. @param expect 0: added by the others */
  async addServer(name: string, expect = 0): Promise<TestNode> {
    const role = expect > 0 ? ['-server', `-bootstrap-expect=${expect}`] : ['-server']
    return this.#add(name, [...role, ...(this.#options.flags ?? [])])
  }

  /** Makes a client agent without starting it. */
  async addClient(name: string, flags: readonly string[] = []): Promise<TestNode> {
    return this.#add(name, flags)
  }

  node(name: string): TestNode {
    const node = this.nodes.get(name)
    assert(node !== undefined, `there is no node ${name}`)
    return node
  }

  get running(): readonly TestNode[] {
    return [...this.nodes.values()].filter((node) => node.isRunning)
  }

  async startAll(): Promise<void> {
    await Promise.all([...this.nodes.values()].map((node) => node.start()))
  }

  /** The leader that all running servers name. */
  async leader(): Promise<TestNode> {
    return await eventually(
      'all servers name one leader',
      async () => {
        const servers = this.running.filter((node) => node.isServer)
        const named = await Promise.all(servers.map((node) => node.leaderAddress()))
        const [first] = named
        if (first === undefined || first === '' || named.some((each) => each !== first)) return
        return servers.find((node) => node.rpcAddress === first)
      },
      LEADER_MAX_MS,
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes.values()) node.signal('SIGKILL')
    await Promise.all([...this.nodes.values()].map((node) => node.ended))
    for (const pid of processesMentioning(this.folder)) kill(pid)
    await rm(this.folder, { recursive: true, force: true })
  }

  async #add(name: string, flags: readonly string[]): Promise<TestNode> {
    const ports = await freePorts()
    this.#joinAddresses.push(`127.0.0.1:${ports.serf}`)
    // Everybody who is known by then: a restarted node must find others also when the first is gone.
    const joins = () => this.#joinAddresses.map((address) => `-retry-join=${address}`)
    const node = new TestNode({ name, folder: join(this.folder, name), ports, flags, joins })
    this.nodes.set(name, node)
    return node
  }
}

interface NodeSetup {
  readonly name: string
  readonly folder: string
  readonly ports: Ports
  readonly flags: readonly string[]
  readonly joins: () => readonly string[]
}

export class TestNode {
  readonly name: string
  ports: Ports
  readonly isServer: boolean
  /** `http://127.0.0.1:<port>` */
  readonly url: string
  readonly #setup: NodeSetup
  #child: ChildProcess | undefined
  #ended: Promise<Finished> | undefined
  #output = ''
  readonly #moreFlags: string[] = []

  constructor(setup: NodeSetup) {
    this.#setup = setup
    this.name = setup.name
    this.ports = setup.ports
    this.isServer = setup.flags.includes('-server')
    this.url = `http://127.0.0.1:${setup.ports.http}`
  }

  /** For its next starts, besides those it was made with. */
  addFlags(...flags: readonly string[]): void {
    this.#moreFlags.push(...flags)
  }

  /** Its data directory. */
  get folder(): string {
    return this.#setup.folder
  }

  get rpcAddress(): string {
    return `127.0.0.1:${this.ports.server}`
  }

  get isRunning(): boolean {
    return (
      this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
    )
  }

  /** Of all its runs. */
  get output(): string {
    return this.#output
  }

  /** How the present or last run ended; at once for a node that never ran. */
  get ended(): Promise<Finished | undefined> {
    return this.#ended ?? Promise.resolve(undefined)
  }

  /** Resolves when its HTTP API answers. @param isTold whom to join; untold it has only what it remembers */
  async start({ isTold = true }: { readonly isTold?: boolean } = {}): Promise<void> {
    assert(!this.isRunning, `${this.name} is running`)
    const { name, folder, flags, joins } = this.#setup
    const { ports } = this
    const argv = [
      'agent',
      `-node=${name}`,
      `-data-dir=${folder}`,
      '-bind=127.0.0.1',
      '-log-json',
      '-retry-interval=500ms',
      `-http-port=${ports.http}`,
      `-dns-port=${ports.dns}`,
      `-server-port=${ports.server}`,
      `-serf-lan-port=${ports.serf}`,
      `-hcl=${FAST}`,
      ...(isTold ? joins() : []),
      ...flags,
      ...this.#moreFlags,
    ]
    const child = spawn(PROGRAM, argv, { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
      })
    }
    this.#child = child
    this.#ended = finished(child)
    await eventually(
      `${name} is ready`,
      async () => {
        if (!this.isRunning) throw new Error(`${name} ended while starting:\n${this.#output}`)
        return (await fetch(`${this.url}/v1/agent/version`)).ok
      },
      READY_MAX_MS,
    )
  }

  signal(signal: NodeJS.Signals): void {
    if (this.isRunning) this.#child?.kill(signal)
  }

  /** As a power cut would, and waits until it is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.ended
  }

  /** Its disk is replaced by an empty one; to be done while it does not run. */
  async emptyDisk(): Promise<void> {
    assert(!this.isRunning)
    await rm(this.#setup.folder, { recursive: true, force: true })
  }

  /** Its RPC is at another port from the next start on. */
  async move(): Promise<void> {
    this.ports = { ...this.ports, server: (await freePorts()).server }
  }

  /** With SIGTERM. @returns its exit code */
  async stop(): Promise<number | null> {
    this.signal('SIGTERM')
    return (await this.ended)?.code ?? null
  }

  /** '' when it knows none; undefined when it does not answer. */
  async leaderAddress(): Promise<string | undefined> {
    try {
      const response = await fetch(`${this.url}/v1/status/leader`)
      const address: unknown = await response.json()
      return typeof address === 'string' ? address : undefined
    } catch {
      return undefined
    }
  }

  async json<T>(path: string): Promise<T> {
    const response = await fetch(`${this.url}${path}`)
    const text = await response.text()
    assert.equal(response.status, 200, `${this.name} ${path}: ${text}`)
    return JSON.parse(text)
  }

  async put(path: string, body: unknown = ''): Promise<Response> {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    return await fetch(`${this.url}${path}`, { method: 'PUT', body: text })
  }

  /** The text of a key, undefined when there is none. */
  async value(key: string, mode = ''): Promise<string | undefined> {
    const response = await fetch(`${this.url}/v1/kv/${key}?raw&${mode}`)
    const text = await response.text()
    if (response.status === 404) return undefined
    assert.equal(response.status, 200, `${this.name}: ${text}`)
    return text
  }

  async command(...argv: readonly string[]): Promise<Finished> {
    return await runCommand(argv, { env: { CONSUL_HTTP_ADDR: `127.0.0.1:${this.ports.http}` } })
  }
}

async function freePorts(): Promise<Ports> {
  return {
    http: await freePort(),
    dns: await freePort(),
    server: await freePort(),
    serf: await freePort(),
  }
}
