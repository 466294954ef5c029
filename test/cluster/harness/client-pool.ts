/**
 * Clients of one workload: they run until told to stop, share connections, and ask servers chosen at random.
 *
 * Guarantees: after `stop` no client runs; requests may still be sent (final reads) until `close`.
 */

import { Agent } from 'node:http'
import type { Rng } from '../../../core/rng.ts'
import { type Answer, ask } from './api-client.ts'

export class ClientPool {
  readonly urls: readonly string[]
  readonly rng: Rng
  readonly #agent = new Agent({ keepAlive: true })
  #isStopped = false
  #running: Promise<unknown> = Promise.resolve()

  constructor(urls: readonly string[], rng: Rng) {
    this.urls = urls
    this.rng = rng
  }

  get isStopped(): boolean {
    return this.#isStopped
  }

  /** @param client gets its number, and returns soon after `isStopped` */
  start(clients: number, client: (number: number) => Promise<void>): void {
    this.#running = Promise.all(Array.from({ length: clients }, (_, i) => client(i)))
  }

  /** Resolves when no client runs. @throws what a client threw */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running
  }

  close(): void {
    this.#agent.destroy()
  }

  /** The address of any server. */
  server(): string {
    return this.rng.pick(this.urls) as string
  }

  /** @param path begins with `/v1/` @param server default: any */
  ask(
    method: 'GET' | 'PUT',
    path: string,
    options: { readonly body?: string; readonly server?: string } = {},
  ): Promise<Answer> {
    return ask(this.#agent, method, `${options.server ?? this.server()}${path}`, options.body)
  }
}
