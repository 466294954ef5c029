/**
 * Members of the gossip pool as the rest of the agent sees them.
 *
 * One source of truth for who is alive; the leader reconciles it into the catalog (gossip.md 14).
 */

import type { StringMap } from './catalog/types.ts'
import type { Coordinate } from './coordinates/coordinate.ts'
import type { GossipKey } from './swim/gossip-key.ts'
import type { KeyringRequest } from './swim/keyring-codec.ts'
import type { KeyringReport } from './swim/keyring-report.ts'

/** Numbers are Consul's: 0 none, 1 alive, 2 leaving, 3 left, 4 failed. */
export type MemberStatus = 'none' | 'alive' | 'leaving' | 'left' | 'failed'

export interface Member {
  readonly name: string
  readonly address: string
  readonly port: number
  readonly tags: StringMap
  readonly status: MemberStatus
}

export interface Membership {
  self(): Member
  members(): readonly Member[]
  /** Called after every change of a member, its tags or its status. @returns stops; idempotent */
  onChange(listener: (members: readonly Member[]) => void): () => void
}

/** What operators and the agent's life do to the pool; the gossip host implements it. */
export interface MemberPool extends Membership {
  /**
   * Contacts each address (`host` or `host:port`, default port the own gossip port's default, 8301).
   *
   * @returns how many others answered; 0 when only this member itself did
   * @throws FairleadError NO_SERVERS naming every address and why, when none did
   */
  join(addresses: readonly string[], signal: AbortSignal): Promise<number>
  /** Says goodbye: others see status `left`. Resolves when that has had time to spread. Idempotent. */
  leave(signal: AbortSignal): Promise<void>
  /** Declares a failed member left; `prune` forgets it at once. @throws FairleadError NOT_FOUND */
  forceLeave(name: string, options: { readonly prune: boolean }): Promise<void>
  /** Replaces tags of this member and tells the others. */
  setTags(tags: StringMap): void
  /** Of this member, as its probes have placed it; null where coordinates are switched off. */
  readonly coordinate: Coordinate | null
  readonly isEncrypted: boolean
  /** With which it is sealed, once it runs; undefined where it is not. Prints as `…`. */
  readonly gossipKey: GossipKey | undefined
  /** For people: counters and clocks of the pool by name. */
  stats(): StringMap
  /**
   * Asks every live member, this one too, to show or change its keyring. A change that would cut members off is not begun.
   *
   * @param options `relayFactor`: so many others are asked to ask one that does not answer soon; 0 by default
   * @throws FairleadError REJECTED where gossip is not encrypted
   */
  keyring(
    request: KeyringRequest,
    options: { readonly signal: AbortSignal; readonly relayFactor?: number },
  ): Promise<KeyringReport>
}
