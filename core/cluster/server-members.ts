/**
 * The servers of a datacentre among the members of the gossip pool. Pure.
 *
 * A server says `role=consul`, its id, its RPC port and how many servers it waits for in its tags
 * (http-api.md 9.3). A member that claims to be a server and names no id or port is passed over: nothing
 * could be sent to it. Of two members with one id the one that is alive counts.
 */

import type { KnownServer } from '../autopilot/types.ts'
import type { Member } from '../membership.ts'

export interface ServerMember extends KnownServer {
  /** Elects itself alone (`bootstrap`). */
  readonly isBootstrap: boolean
  /** Servers that it waits for before a cluster is founded; 0 waits to be added. */
  readonly expect: number
}

export function serverMembers(
  members: readonly Member[],
  datacenter: string,
): readonly ServerMember[] {
  const found = new Map<string, ServerMember>()
  for (const member of members) {
    const server = serverMember(member, datacenter)
    if (server === undefined) continue
    const other = found.get(server.id)
    if (other !== undefined && (other.status === 'alive' || server.status !== 'alive')) continue
    found.set(server.id, server)
  }
  return [...found.values()]
}

export function serverMember(member: Member, datacenter: string): ServerMember | undefined {
  const { tags } = member
  const id = tags['id'] ?? ''
  const port = Number(tags['port'])
  if (tags['role'] !== 'consul' || tags['dc'] !== datacenter || id === '') return undefined
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return undefined
  const expect = Number(tags['expect'] ?? 0)
  return {
    id,
    name: member.name,
    address: hostAndPort(member.address, port),
    status: member.status,
    version: (tags['build'] ?? '').split(':')[0] ?? '',
    meta: {},
    isBootstrap: tags['bootstrap'] === '1',
    expect: Number.isSafeInteger(expect) && expect > 0 ? expect : 0,
  }
}

/** `host:port`, an IPv6 address in brackets. */
export function hostAndPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
