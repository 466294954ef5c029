/**
 * Calls from one server to another, over gRPC: the client's side of core/rpc/peer-calls.ts.
 *
 * Guarantees: one attempt each; a forwarded call that never left is told apart from one whose answer was
 * lost, and what the leader says arrives as it said it. Addresses that are IPs are not looked up.
 * Bounds: the timeouts below, and those of channel-pool.ts.
 */

import { FairleadError } from '../../core/errors.ts'
import type {
  BootstrapAnswer,
  BootstrapRequest,
  ForwardedMethod,
  PeerCalls,
  PeerStats,
} from '../../core/rpc/peer-calls.ts'
import type { Clock } from '../../core/time.ts'
import type { DialTls } from '../tls/rpc-tls.ts'
import { ChannelPool } from './channel-pool.ts'
import type { PeerMethod } from './envelope.ts'
import { RpcCallError, type RpcChannel } from './rpc-channel.ts'
import type { ForwardMessage } from './server-api-messages.ts'

const CONNECT_TIMEOUT_MS = 2_000
const ANSWER_TIMEOUT_MS = 5_000
/** A write waits for Raft and the leader's disk. */
const FORWARD_TIMEOUT_MS = 30_000

export class RpcPeerCalls implements PeerCalls {
  readonly #channels: ChannelPool

  constructor(deps: { readonly clock: Clock; readonly tls?: DialTls }) {
    this.#channels = new ChannelPool(deps.clock, deps.tls)
  }

  async stats(address: string, signal: AbortSignal): Promise<PeerStats> {
    return (await this.#ask(address, { method: 'stats', message: {}, signal })) as PeerStats
  }

  async bootstrap(
    address: string,
    request: BootstrapRequest,
    signal: AbortSignal,
  ): Promise<BootstrapAnswer> {
    const call = { method: 'bootstrap', message: request, signal } as const
    return (await this.#ask(address, call)) as BootstrapAnswer
  }

  forward(
    address: string,
    method: ForwardedMethod,
    message: unknown,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    const forwarded: ForwardMessage = { method, message }
    return this.#channels.use(address, async (channel) => {
      await this.#connected(channel, signal, 'NO_LEADER')
      const options = { timeoutMs: FORWARD_TIMEOUT_MS, signal }
      try {
        return await channel.call('forward', forwarded, options)
      } catch (thrown) {
        if (!(thrown instanceof RpcCallError)) throw thrown
        if (thrown.failure.kind === 'refused') throw thrown.failure.error
        const what = 'The connection to the leader was lost before its answer came'
        throw new FairleadError('OUTCOME_UNKNOWN', `${what}; the call may have been executed`, {
          cause: thrown.failure.error,
        })
      }
    })
  }

  /** Calls that run fail. Idempotent. */
  close(): Promise<void> {
    return this.#channels.close()
  }

  #ask(
    address: string,
    call: { readonly method: PeerMethod; readonly message: unknown; readonly signal: AbortSignal },
  ): Promise<unknown> {
    const { method, message, signal } = call
    return this.#channels.use(address, async (channel) => {
      await this.#connected(channel, signal, 'NO_SERVERS')
      try {
        return await channel.call(method, message, { timeoutMs: ANSWER_TIMEOUT_MS, signal })
      } catch (thrown) {
        throw thrown instanceof RpcCallError ? thrown.failure.error : thrown
      }
    })
  }

  async #connected(
    channel: RpcChannel,
    signal: AbortSignal | undefined,
    code: 'NO_LEADER' | 'NO_SERVERS',
  ): Promise<void> {
    try {
      await channel.whenReady(CONNECT_TIMEOUT_MS, signal)
    } catch (cause) {
      signal?.throwIfAborted()
      this.#channels.discard(channel)
      throw new FairleadError(code, `Cannot connect to the server at "${channel.address}"`, {
        cause,
      })
    }
  }
}
