/**
 * Passes questions on to other name servers, unchanged but for the id (dns.md section 13).
 *
 * Each try has a socket of its own (so a random port), a random id, and takes only a reply from the asked
 * address with that id and the same question. NOERROR and NXDOMAIN replies are returned as they are; any
 * other code, an error or the timeout moves on to the next server. No cache.
 * Bounds: `FORWARDS_MAX` forwarded questions at a time, beyond which there is no answer.
 */

import { Buffer } from 'node:buffer'
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { connect, isIP, isIPv6 } from 'node:net'
import { decodeReplyHeader } from '../../core/dns/decode-reply.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Rng } from '../../core/rng.ts'
import type { Clock } from '../../core/time.ts'
import { withDeadline } from '../../runtime/clock/with-deadline.ts'

export interface RecursorAddress {
  readonly host: string
  readonly port: number
}

export interface RecursorOptions {
  readonly strategy: 'sequential' | 'random'
  readonly timeoutMs: number
}

export type Transport = 'udp' | 'tcp'

const FORWARDS_MAX = 512
const PORT_DEFAULT = 53
const RCODES_FINAL = new Set([0, 3])

/**
 * Addresses of the configured recursors, host names resolved, duplicates removed.
 *
 * @param entries `host`, `host:port`, `[v6]:port` or a bare IPv6 address
 * @throws FairleadError INVALID_CONFIG naming the entry that cannot be resolved
 */
export async function resolveRecursors(
  entries: readonly string[],
): Promise<readonly RecursorAddress[]> {
  const resolved = new Map<string, RecursorAddress>()
  for (const entry of entries) {
    const { host, port } = splitAddress(entry)
    const address = { host: isIP(host) !== 0 ? host : await resolveHost(host, entry), port }
    resolved.set(`${address.host} ${address.port}`, address)
  }
  return [...resolved.values()]
}

export class Recursors {
  readonly #addresses: readonly RecursorAddress[]
  readonly #options: RecursorOptions
  readonly #deps: { readonly clock: Clock; readonly rng: Rng; readonly signal: AbortSignal }
  #running = 0

  constructor(
    addresses: readonly RecursorAddress[],
    options: RecursorOptions,
    deps: { readonly clock: Clock; readonly rng: Rng; readonly signal: AbortSignal },
  ) {
    this.#addresses = addresses
    this.#options = options
    this.#deps = deps
  }

  get isEmpty(): boolean {
    return this.#addresses.length === 0
  }

  /**
   * @param questionEnd where the question section of `packet` ends
   * @returns the reply with the id of `packet`, or null when no recursor gave a usable one
   */
  async forward(
    packet: Uint8Array,
    questionEnd: number,
    transport: Transport,
  ): Promise<Uint8Array | null> {
    if (this.#running >= FORWARDS_MAX) return null
    this.#running++
    try {
      for (const address of this.#inOrder()) {
        const reply = await this.#tryOne(address, packet, questionEnd, transport)
        if (reply !== null) return reply
        if (this.#deps.signal.aborted) return null
      }
      return null
    } finally {
      this.#running--
    }
  }

  #inOrder(): readonly RecursorAddress[] {
    if (this.#options.strategy === 'sequential') return this.#addresses
    return this.#deps.rng.shuffle(this.#addresses)
  }

  async #tryOne(
    address: RecursorAddress,
    packet: Uint8Array,
    questionEnd: number,
    transport: Transport,
  ): Promise<Uint8Array | null> {
    const query = Buffer.from(packet)
    query.writeUInt16BE(randomInt(0x10000), 0)
    const isReply = (reply: Buffer): boolean => answers(reply, query, questionEnd)
    const ask = transport === 'udp' ? askUdp : askTcp
    let reply: Buffer
    try {
      reply = await withDeadline(
        this.#deps.clock,
        this.#options.timeoutMs,
        this.#deps.signal,
        (signal) => ask(address, query, isReply, signal),
      )
    } catch {
      return null // unreachable or too late: the next recursor is asked
    }
    if (!RCODES_FINAL.has(decodeReplyHeader(reply)?.rcode ?? -1)) return null
    reply[0] = packet[0] as number
    reply[1] = packet[1] as number
    return reply
  }
}

type Ask = (
  address: RecursorAddress,
  query: Buffer,
  isReply: (reply: Buffer) => boolean,
  signal: AbortSignal,
) => Promise<Buffer>

const askUdp: Ask = (address, query, isReply, signal) => {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const socket = createSocket(isIPv6(address.host) ? 'udp6' : 'udp4')
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  socket.on('error', reject)
  socket.on('message', (message) => {
    if (isReply(message)) resolve(message)
  })
  // Connected: the kernel drops what comes from anyone else.
  socket.connect(address.port, address.host, () => socket.send(query))
  return promise.finally(() => {
    signal.removeEventListener('abort', onAbort)
    socket.close()
  })
}

const askTcp: Ask = (address, query, isReply, signal) => {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const socket = connect({ host: address.host, port: address.port, signal })
  let received: Buffer = Buffer.alloc(0)
  socket.on('error', reject)
  socket.on('close', () =>
    reject(new FairleadError('NO_SERVERS', 'Recursor closed the connection')),
  )
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
    if (received.length < 2) return
    const end = 2 + received.readUInt16BE(0)
    if (received.length < end) return
    const message = received.subarray(2, end)
    if (isReply(message)) resolve(Buffer.from(message))
    else reject(new FairleadError('NO_SERVERS', 'Recursor sent something else'))
  })
  const head = Buffer.alloc(2)
  head.writeUInt16BE(query.length)
  socket.write(Buffer.concat([head, query]))
  return promise.finally(() => socket.destroy())
}

/** A response with the same id and, letter for letter, the same question. */
function answers(reply: Buffer, query: Buffer, questionEnd: number): boolean {
  const header = decodeReplyHeader(reply)
  if (header === null || header.id !== query.readUInt16BE(0)) return false
  if (reply.length < questionEnd) return false
  return query.compare(reply, 12, questionEnd, 12, questionEnd) === 0
}

function splitAddress(entry: string): RecursorAddress {
  if (isIP(entry) !== 0) return { host: entry, port: PORT_DEFAULT }
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::([0-9]{1,5}))?$/.exec(entry)
  const host = match?.[1] ?? match?.[2]
  const port = match?.[3] === undefined ? PORT_DEFAULT : Number(match[3])
  if (host === undefined || port < 1 || port > 65535) throw invalid(entry, undefined)
  return { host, port }
}

async function resolveHost(host: string, entry: string): Promise<string> {
  try {
    return (await lookup(host)).address
  } catch (cause) {
    throw invalid(entry, cause)
  }
}

function invalid(entry: string, cause: unknown): FairleadError {
  return new FairleadError('INVALID_CONFIG', `Invalid recursor address "${entry}"`, { cause })
}
