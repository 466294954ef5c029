/**
 * Members of the gossip pool as the rest of the agent sees them.
 *
 * One source of truth for who is alive; the leader reconciles it into the catalog (gossip.md 14).
 */

import type { StringMap } from './catalog/types.ts'

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
  onChange(listener: (members: readonly Member[]) => void): () => void
}
