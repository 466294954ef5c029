/**
 * The sockets of the DNS server: UDP and TCP on one port of every address.
 *
 * A reply over UDP leaves from the address that was asked. One socket on all addresses (0.0.0.0) would answer from
 * whichever address the route back has, and a client that asked another one, as containers and hosts with several
 * networks do, throws that away; so each address that the host has at the start gets a socket of its own beside the one
 * for all, which takes what is asked of addresses that come later. `::` stands for IPv4 too, as elsewhere.
 */

import { isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { Clock } from '../../core/time.ts'
import type { Answer } from './engine.ts'
import { TcpListener } from './tcp-listener.ts'
import { UdpListener } from './udp-listener.ts'

export interface ListenersDeps {
  readonly answerUdp: Answer
  readonly answerTcp: Answer
  readonly clock: Clock
  readonly log: Logger
}

export interface BoundAddress {
  readonly address: string
  readonly port: number
}

const ANY_IPV4 = '0.0.0.0'
const ANY_IPV6 = '::'
/** A port that UDP got may be taken on TCP; then another one is tried. */
const PORT_ATTEMPTS_MAX = 20

export class Listeners {
  readonly #deps: ListenersDeps
  readonly #udp: UdpListener[] = []
  readonly #tcp: TcpListener[] = []

  constructor(deps: ListenersDeps) {
    this.#deps = deps
  }

  /**
   * @param port 0 lets the kernel choose one for all
   * @throws FairleadError INVALID_CONFIG; what was bound before stays so until `close`
   */
  async listen(
    addresses: readonly string[],
    port: number,
    signal: AbortSignal,
  ): Promise<readonly BoundAddress[]> {
    const bound: BoundAddress[] = []
    for (const address of withBothFamilies(addresses)) {
      signal.throwIfAborted()
      const wanted = port === 0 ? (bound[0]?.port ?? 0) : port
      bound.push({ address, port: await this.#listenOn(address, wanted) })
    }
    return bound
  }

  /** Takes no more questions; replies to those taken still go out. */
  stopReading(): void {
    for (const tcp of this.#tcp) tcp.stopAccepting()
    for (const udp of this.#udp) udp.stopReading()
  }

  async close(): Promise<void> {
    const listeners = [...this.#udp.splice(0), ...this.#tcp.splice(0)]
    await Promise.all(listeners.map((listener) => listener.close()))
  }

  /** Binds both transports of an address to one port. */
  async #listenOn(address: string, wanted: number): Promise<number> {
    const { answerTcp, clock, log } = this.#deps
    const isAny = address === ANY_IPV4 || address === ANY_IPV6
    for (let attempt = 1; ; attempt++) {
      const udp = this.#newUdp(address, isAny)
      const tcp = new TcpListener({ answer: answerTcp, clock, log })
      try {
        const port = await udp.listen(address, wanted)
        await tcp.listen(address, port)
        this.#udp.push(udp)
        this.#tcp.push(tcp)
        if (isAny) await this.#listenOnEach(address, port)
        return port
      } catch (cause) {
        await Promise.all([udp.close(), tcp.close()])
        if (wanted === 0 && attempt < PORT_ATTEMPTS_MAX && isInUse(cause)) continue
        throw new FairleadError(
          'INVALID_CONFIG',
          `Cannot listen for DNS on ${address} port ${wanted}: ${messageOf(cause)}`,
          { cause },
        )
      }
    }
  }

  /** An address that cannot be bound, as one that has just gone, is left to the socket for all. */
  async #listenOnEach(any: string, port: number): Promise<void> {
    for (const address of hostAddresses(any)) {
      const udp = this.#newUdp(address, true)
      try {
        await udp.listen(address, port)
        this.#udp.push(udp)
      } catch (err) {
        await udp.close()
        this.#deps.log.warn('no udp socket of its own for an address', { address, port, err })
      }
    }
  }

  #newUdp(address: string, isShared: boolean): UdpListener {
    const { answerUdp, log } = this.#deps
    return new UdpListener(
      { family: isIPv6(address) ? 6 : 4, isShared },
      { answer: answerUdp, log },
    )
  }
}

function withBothFamilies(addresses: readonly string[]): readonly string[] {
  const isMissing = addresses.includes(ANY_IPV6) && !addresses.includes(ANY_IPV4)
  return isMissing ? [...addresses, ANY_IPV4] : addresses
}

/** Of the family of `any`; link-local ones, which need an interface with them, are left out. */
function hostAddresses(any: string): readonly string[] {
  const family = any === ANY_IPV6 ? 'IPv6' : 'IPv4'
  return Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter((one) => one.family === family && !/^fe[89ab]/i.test(one.address))
    .map(({ address }) => address)
}

function isInUse(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'EADDRINUSE'
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
