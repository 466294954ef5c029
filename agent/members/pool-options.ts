/**
 * What a gossip pool is made of, and whether gossip can carry it.
 *
 * Guarantees: what cannot be is refused before anything is bound, by a sentence that names it.
 */

import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import type { StringMap } from '../../core/catalog/types.ts'
import { ipFamily } from '../../core/config/ip-address.ts'
import { FairleadError } from '../../core/errors.ts'
import type { IpNetwork } from '../../core/ip-network.ts'
import type { Logger } from '../../core/log.ts'
import type { Metrics } from '../../core/metrics/metrics.ts'
import type { Rng } from '../../core/rng.ts'
import { isMemberName, NAME_SIZE_MAX } from '../../core/swim/fields.ts'
import type { GossipTiming } from '../../core/swim/timing.ts'
import type { Clock } from '../../core/time.ts'
import { MemberCipher, SENDER_SIZE } from '../../runtime/gossip/member-cipher.ts'
import { LABEL_SIZE_MAX, Seal } from '../../runtime/gossip/seal.ts'
import type { GossipEncryption, PoolKeys } from './pool-keys.ts'

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
  readonly encryption: GossipEncryption
  /** Finds its place in the network, for `near` and `rtt`. */
  readonly hasCoordinate: boolean
  /** Where members may be; null for anywhere. */
  readonly allowedNetworks: readonly IpNetwork[] | null
}

export interface GossipPoolDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly metrics: Metrics
}

/** Around all that the pool sends and hears. */
export function sealOf({ label, encryption }: GossipPoolOptions, { keyring }: PoolKeys): Seal {
  if (keyring === null) return new Seal(label)
  // Chance of the system and not of a seed: two runs with one sender would repeat nonces.
  const cipher = new MemberCipher(keyring, randomBytes(SENDER_SIZE))
  const { verifyIncoming, verifyOutgoing } = encryption
  return new Seal(label, { cipher, verifyIncoming, verifyOutgoing })
}

/** @throws FairleadError INVALID_CONFIG for a name, a label or addresses that gossip cannot carry */
export function familyOf(options: GossipPoolOptions): 4 | 6 {
  const { nodeName, bindAddress, advertiseAddress } = options
  if (!isMemberName(nodeName)) {
    throw new FairleadError(
      'INVALID_CONFIG',
      `Node name ${JSON.stringify(nodeName)} cannot be used in gossip: 1 to ${NAME_SIZE_MAX} bytes without control characters`,
    )
  }
  if (Buffer.byteLength(options.label) > LABEL_SIZE_MAX) {
    throw new FairleadError(
      'INVALID_CONFIG',
      `Label of the gossip pool "${options.label}" is longer than ${LABEL_SIZE_MAX} bytes`,
    )
  }
  const family = ipFamily(bindAddress)
  if (family === undefined || ipFamily(advertiseAddress) !== family) {
    throw new FairleadError(
      'INVALID_CONFIG',
      `Gossip needs a bind address and an advertise address of one IP family, not "${bindAddress}" and "${advertiseAddress}"`,
    )
  }
  return family
}
