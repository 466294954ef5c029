/**
 * Ends connections when a certificate they rest on ends (mesh.md 10.13), ours or the peer's, or is revoked.
 *
 * A renewal never cuts anything; it only lets idle connections go. What is still open at NotAfter of the old
 * leaf, days later, is cut then. Looked at once a minute. Revoked peers are cut at once, and refused from then on.
 */

import { sameData } from '../../core/catalog/equality.ts'
import type { RevokedPeers } from '../../core/mesh/proxy-snapshot.ts'
import type { Clock } from '../../core/time.ts'
import type { IdleSweep, Swept } from '../sockets/idle-sweep.ts'

export interface Mortal {
  destroy(): void
}

/** Who is at the other end. */
export interface PeerCertificate {
  readonly uri: string
  /** As node:crypto prints it: hex without colons. */
  readonly serial: string
}

interface Life {
  readonly notAfter: number
  readonly peer: PeerCertificate
}

const NOBODY: RevokedPeers = { serials: [], uris: [] }
const CHECK_TICKS = 60

export class Lifetimes implements Swept {
  readonly #clock: Clock
  readonly #lives = new Map<Mortal, Life>()
  readonly #serials = new Set<string>()
  readonly #uris = new Set<string>()
  #revoked = NOBODY

  constructor(clock: Clock, sweep: IdleSweep) {
    this.#clock = clock
    sweep.add(this)
  }

  /** @param notAfter epoch ms */
  add(connection: Mortal, notAfter: number, peer: PeerCertificate): void {
    this.#lives.set(connection, { notAfter, peer })
  }

  remove(connection: Mortal): void {
    this.#lives.delete(connection)
  }

  isRevoked({ uri, serial }: PeerCertificate): boolean {
    if (this.#uris.size > 0 && this.#uris.has(uri)) return true
    return this.#serials.size > 0 && this.#serials.has(serial.toUpperCase())
  }

  /** Cuts the open connections of those that are revoked now. */
  revoke(revoked: RevokedPeers = NOBODY): void {
    if (sameData(revoked, this.#revoked)) return
    this.#revoked = revoked
    this.#serials.clear()
    this.#uris.clear()
    for (const serial of revoked.serials) {
      this.#serials.add(serial.replaceAll(':', '').toUpperCase())
    }
    for (const uri of revoked.uris) this.#uris.add(uri)
    for (const [connection, { peer }] of this.#lives) {
      if (!this.isRevoked(peer)) continue
      this.#lives.delete(connection)
      connection.destroy()
    }
  }

  onTick(tick: number): void {
    if (tick % CHECK_TICKS !== 0 || this.#lives.size === 0) return
    const now = this.#clock.wall()
    for (const [connection, { notAfter }] of this.#lives) {
      if (now < notAfter) continue
      this.#lives.delete(connection)
      connection.destroy()
    }
  }
}
