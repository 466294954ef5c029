/**
 * What this agent is to the cluster: one of its servers, or a client of them. Either way it has the servers' API.
 *
 * A client finds the servers by gossip, also those that do not exist yet when it starts; its requests wait for
 * one as long as they are held.
 */

import type { NoticeBoard } from '../../core/catalog/notice.ts'
import { serverMembers } from '../../core/cluster/server-members.ts'
import type { AgentConfig } from '../../core/config/model.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Membership } from '../../core/membership.ts'
import { AGENT_METRICS } from '../../core/metrics/catalogue/agent.ts'
import type { Metrics } from '../../core/metrics/metrics.ts'
import { type RateLimit, TokenBucket } from '../../core/resilience/token-bucket.ts'
import type { ServerApi } from '../../core/rpc/server-api.ts'
import type { Clock } from '../../core/time.ts'
import { LimitedServerApi } from '../../runtime/rpc/limited-server-api.ts'
import { type CallObserver, ObservedServerApi } from '../../runtime/rpc/observed-server-api.ts'
import { RpcServerApi } from '../../runtime/rpc/rpc-server-api.ts'
import type { createServer, Server } from '../../server/server.ts'
import type { ServerDeps } from '../../server/server-parts.ts'
import { showFeeds } from './feed-metrics.ts'

export interface Role {
  readonly servers: ServerApi
  /** Absent on a client. */
  readonly server: Server | undefined
  /** Of the server, or of the client's connection. */
  readonly life: Service
  /** Takes over what a reload may change. */
  readonly reload: (config: AgentConfig) => void
}

export interface RoleDeps extends ServerDeps {
  /** Absent on a client, which loads nothing of a server. */
  readonly createServer: typeof createServer | undefined
  readonly board: NoticeBoard
  /** Whether this agent has what it needs to call servers; absent where it needs nothing. */
  readonly mayCall?: () => boolean
  /** Of the agent's token; absent without access control. */
  readonly feedSecret?: () => string
}

export function createRole(config: AgentConfig, deps: RoleDeps): Role {
  const { clock, log, rng, membership, board } = deps
  if (deps.createServer !== undefined) {
    const server = deps.createServer(config, { ...deps, rng: rng.fork('server') })
    const reload = (wanted: AgentConfig): void => server.reload(wanted)
    return { servers: server.api, server, life: server, reload }
  }
  const alive = (): readonly string[] => aliveServers(membership, config.datacenter)
  const client = new RpcServerApi(
    {
      // A call without a certificate would be refused, and be told so to who made it.
      servers: () => (deps.mayCall?.() === false ? [] : alive()),
      members: () => membership.members().length,
      nodeId: config.nodeId,
      holdMs: config.rpcHoldTimeoutMs,
      ...(deps.feedSecret === undefined ? {} : { feedSecret: deps.feedSecret }),
    },
    {
      clock,
      rng: rng.fork('servers'),
      log: log.child('rpc'),
      ...(deps.rpcTls === undefined ? {} : { tls: deps.rpcTls.outgoing }),
    },
  )
  const limit = new OwnRate(config.rpcRate, clock)
  const servers = new LimitedServerApi(
    new ObservedServerApi(client, countClientCalls(deps.metrics)),
    () => limit.admit(),
  )
  let unfollow: readonly (() => void)[] = []
  const life: Service = {
    start: async () => {
      let known = alive().join()
      unfollow = [
        membership.onChange(() => {
          const now = alive().join()
          if (now !== known) client.serversChanged()
          known = now
        }),
        board.onNotice((notice) => client.noticed(notice)),
        showFeeds(deps.metrics, () => client.feedFigures),
      ]
    },
    drain: async () => {},
    stop: async () => {
      for (const stop of unfollow) stop()
      await client.close()
    },
  }
  const reload = ({ rpcRate }: AgentConfig): void => limit.reload(rpcRate)
  return { servers, server: undefined, life, reload }
}

/** What this client agent asks of the servers at most, whoever asks it. */
class OwnRate {
  readonly #clock: Clock
  #bucket: TokenBucket | undefined

  constructor(rate: RateLimit | undefined, clock: Clock) {
    this.#clock = clock
    this.reload(rate)
  }

  reload(rate: RateLimit | undefined): void {
    this.#bucket = rate === undefined ? undefined : new TokenBucket(rate, this.#clock.now())
  }

  /** @throws FairleadError RATE_LIMITED */
  admit(): void {
    if (this.#bucket === undefined || this.#bucket.take(this.#clock.now())) return
    throw new FairleadError('RATE_LIMITED', 'RPC rate limit exceeded')
  }
}

/** `host:port` of their RPC. */
export function aliveServers(
  membership: Pick<Membership, 'members'>,
  datacenter: string,
): readonly string[] {
  return serverMembers(membership.members(), datacenter)
    .filter(({ status }) => status === 'alive')
    .map(({ address }) => address)
}

function countClientCalls(metrics: Metrics): CallObserver {
  const calls = metrics.counter(AGENT_METRICS.clientRpc)
  const failed = metrics.counter(AGENT_METRICS.clientRpcFailed)
  return () => {
    calls.increment()
    return (thrown) => {
      if (thrown !== undefined) failed.increment()
    }
  }
}
