/**
 * The proxy whose place this one takes: its ports are asked for one by one as they are bound, so that no connection is
 * accepted before it can be served.
 *
 * Guarantees: until `serving` the one before goes on as if nothing had happened; after it every snapshot is told to it,
 * so that a deny cuts also what is still open there. When it is gone nothing is asked or told any more.
 */

import { Server } from 'node:net'
import type { LogRecord } from '../../core/mesh/proxy-control.ts'
import type { ProxySnapshot } from '../../core/mesh/proxy-snapshot.ts'
import type { ToPredecessor, ToSuccessor } from './messages.ts'

/** The end of the channel that Node gave this process. */
export interface ParentChannel {
  send?(message: ToPredecessor, onSent: (err: Error | null) => void): boolean
  on(event: 'message', listener: (message: ToSuccessor, handle: unknown) => void): unknown
  on(event: 'disconnect', listener: () => void): unknown
}

export interface PredecessorEvents {
  onLog(record: LogRecord): void
  onOutput(stream: 'stdout' | 'stderr', text: string): void
}

export class Predecessor {
  readonly pid: number
  readonly #channel: ParentChannel
  readonly #wanted = new Map<number, (server: Server | undefined) => void>()
  #nextId = 1
  #isServing = false
  #isGone = false

  constructor(channel: ParentChannel, pid: number, events: PredecessorEvents) {
    this.pid = pid
    this.#channel = channel
    channel.on('message', (message, handle) => {
      switch (message.kind) {
        case 'socket':
          this.#wanted.get(message.id)?.(handle instanceof Server ? handle : undefined)
          this.#wanted.delete(message.id)
          break
        case 'log':
          events.onLog(message.record)
          break
        case 'output':
          events.onOutput(message.stream, message.text)
          break
      }
    })
    channel.on('disconnect', () => {
      this.#isGone = true
      for (const answer of this.#wanted.values()) answer(undefined)
      this.#wanted.clear()
    })
  }

  /** Whether it still accepts. */
  get isInCharge(): boolean {
    return !this.#isGone && !this.#isServing
  }

  controlOpen(): void {
    this.#send({ kind: 'control-open' })
  }

  async inherit(bind: string): Promise<Server | undefined> {
    if (!this.isInCharge) return undefined
    const id = this.#nextId++
    return await new Promise<Server | undefined>((resolve) => {
      this.#wanted.set(id, resolve)
      this.#send({ kind: 'want', id, bind })
    })
  }

  /** A snapshot is in force here. */
  configured(snapshot: ProxySnapshot): void {
    if (this.#isGone) return
    if (!this.#isServing) {
      this.#isServing = true
      this.#send({ kind: 'serving' })
    }
    this.#send({ kind: 'configure', snapshot })
  }

  end(drainMs: number): void {
    this.#send({ kind: 'end', drainMs })
  }

  #send(message: ToPredecessor): void {
    // It may go at any moment; `disconnect` tells of it.
    if (!this.#isGone) this.#channel.send?.(message, () => {})
  }
}
