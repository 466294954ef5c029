/**
 * Where the transport finds the members of the configuration in force (Raft specification 10.8, 10.7).
 *
 * What gossip knows of an address wins over the configuration. A member that was taken out stays reachable for
 * a while, so that it can be told. Bound: as many as a configuration has members, twice.
 */

import type { Configuration, MemberAddress } from '../../core/raft/configuration.ts'
import type { ServerId } from '../../core/raft/types.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'
import type { RaftTransport } from './transport.ts'

export interface KnownAddresses {
  of(id: string): string | undefined
  /** @returns stops; idempotent */
  onChange(listener: () => void): () => void
}

export interface PeerAddressesDeps {
  readonly clock: Clock
  readonly transport: Pick<RaftTransport, 'setPeers'>
  readonly addresses: KnownAddresses | undefined
}

export class PeerAddresses {
  readonly #self: ServerId
  readonly #farewellMs: number
  readonly #deps: PeerAddressesDeps
  #members: readonly MemberAddress[] = []
  #stopListening: (() => void) | undefined
  #departing = new Map<ServerId, { readonly address: string; readonly timer: Timer }>()

  /** @param farewellMs how long a member that was taken out stays reachable */
  constructor(
    options: { readonly self: ServerId; readonly farewellMs: number },
    deps: PeerAddressesDeps,
  ) {
    this.#self = options.self
    this.#farewellMs = options.farewellMs
    this.#deps = deps
  }

  follow(configuration: Configuration): void {
    const members = configuration.addresses.filter(({ id }) => id !== this.#self)
    const ids = new Set(members.map(({ id }) => id))
    for (const { id, address } of this.#members) if (!ids.has(id)) this.#depart(id, address)
    for (const id of ids) this.#forget(id)
    this.#members = members
    this.#tell()
  }

  /** Follows what is known of addresses until `close`. */
  open(): void {
    this.#stopListening = this.#deps.addresses?.onChange(() => this.#tell())
  }

  /** No timer is left after it. */
  close(): void {
    this.#stopListening?.()
    this.#stopListening = undefined
    for (const id of [...this.#departing.keys()]) this.#forget(id)
  }

  #tell(): void {
    const { transport, addresses } = this.#deps
    const departing = [...this.#departing].map(([id, { address }]) => ({ id, address }))
    transport.setPeers(
      [...this.#members, ...departing].map(({ id, address }) => ({
        id,
        address: addresses?.of(id) ?? address,
      })),
    )
  }

  #depart(id: ServerId, address: string): void {
    const { clock } = this.#deps
    const timer = clock.timer(instant(clock.now() + this.#farewellMs), () => {
      this.#departing.delete(id)
      this.#tell()
    })
    this.#departing.set(id, { address, timer })
  }

  #forget(id: ServerId): void {
    this.#departing.get(id)?.timer.cancel()
    this.#departing.delete(id)
  }
}
