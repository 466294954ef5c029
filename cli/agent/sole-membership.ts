/**
 * The cluster as a host without gossip sees it: itself, alive (tags as gossip.md section 13 names them).
 *
 * Stands where the gossip host will; nothing else in the agent knows the difference.
 */

import type { AgentConfig } from '../../core/config/model.ts'
import type { Member, Membership } from '../../core/membership.ts'

export interface MemberFacts {
  readonly config: AgentConfig
  /** Consul's version and revision, as members print it. */
  readonly build: string
  readonly serfPort: number
  /** Bound after the member exists. */
  readonly rpcPort: () => number
}

export function soleMembership(facts: MemberFacts): Membership {
  const self = (): Member => ({
    name: facts.config.nodeName,
    address: facts.config.advertiseAddress,
    port: facts.serfPort,
    status: 'alive',
    tags: tagsOf(facts),
  })
  return { self, members: () => [self()], onChange: () => () => {} }
}

function tagsOf({ config, build, rpcPort }: MemberFacts): Readonly<Record<string, string>> {
  const common = {
    dc: config.datacenter,
    id: config.nodeId,
    build,
    vsn: '2',
    vsn_min: '2',
    vsn_max: '3',
    segment: '',
    acls: '0',
  }
  if (!config.server) return { ...common, role: 'node' }
  return {
    ...common,
    role: 'consul',
    port: String(rpcPort()),
    raft_vsn: '3',
    ...(config.bootstrapExpect === 1 ? { bootstrap: '1' } : {}),
  }
}
