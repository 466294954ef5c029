/**
 * CPU time of a DNS query: the agent's DNS server on a real state store, asked over loopback.
 *
 * The server runs in this process and only its CPU time counts (user and system, so the kernel's share of
 * receiving and sending is in it); a child process asks, with a bounded number of questions in flight.
 * Consul's mark is the published 114 µs a query of version 1.10, not measured in the same run.
 * Bounded: about 20 s. Run alone: `node bench/dns.ts`.
 */

import { Buffer } from 'node:buffer'
import { fork } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { createDnsServer, type DnsServer } from '../agent/dns/dns-server.ts'
import { PreparedQueries } from '../agent/queries/prepared-queries.ts'
import { SubscribedViews } from '../agent/view/catalog-views.ts'
import type { RegisterRequest } from '../core/catalog/commands.ts'
import type { FeedFrame, TopicKey } from '../core/catalog/feed.ts'
import { StateStore } from '../core/catalog/state-store.ts'
import type { DnsConfig } from '../core/config/model.ts'
import { silentLogger } from '../core/log.ts'
import { unrecordedMetrics } from '../core/metrics/metrics.ts'
import { seededRng } from '../core/rng.ts'
import type { ReadName, Reads } from '../core/rpc/reads.ts'
import type { ServerApi, Subscription } from '../core/rpc/server-api.ts'
import { systemClock } from '../runtime/clock/system-clock.ts'
import { type Figure, median, printFigures } from './figures.ts'

const CONSUL_US = 114
const WARM_UP_QUERIES = 20_000
const QUERIES = 30_000
const RUNS = 5
/** Questions in flight; small enough that no socket buffer overflows. */
const WINDOW = 32
const INSTANCES = 10
/** Each on a node of its own. */
const SERVICES = 1000

const DNS: DnsConfig = {
  allowStale: true,
  maxStaleMs: 315_360_000_000,
  nodeTtlSeconds: 0,
  serviceTtlSeconds: {},
  onlyPassing: false,
  enableTruncate: false,
  udpAnswerLimit: 3,
  aRecordLimit: 0,
  disableCompression: false,
  recursors: [],
  recursorTimeoutMs: 2000,
  recursorStrategy: 'sequential',
  enableAdditionalNodeMetaTxt: true,
  soa: { refresh: 3600, retry: 600, expire: 86400, minTtl: 0 },
}

interface Question {
  readonly title: string
  /** Asked in turn. */
  readonly names: readonly string[]
  readonly type: number
  readonly transport: 'udp' | 'tcp'
}

const UDP = { transport: 'udp' } as const
const QUESTIONS: readonly Question[] = [
  { ...UDP, title: `A, ${INSTANCES} instances`, names: ['web.service.consul'], type: 1 },
  { ...UDP, title: `SRV, ${INSTANCES} instances`, names: ['_web._tcp.service.consul'], type: 33 },
  { ...UDP, title: 'A of a virtual name', names: ['web.virtual.consul'], type: 1 },
  { ...UDP, title: `A, ${SERVICES} services in turn`, names: serviceNames(), type: 1 },
  { ...UDP, title: `SRV, ${SERVICES} services in turn`, names: serviceNames(), type: 33 },
  { ...UDP, title: `A of ${SERVICES} nodes in turn`, names: nodeNames(), type: 1 },
  { ...UDP, title: `PTR of ${SERVICES} nodes in turn`, names: reverseNames(), type: 12 },
  { title: 'A over TCP', transport: 'tcp', names: ['web.service.consul'], type: 1 },
]

export async function benchDns(): Promise<Figure[]> {
  const server = await startServer()
  const port = server.addresses[0]?.port ?? 0
  const load = fork(fileURLToPath(import.meta.url), ['load', String(port)])
  const figures: Figure[] = []
  try {
    for (const question of QUESTIONS) {
      await ask(load, question, WARM_UP_QUERIES)
      const runs: number[] = []
      for (let i = 0; i < RUNS; i++) {
        const before = process.cpuUsage()
        await ask(load, question, QUERIES)
        const used = process.cpuUsage(before)
        runs.push((used.user + used.system) / QUERIES)
      }
      figures.push({
        name: `DNS ${question.title}, CPU a query`,
        value: median(runs),
        unit: 'µs',
        spread: (Math.max(...runs) - Math.min(...runs)) / 2,
        mark: { name: 'Consul 1.10 (published)', value: CONSUL_US },
      })
    }
  } finally {
    load.kill()
    await server.stop()
  }
  return figures
}

async function ask(load: ReturnType<typeof fork>, question: Question, count: number) {
  const { names, type, transport } = question
  const packets = names.map((name) => encodeQuestion(name, type).toString('base64'))
  load.send({ packets, count, transport } satisfies Order)
  const [answered] = await once(load, 'message')
  if (answered !== count) throw new Error(`${answered} of ${count} questions were answered`)
}

async function startServer(): Promise<DnsServer> {
  const servers = new LocalStore()
  servers.fill()
  const rng = seededRng(1)
  const deps = { servers, clock: systemClock, rng, log: silentLogger }
  const views = new SubscribedViews(deps)
  const queries = new PreparedQueries(
    { nodeName: 'vm-1', datacenter: 'dc1', disableCoordinates: false },
    deps,
  )
  const server = createDnsServer(
    { addresses: ['127.0.0.1'], port: 0, virtualBase: '127.128.0.0' },
    {
      ...deps,
      queries,
      metrics: unrecordedMetrics,
      views,
      config: { domain: 'consul', altDomain: '', datacenter: 'dc1', dns: DNS },
    },
  )
  await server.start(AbortSignal.timeout(5000))
  const stopServer = server.stop.bind(server)
  server.stop = async () => {
    await stopServer()
    await views.stop()
  }
  return server
}

/** A state store as the server, without Raft: the DNS path is the same. */
class LocalStore implements Pick<ServerApi, 'read' | 'subscribe'> {
  readonly #store = new StateStore({ datacenter: 'dc1' })

  fill(): void {
    for (let i = 1; i <= INSTANCES; i++) {
      this.#store.apply(i, { kind: 'register', request: registration(i, 'web') })
    }
    for (let i = 1; i <= SERVICES; i++) {
      this.#store.apply(INSTANCES + i, { kind: 'register', request: registration(i, `s${i}`) })
    }
  }

  subscribe(topic: TopicKey): Subscription {
    const frames: FeedFrame[] = []
    let wake = (): void => {}
    let isClosed = false
    const leave = this.#store.follow(topic, undefined, (frame) => {
      frames.push(frame)
      wake()
    })
    return {
      epoch: 'bench',
      close: () => {
        isClosed = true
        leave()
        wake()
      },
      async *[Symbol.asyncIterator]() {
        while (!isClosed) {
          const frame = frames.shift()
          if (frame !== undefined) yield frame
          else await new Promise<void>((resolve) => (wake = resolve))
        }
      },
    }
  }

  async read<N extends ReadName>(name: N, request: Reads[N]['request']) {
    const { value, index } = this.#store.read(name, request)
    return { value, index, knownLeader: true, lastContactMs: 0 }
  }
}

function registration(i: number, service: string): RegisterRequest {
  return {
    id: '',
    node: `vm-${i}`,
    address: addressOf(i),
    taggedAddresses: null,
    meta: { rack: `r${i}` },
    skipNodeUpdate: false,
    service: {
      kind: '',
      id: service,
      service,
      tags: ['v1'],
      address: '',
      port: 8000 + i,
      socketPath: '',
      taggedAddresses: {},
      meta: null,
      weights: { passing: 1, warning: 1 },
      enableTagOverride: false,
      connectNative: true,
    },
    checks: [],
  }
}

function addressOf(i: number): string {
  return `10.0.${i >> 8}.${i & 255}`
}

function serviceNames(): readonly string[] {
  return numbers().map((i) => `s${i}.service.consul`)
}

function nodeNames(): readonly string[] {
  return numbers().map((i) => `vm-${i}.node.consul`)
}

function reverseNames(): readonly string[] {
  return numbers().map((i) => `${addressOf(i).split('.').reverse().join('.')}.in-addr.arpa`)
}

function numbers(): readonly number[] {
  return Array.from({ length: SERVICES }, (_, i) => i + 1)
}

function encodeQuestion(name: string, type: number): Buffer {
  const labels = name.split('.').map((label) => Buffer.from(`\0${label}`))
  for (const label of labels) label[0] = label.length - 1
  const head = Buffer.from([0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0])
  return Buffer.concat([head, ...labels, Buffer.from([0, 0, type, 0, 1])])
}

/** What the asking process is told. */
interface Order {
  /** Base64, asked in turn. */
  readonly packets: readonly string[]
  readonly count: number
  readonly transport: 'udp' | 'tcp'
}

/** The asking process: sends what it is told to, `WINDOW` at a time, and reports the number of answers. */
function runLoad(port: number): void {
  const udp = createSocket('udp4')
  udp.connect(port, '127.0.0.1')
  let onReply = (_reply: Buffer): void => {}
  udp.on('message', (reply) => onReply(reply))
  process.on('message', ({ packets: encoded, count, transport }: Order) => {
    const packets = encoded.map((packet) => Buffer.from(packet, 'base64'))
    let sent = 0
    let answered = 0
    const tcp = transport === 'tcp' ? connect(port, '127.0.0.1') : undefined
    const sendOne = (): void => {
      if (sent === count) return
      const packet = packets[sent++ % packets.length] as Buffer
      if (tcp === undefined) udp.send(packet)
      else tcp.write(Buffer.concat([Buffer.of(packet.length >> 8, packet.length), packet]))
    }
    onReply = (reply) => {
      const isAnswer = ((reply[3] ?? 1) & 0xf) === 0 && reply.readUInt16BE(6) > 0
      if (!isAnswer) throw new Error('a question got no answer')
      answered++
      sendOne()
      if (answered < count) return
      tcp?.destroy()
      process.send?.(answered)
    }
    let received = Buffer.alloc(0)
    tcp?.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0)
        const reply = received.subarray(2, end)
        received = received.subarray(end)
        onReply(reply)
      }
    })
    for (let i = 0; i < WINDOW; i++) sendOne()
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] === 'load') runLoad(Number(process.argv[3]))
  else printFigures('DNS', await benchDns())
}
