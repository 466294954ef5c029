/**
 * Sends what only the leader can do to the leader: here when this server leads, else one hop away
 * (Raft specification 16.3).
 *
 * Guarantees: a call that came from another server is never sent on (it does not come here); who leads is
 * asked anew for every attempt. One attempt each; leader-hold.ts decides about more. The leader's address
 * is the one that gossip knows, or else the one in Raft's configuration.
 */

import { FairleadError, toFairleadError } from '../../core/errors.ts'
import type { ForwardedMessages, ForwardedMethod, PeerCalls } from '../../core/rpc/peer-calls.ts'
import type { RaftNodeApi } from '../raft/types.ts'

export interface LeaderCallsOptions {
  readonly nodeId: string
}

export interface LeaderCallsDeps {
  readonly raft: Pick<RaftNodeApi, 'status' | 'onLeadership'>
  readonly calls: Pick<PeerCalls, 'forward'>
  /** Where a server's RPC is reached now, undefined when gossip does not know. */
  readonly addressOf: (id: string) => string | undefined
}

export interface LeaderCall<M extends ForwardedMethod, T> {
  readonly method: M
  /** What is sent; made only when it is. */
  readonly message: () => ForwardedMessages[M]
  readonly local: () => Promise<T>
  readonly signal: AbortSignal | undefined
}

export class LeaderCalls {
  readonly #options: LeaderCallsOptions
  readonly #deps: LeaderCallsDeps
  readonly #stopListening: () => void
  /** Spares the path of a leader's writes a whole status. */
  #isLeading = false

  constructor(options: LeaderCallsOptions, deps: LeaderCallsDeps) {
    this.#options = options
    this.#deps = deps
    this.#stopListening = deps.raft.onLeadership((isLeader) => {
      this.#isLeading = isLeader
    })
  }

  /** @throws FairleadError NO_LEADER when nobody leads as far as this server knows, or what the call throws */
  async run<M extends ForwardedMethod, T>(call: LeaderCall<M, T>): Promise<T> {
    if (this.#isLeading) return call.local()
    const { leaderId, peers } = this.#deps.raft.status()
    if (leaderId === this.#options.nodeId) return call.local()
    if (leaderId === null) throw new FairleadError('NO_LEADER', 'No cluster leader')
    const address =
      this.#deps.addressOf(leaderId) ?? peers.find((peer) => peer.id === leaderId)?.address
    if (address === undefined) {
      throw new FairleadError('NO_LEADER', 'Raft leader not found in server lookup mapping', {
        facts: { leader: leaderId },
      })
    }
    try {
      const reply = this.#deps.calls.forward(address, call.method, call.message(), call.signal)
      return (await reply) as T
    } catch (thrown) {
      const cause = toFairleadError(thrown)
      if (cause.code !== 'SHUTTING_DOWN') throw thrown
      // Nothing was done there, and soon another leads.
      throw new FairleadError('NO_LEADER', 'The leader is shutting down', { cause })
    }
  }

  /** Idempotent. */
  close(): void {
    this.#stopListening()
  }
}
