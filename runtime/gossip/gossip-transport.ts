/**
 * UDP and TCP of a gossip member on one port number.
 *
 * Guarantees: both or none are bound; after `close` no callback runs. With port 0 a port is looked for that is free for
 * both, PORT_TRIES times.
 */

import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { ExchangeOutcome, NodeAddress } from '../../core/swim/types.ts'
import type { Clock, Instant } from '../../core/time.ts'
import { type PacketCounters, PacketSocket } from './packet-socket.ts'
import { RefusalLog } from './refusal-log.ts'
import type { Seal, SealRefusal } from './seal.ts'
import { exchange } from './stream-client.ts'
import { type RequestHandler, StreamServer } from './stream-server.ts'

const PORT_TRIES = 16

export interface GossipTransportOptions {
  readonly family: 4 | 6
  readonly bindAddress: string
  /** 0 takes any. */
  readonly port: number
  readonly streamTimeoutMs: number
}

export interface GossipTransportDeps {
  readonly seal: Seal
  readonly clock: Clock
  readonly log: Logger
  readonly onUnsendable: (to: NodeAddress, isOurs: boolean) => void
  readonly onPacket: (from: NodeAddress, body: Uint8Array) => void
  readonly onRequest: RequestHandler
}

export class GossipTransport {
  readonly port: number
  readonly #packets: PacketSocket
  readonly #streams: StreamServer
  readonly #deps: GossipTransportDeps
  readonly #refusals: RefusalLog
  readonly #closing = new AbortController()
  readonly #exchanges = new Set<Promise<ExchangeOutcome>>()

  private constructor(
    port: number,
    sockets: {
      readonly packets: PacketSocket
      readonly streams: StreamServer
      readonly refusals: RefusalLog
    },
    deps: GossipTransportDeps,
  ) {
    this.port = port
    this.#packets = sockets.packets
    this.#streams = sockets.streams
    this.#refusals = sockets.refusals
    this.#deps = deps
  }

  /** @throws FairleadError INVALID_CONFIG when the address or the port cannot be had */
  static async open(
    options: GossipTransportOptions,
    deps: GossipTransportDeps,
  ): Promise<GossipTransport> {
    const { family, bindAddress, port, streamTimeoutMs } = options
    const refusals = new RefusalLog(deps)
    for (let left = port === 0 ? PORT_TRIES : 1; ; left--) {
      const streams = new StreamServer({ timeoutMs: streamTimeoutMs }, { ...deps, refusals })
      const packets = new PacketSocket(family, { ...deps, refusals })
      try {
        const chosen = await streams.listen(bindAddress, port)
        await packets.bind(bindAddress, chosen)
        return new GossipTransport(chosen, { packets, streams, refusals }, deps)
      } catch (cause) {
        await Promise.all([streams.close(), packets.close()])
        if (left > 1 && isTaken(cause)) continue
        const reason = cause instanceof Error ? cause.message : String(cause)
        throw new FairleadError('INVALID_CONFIG', `Failed to start gossip: ${reason}`, {
          facts: { bindAddress, port },
          cause,
        })
      }
    }
  }

  get packetCounters(): Readonly<PacketCounters> {
    return this.#packets.counters
  }

  get streamsRefused(): number {
    return this.#streams.refused
  }

  /** What was not opened, by reason. */
  get refusals(): ReadonlyMap<SealRefusal, number> {
    return this.#refusals.counts
  }

  send(to: NodeAddress, body: Uint8Array): void {
    this.#packets.send(to, body)
  }

  async exchange(
    to: NodeAddress,
    body: Uint8Array,
    options: { readonly deadline: Instant; readonly isSecret?: boolean },
  ): Promise<ExchangeOutcome> {
    const running = exchange({ to, body, signal: this.#closing.signal, ...options }, this.#deps)
    this.#exchanges.add(running)
    const outcome = await running
    this.#exchanges.delete(running)
    return outcome
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.all([this.#packets.close(), this.#streams.close(), ...this.#exchanges])
  }
}

function isTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
}
