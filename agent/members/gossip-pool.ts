/**
 * The gossip pool of this host: who is there, who failed, who left (gossip.md).
 *
 * Not working yet: it can be composed and knows this member alone; joining answers "not supported".
 */

import type { StringMap } from '../../core/catalog/types.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import type { Member, MemberPool } from '../../core/membership.ts'
import type { Rng } from '../../core/rng.ts'
import type { GossipTiming } from '../../core/swim/timing.ts'
import type { Clock } from '../../core/time.ts'

export interface GossipPoolOptions {
  /** Unique in the pool. */
  readonly nodeName: string
  /** UUID of this host: tells a restart from another host that took the name. */
  readonly nodeId: string
  /** Pools of other labels are refused, so that neighbours never merge by mistake: the datacenter. */
  readonly label: string
  /** An IP address to listen on, UDP and TCP; the any-address is allowed. */
  readonly bindAddress: string
  /** The IP address under which others reach this member. */
  readonly advertiseAddress: string
  /** 0 takes any port that is free for UDP and TCP; `self().port` has the real one once started. */
  readonly port: number
  /** Together at most 512 bytes on the wire (TOO_LARGE otherwise). */
  readonly tags: StringMap
  /** A file: who was known, for a rejoin after a restart. Without one nothing survives the process. */
  readonly snapshotPath: string | undefined
  /** Rejoin from the snapshot although this member had left. */
  readonly rejoinAfterLeave: boolean
  /** LAN_TIMING, with what the configuration changes of it. */
  readonly timing: GossipTiming
}

export interface GossipPoolDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
}

/**
 * `start` binds, then resolves; a rejoin from the snapshot goes on behind it. `stop` cuts without a goodbye: others see
 * this member fail; call `leave` before it for a goodbye.
 */
export function createGossipPool(
  options: GossipPoolOptions,
  _deps: GossipPoolDeps,
): MemberPool & Service {
  let tags = options.tags
  const self = (): Member => ({
    name: options.nodeName,
    address: options.advertiseAddress,
    port: options.port,
    tags,
    status: 'alive',
  })
  return {
    start: async () => {},
    drain: async () => {},
    stop: async () => {},
    self,
    members: () => [self()],
    onChange: () => () => {},
    join: async () => {
      throw new FairleadError('NOT_SUPPORTED', 'Joining a pool is not supported yet')
    },
    leave: async () => {},
    forceLeave: async (name) => {
      throw new FairleadError('NOT_FOUND', `No node found with name '${name}'`)
    },
    setTags: (next) => {
      tags = next
    },
  }
}
