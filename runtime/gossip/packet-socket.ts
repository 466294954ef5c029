/**
 * The UDP socket of a gossip member: sealed bodies out, opened bodies in.
 *
 * A packet that cannot be sent is lost, as any packet may be: counted and told, never an error, as the protocol makes good
 * what is lost and the prober judges by what it is told. Addresses are literals, so no name is looked up on the way out.
 */

import type { Buffer } from 'node:buffer'
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import type { Logger } from '../../core/log.ts'
import type { NodeAddress } from '../../core/swim/types.ts'
import type { RefusalLog } from './refusal-log.ts'
import type { Seal } from './seal.ts'

/** Asked of the kernel, which may give less: room for a burst while the process is busy (gossip.md 1). */
const RECEIVE_BUFFER_BYTES = 2 * 1024 * 1024

export interface PacketCounters {
  received: number
  sent: number
  refused: number
  failed: number
  bytesSent: number
  bytesReceived: number
}

export interface PacketSocketDeps {
  readonly seal: Seal
  readonly log: Logger
  readonly refusals: RefusalLog
  /** @param isOurs for a reason of this host: its interface is down, its filter forbids it */
  readonly onUnsendable: (to: NodeAddress, isOurs: boolean) => void
  /** `body` is the caller's to keep. */
  readonly onPacket: (from: NodeAddress, body: Uint8Array) => void
}

export class PacketSocket {
  readonly #socket: Socket
  readonly #deps: PacketSocketDeps
  readonly counters: PacketCounters = {
    received: 0,
    sent: 0,
    refused: 0,
    failed: 0,
    bytesSent: 0,
    bytesReceived: 0,
  }
  #isClosed = false

  constructor(family: 4 | 6, deps: PacketSocketDeps) {
    this.#deps = deps
    this.#socket = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      ipv6Only: family === 6,
      lookup: (address, _options, callback) => callback(null, address, family),
    })
    this.#socket.on('message', (packet, from) => this.#onMessage(packet, from))
  }

  /** @returns the port; @throws the platform's error when the address cannot be bound */
  async bind(address: string, port: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#socket.once('error', reject)
    this.#socket.bind({ port, address, exclusive: true }, resolve)
    await promise
    this.#socket.off('error', reject)
    this.#socket.on('error', (err) => this.#deps.log.warn('gossip socket failed', { err }))
    this.#enlargeBuffer()
    return this.#socket.address().port
  }

  send(to: NodeAddress, body: Uint8Array): void {
    if (this.#isClosed) return
    // Whoever sends from port 0 can get no answer (RFC 768), and the platform throws; no member is there, so none is told of.
    if (to.port === 0) {
      this.counters.failed++
      return
    }
    const packet = this.#deps.seal.sealPacket(body)
    this.counters.sent++
    this.counters.bytesSent += packet.length
    this.#socket.send(packet, to.port, to.address, (error) => {
      if (error === null) return
      this.counters.failed++
      if (!this.#isClosed) this.#deps.onUnsendable(to, !isOfTheOther(error))
    })
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#socket.close(resolve)
    await promise
  }

  #onMessage(packet: Buffer, { address, port }: RemoteInfo): void {
    if (this.#isClosed) return
    this.counters.received++
    this.counters.bytesReceived += packet.length
    const opened = this.#deps.seal.openPacket(packet)
    if (opened.kind === 'opened') {
      this.#deps.onPacket({ address, port }, opened.body)
    } else {
      this.counters.refused++
      this.#deps.refusals.note(opened.reason, { address, port })
    }
  }

  #enlargeBuffer(): void {
    try {
      this.#socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES)
    } catch (err) {
      this.#deps.log.debug('gossip socket keeps its small receive buffer', { err })
    }
  }
}

/** The way to the other ends there; everything else is of this host. */
function isOfTheOther(error: NodeJS.ErrnoException): boolean {
  return ['ECONNREFUSED', 'EHOSTUNREACH', 'EHOSTDOWN'].includes(error.code ?? '')
}
