/**
 * Asks a DNS server over real sockets and decodes the answer with an independent library.
 */

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import dnsPacket from 'dns-packet'

export interface Answered {
  readonly rcode: string
  readonly packet: dnsPacket.DecodedPacket
  readonly size: number
  /** Of the client subnet in the answer; undefined when it names none. */
  readonly scope: number | undefined
  /** `owner TYPE data`, sorted. */
  readonly answers: readonly string[]
  readonly authority: readonly string[]
  /** Without OPT. */
  readonly additional: readonly string[]
}

export interface AskOptions {
  readonly transport?: 'udp' | 'tcp'
  /** EDNS0 UDP size; without it no OPT record is sent. */
  readonly edns?: number
  readonly host?: string
  /** `address/prefix`: asked on behalf of these clients (RFC 7871); takes `edns` along. */
  readonly subnet?: string
}

let nextId = 1

export async function ask(
  port: number,
  name: string,
  type: dnsPacket.RecordType | 'ANY',
  options: AskOptions = {},
): Promise<Answered> {
  const packet = query(name, type, options.edns, options.subnet)
  const host = options.host ?? '127.0.0.1'
  const reply =
    options.transport === 'tcp'
      ? ((await exchangeTcp(port, [packet], host))[0] as Buffer)
      : await exchangeUdp(port, packet, host)
  if (reply.readUInt16BE(0) !== packet.readUInt16BE(0)) throw new Error('the id is another')
  return answered(reply)
}

export function query(name: string, type: string, edns?: number, subnet?: string): Buffer {
  const [ip, prefix] = subnet?.split('/') ?? []
  const options = ip === undefined ? [] : [{ code: 8, ip, sourcePrefixLength: Number(prefix) }]
  const opt = { type: 'OPT', name: '.', extendedRcode: 0, ednsVersion: 0, flags: 0, options }
  return dnsPacket.encode({
    type: 'query',
    id: nextId++ & 0xffff,
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ name, type: type as dnsPacket.RecordType }],
    additionals:
      edns === undefined ? [] : [{ ...opt, udpPayloadSize: edns } as unknown as dnsPacket.Answer],
  })
}

export async function exchangeUdp(port: number, packet: Buffer, host: string): Promise<Buffer> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  try {
    socket.connect(port, host)
    await once(socket, 'connect')
    const reply = once(socket, 'message', { signal: AbortSignal.timeout(8000) })
    socket.send(packet)
    const [message] = await reply
    return message
  } finally {
    socket.close()
  }
}

/** Sends all queries at once on one connection and returns the replies in the order they came. */
export async function exchangeTcp(
  port: number,
  packets: readonly Buffer[],
  host = '127.0.0.1',
): Promise<Buffer[]> {
  const socket = connect({ port, host })
  try {
    for (const packet of packets) {
      const size = Buffer.alloc(2)
      size.writeUInt16BE(packet.length)
      socket.write(Buffer.concat([size, packet]))
    }
    const replies: Buffer[] = []
    let received = Buffer.alloc(0)
    for await (const chunk of socket) {
      received = Buffer.concat([received, chunk as Buffer])
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0)
        replies.push(received.subarray(2, end))
        received = received.subarray(end)
      }
      if (replies.length === packets.length) return replies
    }
    throw new Error(`the connection closed after ${replies.length} replies`)
  } finally {
    socket.destroy()
  }
}

export function answered(reply: Buffer): Answered {
  const packet = dnsPacket.decode(reply)
  const additional = (packet.additionals ?? []).filter((record) => record.type !== 'OPT')
  return {
    rcode: (packet as unknown as { rcode: string }).rcode,
    packet,
    size: reply.length,
    scope: scopeOf(packet),
    answers: (packet.answers ?? []).map(print).sort(),
    authority: (packet.authorities ?? []).map(print).sort(),
    additional: additional.map(print).sort(),
  }
}

function scopeOf({ additionals = [] }: dnsPacket.DecodedPacket): number | undefined {
  for (const record of additionals) {
    if (record.type !== 'OPT') continue
    for (const option of record.options) {
      if (option.code === 8) return (option as { scopePrefixLength?: number }).scopePrefixLength
    }
  }
  return undefined
}

function print(record: dnsPacket.Answer): string {
  const data = (record as { data: unknown }).data
  if (record.type === 'SRV') {
    const { priority, weight, port, target } = record.data
    return `${record.name} SRV ${priority} ${weight} ${port} ${target}`
  }
  if (record.type === 'SOA') return `${record.name} SOA ${record.data.mname} ${record.data.rname}`
  return `${record.name} ${record.type} ${data}`
}
