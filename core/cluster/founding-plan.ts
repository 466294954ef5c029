/**
 * Who founds a cluster, and of whom, as one server sees it (Raft specification 13.1). Pure.
 *
 * The `expect` servers with the smallest ids among those that are alive and expect as many; the smallest of
 * them proposes. Different expectations, or a server that elects itself, stop it: somebody has to decide.
 */

import { type MemberAddress, votersOnly } from '../raft/configuration.ts'
import { serverId } from '../raft/types.ts'
import type { ServerMember } from './server-members.ts'

export type FoundingPlan =
  | { readonly kind: 'wait'; readonly found: number }
  | { readonly kind: 'conflict'; readonly reason: string }
  | { readonly kind: 'propose'; readonly members: readonly MemberAddress[] }
  /** Another one proposes, with this server or without. */
  | { readonly kind: 'follow'; readonly proposer: string }

export function foundingPlan(
  selfId: string,
  expect: number,
  servers: readonly ServerMember[],
): FoundingPlan {
  const alive = servers.filter((server) => server.status === 'alive')
  for (const { name, isBootstrap, expect: theirs } of alive) {
    if (isBootstrap) {
      return { kind: 'conflict', reason: `server "${name}" elects itself (bootstrap)` }
    }
    if (theirs !== 0 && theirs !== expect) {
      return {
        kind: 'conflict',
        reason: `server "${name}" has bootstrap_expect ${theirs}, this one has ${expect}`,
      }
    }
  }
  const founders = alive
    .filter((server) => server.expect === expect)
    .sort((x, y) => (x.id < y.id ? -1 : 1))
  if (founders.length < expect) return { kind: 'wait', found: founders.length }
  const chosen = founders.slice(0, expect)
  const first = chosen[0]
  if (first === undefined || first.id !== selfId) {
    return { kind: 'follow', proposer: first?.name ?? '' }
  }
  const members = chosen.map(({ id, address }) => ({ id: serverId(id), address }))
  return { kind: 'propose', members: votersOnly(members).addresses }
}

/** True when the plan is another one than what was proposed; waiting decides nothing. */
export function isOvertaken(plan: FoundingPlan, members: readonly MemberAddress[]): boolean {
  if (plan.kind === 'follow') return true
  return plan.kind === 'propose' && !hasSameMembers(plan.members, members)
}

function hasSameMembers(one: readonly MemberAddress[], other: readonly MemberAddress[]): boolean {
  if (one.length !== other.length) return false
  return one.every(({ id, address }, i) => other[i]?.id === id && other[i]?.address === address)
}
