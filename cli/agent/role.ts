/**
 * What this agent is to the cluster: one of its servers, or a client of them. Either way it has the servers' API.
 *
 * A client finds the servers by gossip, also those that do not exist yet when it starts; its requests wait for
 * one as long as they are held.
 */

import { serverMembers } from '../../core/cluster/server-members.ts'
import type { AgentConfig } from '../../core/config/model.ts'
import type { FairleadError } from '../../core/errors.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import type { Membership } from '../../core/membership.ts'
import type { Rng } from '../../core/rng.ts'
import type { ServerApi } from '../../core/rpc/server-api.ts'
import type { Clock } from '../../core/time.ts'
import { RpcServerApi } from '../../runtime/rpc/rpc-server-api.ts'
import { createServer, type Server } from '../../server/server.ts'

export interface Role {
  readonly servers: ServerApi
  /** Absent on a client. */
  readonly server: Server | undefined
  /** Of the server, or of the client's connection. */
  readonly life: Service
}

export interface RoleDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly membership: Membership
  readonly version: string
  readonly onFatal: (error: FairleadError) => void
}

export function createRole(config: AgentConfig, deps: RoleDeps): Role {
  const { clock, log, rng, membership } = deps
  if (config.server) {
    const server = createServer(config, {
      clock,
      log,
      membership,
      version: deps.version,
      rng: rng.fork('server'),
      onFatal: deps.onFatal,
    })
    return { servers: server.api, server, life: server }
  }
  const servers = new RpcServerApi(
    {
      servers: () =>
        serverMembers(membership.members(), config.datacenter)
          .filter(({ status }) => status === 'alive')
          .map(({ address }) => address),
      nodeId: config.nodeId,
      holdMs: config.rpcHoldTimeoutMs,
    },
    { clock, rng: rng.fork('servers'), log: log.child('rpc') },
  )
  const life: Service = {
    start: async () => {},
    drain: async () => {},
    stop: () => servers.close(),
  }
  return { servers, server: undefined, life }
}
