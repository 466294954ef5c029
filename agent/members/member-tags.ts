/**
 * What this host says of itself in gossip, in the tags that tools and other agents read (http-api.md 9.3). Pure.
 */

import type { StringMap } from '../../core/catalog/types.ts'
import { formatDurationMs } from '../../core/duration.ts'
import { RECONNECT_TIMEOUT_TAG } from '../../core/swim/tags.ts'

export interface MemberFacts {
  readonly nodeId: string
  readonly datacenter: string
  /** `1.21.4:59b8b905`: what tools read before the colon is the compatible version. */
  readonly build: string
  /** 0: others forget it after the time of their own configuration. */
  readonly reconnectTimeoutMs: number
  readonly hasAcl: boolean
  /** Present on a server. */
  readonly server?: {
    readonly rpcPort: number
    /** 1 elects itself, more waits for others, 0 waits to be added. */
    readonly bootstrapExpect: number
  }
}

export function memberTags(facts: MemberFacts): StringMap {
  const { nodeId, datacenter, build, reconnectTimeoutMs, hasAcl, server } = facts
  const common = {
    dc: datacenter,
    segment: '',
    id: nodeId,
    vsn: '2',
    vsn_min: '2',
    vsn_max: '3',
    build,
    acls: hasAcl ? '1' : '0',
    ...(reconnectTimeoutMs > 0
      ? { [RECONNECT_TIMEOUT_TAG]: formatDurationMs(reconnectTimeoutMs) }
      : {}),
  }
  if (server === undefined) return { role: 'node', ...common }
  const { bootstrapExpect } = server
  return {
    role: 'consul',
    ...common,
    port: String(server.rpcPort),
    raft_vsn: '3',
    ...(bootstrapExpect === 1 ? { bootstrap: '1' } : {}),
    ...(bootstrapExpect > 1 ? { expect: String(bootstrapExpect) } : {}),
    ft_fs: '1',
    ft_si: '1',
  }
}
