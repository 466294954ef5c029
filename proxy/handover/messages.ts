/**
 * What two proxies of one host say to each other while one takes the other's place (docs/decisions/0032).
 *
 * The one that runs starts the other as its child, with a channel on which Node passes listening sockets. The agent's
 * control protocol says in its greeting whether a proxy can do this, so that builds which differ can replace each other.
 */

import type { LogRecord } from '../../core/mesh/proxy-control.ts'
import type { ProxySnapshot } from '../../core/mesh/proxy-snapshot.ts'

export type ToPredecessor =
  /** The control socket is mine: the agent comes to me. */
  | { readonly kind: 'control-open' }
  /** Answered by `socket`, with the listening server that has this bind (bindText) if there is one. */
  | { readonly kind: 'want'; readonly id: number; readonly bind: string }
  /** All of my ports listen: take nothing new. */
  | { readonly kind: 'serving' }
  /** What holds from now on, also for what is still open. */
  | { readonly kind: 'configure'; readonly snapshot: ProxySnapshot }
  /** What runs has this long. */
  | { readonly kind: 'end'; readonly drainMs: number }

export type ToSuccessor =
  | { readonly kind: 'socket'; readonly id: number }
  | { readonly kind: 'log'; readonly record: LogRecord }
  | { readonly kind: 'output'; readonly stream: 'stdout' | 'stderr'; readonly text: string }
