/**
 * The servers that gossip knows, by id: names and addresses for Raft, forwarding and operators.
 *
 * Read again only after the pool has changed, because it is asked for each forwarded call. `address` of a
 * member is where its RPC is reached now; the one in Raft's configuration may be older (Raft
 * specification 10.8).
 */

import { type ServerMember, serverMembers } from '../../core/cluster/server-members.ts'
import type { Membership } from '../../core/membership.ts'

export class ServerDirectory {
  readonly #membership: Pick<Membership, 'members' | 'onChange'>
  readonly #datacenter: string
  #servers: ReadonlyMap<string, ServerMember> | undefined

  constructor(
    options: { readonly datacenter: string },
    deps: { readonly membership: Pick<Membership, 'members' | 'onChange'> },
  ) {
    this.#datacenter = options.datacenter
    this.#membership = deps.membership
  }

  /** Keeps up with the pool until the returned function is called. */
  follow(): () => void {
    this.#servers = undefined
    return this.#membership.onChange(() => {
      this.#servers = undefined
    })
  }

  /** In whatever status. */
  servers(): readonly ServerMember[] {
    return [...this.#byId().values()]
  }

  find(id: string): ServerMember | undefined {
    return this.#byId().get(id)
  }

  /** Undefined for a server that gossip does not know, or has seen leave. */
  addressOf(id: string): string | undefined {
    const server = this.find(id)
    return server === undefined || server.status === 'left' ? undefined : server.address
  }

  #byId(): ReadonlyMap<string, ServerMember> {
    this.#servers ??= new Map(
      serverMembers(this.#membership.members(), this.#datacenter).map((each) => [each.id, each]),
    )
    return this.#servers
  }
}
