/**
 * Messages between an agent and the proxy of its host, over a Unix socket in `<data-dir>/proxy/`.
 *
 * The proxy listens, the agent dials: so a new agent adopts a running proxy. One JSON document per line,
 * at most 64 MiB. The newest agent wins: a second connection replaces the first. Versioned by `protocol`;
 * an agent that finds another number, or another build, has the proxy hand over to one of its own instead of adopting it.
 */

import type { LogLevel } from '../config/model.ts'
import type { TapEvent, TapFilter } from '../exchange/tap.ts'
import type { LogFacts } from '../log.ts'
import type { ProxySnapshot } from './proxy-snapshot.ts'
import type { SnapshotPatch } from './snapshot-patch.ts'

export const PROXY_CONTROL_PROTOCOL = 2

export type AgentToProxy =
  | { readonly kind: 'configure'; readonly snapshot: ProxySnapshot }
  /** A change of the snapshot sent before on this connection; to proxies that say they take it. */
  | { readonly kind: 'patch'; readonly patch: SnapshotPatch }
  | { readonly kind: 'stats' }
  /** All figures, in Prometheus' text. */
  | { readonly kind: 'metrics'; readonly id: number }
  /** Tell of requests that pass the filter, until `untap` or the end of the connection. */
  | { readonly kind: 'tap'; readonly id: number; readonly filter: TapFilter }
  | { readonly kind: 'untap'; readonly id: number }
  /**
   * Start this command, a proxy for the same control socket that is told to take over, and give it the ports. The
   * connection ends when the other answers on the control socket. To proxies that say they can.
   */
  | { readonly kind: 'hand-over'; readonly command: readonly [string, ...string[]] }
  /** Stop accepting, let exchanges end until the deadline (ms from receipt), then exit 0. */
  | { readonly kind: 'shutdown'; readonly drainMs: number }

export type ProxyToAgent =
  | {
      readonly kind: 'hello'
      readonly protocol: number
      readonly pid: number
      readonly build: string
      /** Version of the snapshot in force, 0 before the first. */
      readonly version: number
      /** Form of the patches that it takes; absent: it takes none. */
      readonly patchFormat?: number
      /** Absent in proxies that cannot. */
      readonly handsOver?: boolean
      /** Pid of the proxy that has the ports until this one is configured. */
      readonly replaces?: number
    }
  /** Answer to `configure` and `patch`. Listeners that could not be bound are named; everything else is in force. */
  | {
      readonly kind: 'configured'
      readonly version: number
      readonly problems: readonly ListenerProblem[]
    }
  | { readonly kind: 'stats'; readonly stats: ProxyStats }
  | { readonly kind: 'metrics'; readonly id: number; readonly text: string }
  | {
      readonly kind: 'tapped'
      readonly id: number
      readonly event: TapEvent
      /** Requests that passed the filter since the last and were too many to be told. */
      readonly skipped: number
    }
  /** The proxy goes on as before. */
  | { readonly kind: 'hand-over-failed'; readonly reason: string }
  | { readonly kind: 'tap-refused'; readonly id: number; readonly reason: string }
  /** Lines of access logs for what the agent's own output goes to. */
  | { readonly kind: 'output'; readonly stream: 'stdout' | 'stderr'; readonly text: string }
  /** A line of the proxy's log; those written while no agent was there come first. */
  | { readonly kind: 'log'; readonly record: LogRecord }

export interface LogRecord {
  readonly level: LogLevel
  readonly component: string
  readonly message: string
  readonly facts: LogFacts
}

export interface ListenerProblem {
  readonly listenerId: string
  /** `127.128.0.1:80` or a socket path. */
  readonly bind: string
  /** errno name: EADDRINUSE, EACCES, … */
  readonly code: string
  readonly message: string
}

export interface ProxyStats {
  readonly uptimeMs: number
  readonly rssBytes: number
  readonly inboundConnections: number
  readonly outboundConnections: number
  readonly requestsTotal: number
  readonly requestsDenied: number
  readonly requestsFailed: number
  readonly retries: number
}
