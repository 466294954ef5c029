/**
 * The servers that gossip knows, by id: names and addresses for Raft, forwarding and operators.
 *
 * Read again only after the pool has changed, because it is asked for each forwarded call. `address` of a
 * member is where its RPC is reached now; the one in Raft's configuration may be older (Raft
 * specification 10.8). This server itself is always as it knows itself: its own gossip may be behind, or not
 * begun yet.
 */

import { type ServerMember, serverMembers } from '../../core/cluster/server-members.ts'
import type { Membership } from '../../core/membership.ts'

export class ServerDirectory {
  readonly #membership: Pick<Membership, 'members' | 'onChange'>
  readonly #datacenter: string
  readonly #self: () => ServerMember | undefined
  #servers: ReadonlyMap<string, ServerMember> | undefined

  constructor(
    options: { readonly datacenter: string },
    deps: {
      readonly membership: Pick<Membership, 'members' | 'onChange'>
      readonly self: () => ServerMember | undefined
    },
  ) {
    this.#self = deps.self
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
    const self = this.#self()
    const known = [...this.#byId().values()]
    if (self === undefined) return known
    return [self, ...known.filter(({ id }) => id !== self.id)]
  }

  find(id: string): ServerMember | undefined {
    const self = this.#self()
    return self?.id === id ? self : this.#byId().get(id)
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
