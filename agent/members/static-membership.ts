/**
 * The membership of a host that is alone: itself, alive, with the tags that a gossip member would carry.
 *
 * Stands where the gossip host will: same interface, same tags (http-api.md 9.3). Never changes.
 */

import type { StringMap } from '../../core/catalog/types.ts'
import type { Member, Membership } from '../../core/membership.ts'

export interface StaticMembershipOptions {
  readonly nodeName: string
  readonly nodeId: string
  readonly datacenter: string
  readonly address: string
  /** Gossip port that would be used. */
  readonly port: number
  /** `1.21.4:59b8b905`: what tools read before the colon is the compatible version. */
  readonly build: string
  /** Present on a server. */
  readonly server?: {
    readonly rpcPort: number
    /** 0 when off. */
    readonly grpcPort: number
    /** 1 elects itself, more waits for others. */
    readonly bootstrapExpect: number
    readonly raftVersion: number
  }
}

export class StaticMembership implements Membership {
  readonly #self: Member

  constructor(options: StaticMembershipOptions) {
    this.#self = {
      name: options.nodeName,
      address: options.address,
      port: options.port,
      tags: tagsOf(options),
      status: 'alive',
    }
  }

  self(): Member {
    return this.#self
  }

  members(): readonly Member[] {
    return [this.#self]
  }

  onChange(): () => void {
    return () => {}
  }
}

function tagsOf(options: StaticMembershipOptions): StringMap {
  const common = {
    dc: options.datacenter,
    segment: '',
    id: options.nodeId,
    vsn: '2',
    vsn_min: '2',
    vsn_max: '3',
    build: options.build,
    acls: '0',
  }
  const server = options.server
  if (server === undefined) return { role: 'node', ...common }
  return {
    role: 'consul',
    ...common,
    port: String(server.rpcPort),
    raft_vsn: String(server.raftVersion),
    ...(server.grpcPort > 0 ? { grpc_port: String(server.grpcPort) } : {}),
    ...(server.bootstrapExpect === 1
      ? { bootstrap: '1' }
      : { expect: String(server.bootstrapExpect) }),
    ft_fs: '1',
    ft_si: '1',
  }
}
