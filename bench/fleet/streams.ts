/**
 * What subscribed agents cost a server: memory of an agent's stream, processor time of a change sent to all.
 *
 * A server of its own process (with a probe), BENCH_STREAMS (2,000) connections of this process that speak the
 * protocol of feeds over plain HTTP/2, each following TOPICS services of which one changes. Memory is measured by the
 * server after full collections; the bytes of its sockets in the kernel do not count. Run alone:
 * `node bench/fleet/streams.ts`.
 */

import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'
import { join } from 'node:path'
import { encodeFeedMessage, FEEDS_SERVICE } from '../../runtime/rpc/feed-messages.ts'
import { memoryOf } from '../cluster/ask-probe.ts'
import { startFairlead } from '../cluster/fairlead-cluster.ts'
import { temporaryFolder } from '../cluster/members.ts'
import { type Figure, printFigures } from '../figures.ts'
import { cpuMs } from '../process-stats.ts'

const STREAMS = Number(process.env['BENCH_STREAMS'] ?? 2_000)
/** Services that an agent of a host follows. */
const TOPICS = 10
const CHANGES = 50
/** Below what servers admit in a second. */
const OPENED_AT_A_TIME = 100
const OPENED_EVERY_MS = 300
const MEMORY_MARK_KB = 30

/** One agent that reads and counts, and keeps nothing. */
class Subscriber {
  readonly #session: ClientHttp2Session
  readonly #stream: ClientHttp2Stream
  #rest: Buffer = Buffer.alloc(0)
  #messages = 0
  #onMessage: () => void = () => {}

  constructor(address: string) {
    this.#session = connect(`http://${address}`)
    this.#session.on('error', () => {}) // told by the stream
    this.#stream = this.#session.request({
      ':method': 'POST',
      ':path': FEEDS_SERVICE.feeds.path,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    this.#stream.on('error', (error) => console.error(error))
    this.#stream.on('data', (bytes: Buffer) => this.#receive(bytes))
  }

  follow(service: string): void {
    const bytes = encodeFeedMessage({ kind: 'follow', topic: { topic: 'health', key: service } })
    const head = Buffer.alloc(5)
    head.writeUInt32BE(bytes.length, 1)
    this.#stream.write(Buffer.concat([head, bytes]))
  }

  /** Resolves when `count` messages more have come. Bookmarks count, too: they are few. */
  async receives(count: number): Promise<void> {
    const until = this.#messages + count
    while (this.#messages < until) await new Promise<void>((done) => (this.#onMessage = done))
  }

  close(): void {
    this.#session.destroy()
  }

  #receive(bytes: Buffer): void {
    let rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
      rest = rest.subarray(5 + rest.readUInt32BE(1))
      this.#messages += 1
    }
    this.#rest = Buffer.from(rest)
    this.#onMessage()
  }
}

export async function benchStreams(): Promise<Figure[]> {
  await using folder = await temporaryFolder()
  await using cluster = await startFairlead(join(folder.path, 'server'), {
    size: 1,
    hasProbe: true,
  })
  const server = await cluster.leader()
  const address = await rpcAddress(server)
  const pid = cluster.pidOf(server)
  for (let i = 0; i < TOPICS; i++) await register(server, `service${i}`, 1)
  const [warm] = await open(address, 1)
  const before = await memoryOf(cluster.probeOf(server))
  const subscribers = await open(address, STREAMS)
  const after = await memoryOf(cluster.probeOf(server))
  const idleMs = await idle(pid)
  const begun = cpuMs(pid)
  const started = performance.now()
  for (let i = 0; i < CHANGES; i++) {
    const seen = Promise.all(subscribers.map((one) => one.receives(1)))
    await register(server, 'service0', 100 + i)
    await seen
  }
  const took = performance.now() - started
  const used = cpuMs(pid) - begun
  for (const one of [warm, ...subscribers]) one?.close()
  const kilobytes = (bytes: number): number => bytes / STREAMS / 1000
  const mark = { name: 'the mark', value: MEMORY_MARK_KB }
  const inAll = after.rss - before.rss
  return [
    { name: `resident, of ${STREAMS} agents each`, value: kilobytes(inAll), unit: 'kB', mark },
    { name: 'heap, of each', value: kilobytes(after.heapUsed - before.heapUsed), unit: 'kB' },
    {
      name: 'processor per change and agent',
      value: (1000 * used) / CHANGES / STREAMS,
      unit: 'µs',
    },
    { name: 'a change to all of them', value: took / CHANGES, unit: 'ms' },
    { name: 'processor while nothing changes', value: (100 * idleMs) / IDLE_MS, unit: '%' },
  ]
}

const IDLE_MS = 10_000

async function idle(pid: number): Promise<number> {
  const before = cpuMs(pid)
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS))
  return cpuMs(pid) - before
}

async function open(address: string, count: number): Promise<readonly Subscriber[]> {
  const opened: Subscriber[] = []
  while (opened.length < count) {
    const batch = Array.from(
      { length: Math.min(OPENED_AT_A_TIME, count - opened.length) },
      () => new Subscriber(address),
    )
    const ready = Promise.all(batch.map((one) => one.receives(TOPICS)))
    for (const one of batch) for (let i = 0; i < TOPICS; i++) one.follow(`service${i}`)
    await ready
    opened.push(...batch)
    await new Promise((resolve) => setTimeout(resolve, OPENED_EVERY_MS))
  }
  return opened
}

async function rpcAddress(url: string): Promise<string> {
  return (await (await fetch(`${url}/v1/status/leader`)).json()) as string
}

async function register(url: string, service: string, port: number): Promise<void> {
  const body = {
    Node: 'external',
    Address: '10.0.0.1',
    Service: { Service: service, ID: service, Port: port, Tags: ['v1'], Meta: { team: 'shop' } },
    Check: { CheckID: service, Name: service, Status: 'passing', ServiceID: service },
  }
  const path = `${url}/v1/catalog/register`
  const response = await fetch(path, { method: 'PUT', body: JSON.stringify(body) })
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
}

if (import.meta.main) printFigures('What subscribed agents cost a server', await benchStreams())
