/**
 * The next change of Raft's configuration that gossip calls for: who came, who left, who moved. Pure.
 *
 * One change at a time, in this order: who left goes; a member whose address another server has taken goes (its
 * disk was replaced, so it has another id now); who moved gets the new address; who is new becomes a learner.
 * A failed member stays (autopilot decides about it), and so does this server itself. Nothing while a joint
 * change runs. Source: Raft specification 10.6, 10.8, 11.
 */

import type { Configuration, MemberChange } from '../raft/configuration.ts'
import { serverId } from '../raft/types.ts'
import type { ServerMember } from './server-members.ts'

export interface RosterFacts {
  readonly selfId: string
  readonly configuration: Configuration
  /** Of this datacentre, as gossip knows them. */
  readonly servers: readonly ServerMember[]
  /** Servers that must not be added: they belong to another cluster, or have not said to which. */
  readonly isForeign: (id: string) => boolean
}

export function nextRosterChange(facts: RosterFacts): MemberChange | null {
  const { configuration, selfId } = facts
  if (configuration.outgoing.length > 0) return null
  const byId = new Map(facts.servers.map((server) => [server.id, server]))
  const others = configuration.addresses.filter((member) => member.id !== selfId)
  const left = others.find(({ id }) => byId.get(id)?.status === 'left')
  if (left !== undefined) return { kind: 'remove', id: left.id }

  const alive = facts.servers.filter((server) => server.status === 'alive')
  const isMember = (id: string): boolean => configuration.addresses.some((m) => m.id === id)
  const newcomers = alive.filter((server) => !isMember(server.id) && !facts.isForeign(server.id))
  const addressOwners = new Map(others.map((member) => [member.address, member.id]))
  for (const { address } of newcomers) {
    const owner = addressOwners.get(address)
    if (owner !== undefined && byId.get(owner)?.status !== 'alive') {
      return { kind: 'remove', id: owner }
    }
  }
  const taken = new Set(configuration.addresses.map((member) => member.address))
  for (const { id, address } of alive) {
    const member = configuration.addresses.find((each) => each.id === id)
    if (member === undefined || member.address === address || taken.has(address)) continue
    return { kind: 'address', id: member.id, address }
  }
  const newcomer = newcomers.find(({ address }) => !taken.has(address))
  if (newcomer === undefined) return null
  return { kind: 'learner', id: serverId(newcomer.id), address: newcomer.address }
}
