/**
 * Unique elements, a key each, added through random servers: none that was acknowledged may be missing on any
 * server in the end, none may be there that nobody tried (verification 16.1).
 */

import assert from 'node:assert/strict'
import type { Rng } from '../../../core/rng.ts'
import { checkSet, type SetAttempt } from '../../history/lost-writes.ts'
import { outcomeOf, pause } from './api-client.ts'
import { ClientPool } from './client-pool.ts'
import type { Workload } from './workload.ts'

const WRITERS = 2
const PAUSE_MS = 40

export class SetWorkload implements Workload {
  readonly name = 'unique set'
  readonly #clients: ClientPool
  readonly #attempts: SetAttempt[] = []

  constructor(urls: readonly string[], rng: Rng) {
    this.#clients = new ClientPool(urls, rng)
  }

  start(): void {
    this.#clients.start(WRITERS, (writer) => this.#write(writer))
  }

  stop(): Promise<void> {
    return this.#clients.stop()
  }

  async verdict(): Promise<string> {
    let recovered = 0
    for (const server of this.#clients.urls) {
      const answer = await this.#clients.ask('GET', '/v1/kv/set/?keys&consistent', { server })
      assert(
        answer.kind === 'answered' && answer.status === 200,
        `${server}: ${JSON.stringify(answer)}`,
      )
      const keys = JSON.parse(answer.body) as readonly string[]
      const { verdict, ...found } = checkSet(this.#attempts, keys)
      assert.equal(verdict, 'ok', `${server}: ${JSON.stringify(found)}`)
      recovered = found.recovered.length
    }
    this.#clients.close()
    const acknowledged = this.#attempts.filter(({ outcome }) => outcome === 'ok').length
    return `${acknowledged} of ${this.#attempts.length} elements acknowledged, 0 lost, ${recovered} of unknown outcome are there`
  }

  async #write(writer: number): Promise<void> {
    for (let n = 0; !this.#clients.isStopped; n++) {
      const element = `set/${writer}-${n}`
      const outcome = outcomeOf(await this.#clients.ask('PUT', `/v1/kv/${element}`, { body: '' }))
      this.#attempts.push({ element, outcome: outcome === 'info' ? 'unknown' : outcome })
      await pause(PAUSE_MS)
    }
  }
}
