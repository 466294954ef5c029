/**
 * Raft messages between servers of one process, for tests and for a server that has no peers.
 *
 * Delivery is asynchronous and in order; `disconnect` drops what goes to or from a server. Bound: none of
 * its own, the receiver's queue is bounded.
 */

import type { RaftMessage } from '../../core/raft/messages.ts'
import type { RaftTransport } from './transport.ts'

export class MemoryNetwork {
  readonly #receivers = new Map<string, (message: RaftMessage) => void>()
  readonly #cutOff = new Set<string>()

  join(id: string): RaftTransport {
    return {
      send: (message) => this.#send(message),
      onMessage: (receiver) => {
        this.#receivers.set(id, receiver)
        return () => {
          if (this.#receivers.get(id) === receiver) this.#receivers.delete(id)
        }
      },
    }
  }

  disconnect(id: string): void {
    this.#cutOff.add(id)
  }

  reconnect(id: string): void {
    this.#cutOff.delete(id)
  }

  #send(message: RaftMessage): void {
    queueMicrotask(() => {
      if (this.#cutOff.has(message.from) || this.#cutOff.has(message.to)) return
      this.#receivers.get(message.to)?.(message)
    })
  }
}
