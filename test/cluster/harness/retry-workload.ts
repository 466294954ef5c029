/**
 * Writers that do what the API says: repeat what was not proposed, and repeat a set of unknown outcome, at the
 * next server. No write may end in any other error, take too long, or be missing in the end.
 */

import assert from 'node:assert/strict'
import type { Rng } from '../../../core/rng.ts'
import { pause } from './api-client.ts'
import { ClientPool } from './client-pool.ts'
import type { Workload } from './workload.ts'

const WRITERS = 4
const RETRY_PAUSE_MS = 50
/** An election and the start of a server on a loaded machine, many times over. */
const WRITE_MAX_MS = 30_000

const REPEATABLE: ReadonlySet<string> = new Set([
  'NO_LEADER',
  'NO_SERVERS',
  'BUSY',
  'SHUTTING_DOWN',
  'OUTCOME_UNKNOWN',
])

export class RetryWorkload implements Workload {
  readonly name = 'writers that retry'
  readonly #clients: ClientPool
  readonly #acknowledged: string[] = []
  readonly #wrong: string[] = []
  #retries = 0
  #longestMs = 0

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
    assert.deepEqual(this.#wrong, [])
    for (const server of this.#clients.urls) {
      const answer = await this.#clients.ask('GET', '/v1/kv/retry/?keys', { server })
      assert(answer.kind === 'answered' && answer.status === 200, `${server} does not answer`)
      const kept = new Set(JSON.parse(answer.body) as readonly string[])
      const lost = this.#acknowledged.filter((key) => !kept.has(key))
      assert.deepEqual(lost, [], `${server} lost writes`)
    }
    this.#clients.close()
    const longest = Math.round(this.#longestMs)
    return `${this.#acknowledged.length} writes, 0 final errors, 0 lost, ${this.#retries} retries, the longest took ${longest} ms`
  }

  async #write(writer: number): Promise<void> {
    const { urls } = this.#clients
    let next = writer
    for (let n = 0; !this.#clients.isStopped; n++) {
      const key = `retry/${writer}-${n}`
      const begun = performance.now()
      while (!(await this.#wrote(urls[next++ % urls.length] as string, key))) {
        this.#retries++
        if (performance.now() - begun > WRITE_MAX_MS) {
          this.#wrong.push(`${key} was not written in ${WRITE_MAX_MS} ms`)
          return
        }
        await pause(RETRY_PAUSE_MS)
      }
      this.#longestMs = Math.max(this.#longestMs, performance.now() - begun)
      this.#acknowledged.push(key)
      await pause(RETRY_PAUSE_MS)
    }
  }

  async #wrote(server: string, key: string): Promise<boolean> {
    const answer = await this.#clients.ask('PUT', `/v1/kv/${key}`, { server, body: key })
    if (answer.kind !== 'answered') return false
    if (answer.status === 200) return answer.body.trim() === 'true'
    if (!REPEATABLE.has(answer.code)) {
      this.#wrong.push(`${server}: ${answer.status} ${answer.code} ${answer.body}`)
    }
    return false
  }
}
