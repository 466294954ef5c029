/**
 * Unique elements, a key each, added through random servers: none that was acknowledged may be missing on any
 * server in the end, none may be there that nobody tried (verification 16.1).
 */

import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import type { Rng } from '../../../core/rng.ts'
import { checkSet, type SetAttempt } from '../../history/lost-writes.ts'
import { ask, outcomeOf, pause } from './api-client.ts'
import type { Workload } from './workload.ts'

const WRITERS = 2
const PAUSE_MS = 40

export class SetWorkload implements Workload {
  readonly name = 'unique set'
  readonly #urls: readonly string[]
  readonly #rng: Rng
  readonly #agent = new Agent({ keepAlive: true })
  readonly #attempts: SetAttempt[] = []
  #isStopped = false
  #running: Promise<unknown> = Promise.resolve()

  constructor(urls: readonly string[], rng: Rng) {
    this.#urls = urls
    this.#rng = rng
  }

  start(): void {
    this.#running = Promise.all(Array.from({ length: WRITERS }, (_, i) => this.#write(i)))
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running
  }

  async verdict(): Promise<string> {
    let recovered = 0
    for (const url of this.#urls) {
      const answer = await ask(this.#agent, 'GET', `${url}/v1/kv/set/?keys&consistent`)
      assert(
        answer.kind === 'answered' && answer.status === 200,
        `${url}: ${JSON.stringify(answer)}`,
      )
      const keys = JSON.parse(answer.body) as readonly string[]
      const { verdict, ...found } = checkSet(this.#attempts, keys)
      assert.equal(verdict, 'ok', `${url}: ${JSON.stringify(found)}`)
      recovered = found.recovered.length
    }
    this.#agent.destroy()
    const acknowledged = this.#attempts.filter(({ outcome }) => outcome === 'ok').length
    return `${acknowledged} of ${this.#attempts.length} elements acknowledged, 0 lost, ${recovered} of unknown outcome are there`
  }

  async #write(writer: number): Promise<void> {
    for (let n = 0; !this.#isStopped; n++) {
      const element = `set/${writer}-${n}`
      const answer = await ask(
        this.#agent,
        'PUT',
        `${this.#rng.pick(this.#urls)}/v1/kv/${element}`,
        '',
      )
      const outcome = outcomeOf(answer)
      this.#attempts.push({ element, outcome: outcome === 'info' ? 'unknown' : outcome })
      await pause(PAUSE_MS)
    }
  }
}
