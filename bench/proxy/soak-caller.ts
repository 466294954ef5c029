/**
 * One caller of the soak: asks again as soon as it has been answered, on a connection that it keeps, and judges each
 * answer. Guarantees: an answer is right, wrong, an error, or stuck, and is counted as one of them.
 */

import { Agent, type IncomingMessage, request } from 'node:http'
import type { Rng } from '../../core/rng.ts'
import { systemClock } from '../../runtime/clock/system-clock.ts'
import { answerTo, checksumOf } from './soak-answers.ts'

/** Nothing in the path may take so long: connecting may take 5 s, an answer 15 s. */
const STUCK_MS = 30_000
const LARGE_BYTES = 300_000
const SMALL_BYTES = 2000

export class SoakCounts {
  right = 0
  stuck = 0
  slowestMs = 0
  bytes = 0
  readonly wrong: string[] = []
  /** By what they look like to the caller. */
  readonly errors = new Map<string, number>()

  get failed(): number {
    return [...this.errors.values()].reduce((sum, count) => sum + count, 0)
  }
}

export class SoakCaller {
  readonly #name: string
  readonly #port: number
  readonly #rng: Rng
  readonly #counts: SoakCounts
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })

  constructor(name: string, port: number, rng: Rng, counts: SoakCounts) {
    this.#name = name
    this.#port = port
    this.#rng = rng
    this.#counts = counts
  }

  async run(until: AbortSignal): Promise<void> {
    for (let i = 0; !until.aborted; i++) await this.#ask(i)
    this.#agent.destroy()
  }

  async #ask(i: number): Promise<void> {
    const length = this.#size()
    const body = Buffer.alloc(this.#size(), `${this.#name} ${i} `)
    const path = `/${this.#name}/${i}?length=${length}`
    const startedAt = systemClock.now()
    const counts = this.#counts
    try {
      const { status, checksum, answer } = await this.#call(path, body)
      if (status !== 200) count(counts.errors, `status ${status}`)
      else if (checksum !== checksumOf(path, body)) counts.wrong.push(`${path}: another's answer`)
      else if (!answer.equals(answerTo(checksum, length))) counts.wrong.push(`${path}: its body`)
      else {
        counts.right++
        counts.bytes += length + body.length
      }
    } catch (thrown) {
      const { code, message } = thrown as NodeJS.ErrnoException
      if (message === 'stuck') counts.stuck++
      else count(counts.errors, code ?? message)
    }
    counts.slowestMs = Math.max(counts.slowestMs, systemClock.now() - startedAt)
  }

  /** Mostly small, now and then larger than every buffer on the way. */
  #size(): number {
    const roll = this.#rng.range(0, 100)
    if (roll < 60) return this.#rng.range(0, SMALL_BYTES)
    return roll < 98 ? this.#rng.range(0, SMALL_BYTES * 10) : this.#rng.range(0, LARGE_BYTES)
  }

  async #call(
    path: string,
    body: Buffer,
  ): Promise<{ readonly status: number; readonly checksum: string; readonly answer: Buffer }> {
    return await new Promise((resolve, reject) => {
      const outgoing = request(
        { host: '127.0.0.1', port: this.#port, path, method: 'POST', agent: this.#agent },
        (incoming: IncomingMessage) => {
          const parts: Buffer[] = []
          incoming.on('data', (part: Buffer) => parts.push(part))
          incoming.on('error', reject)
          incoming.on('end', () => {
            clearTimeout(late)
            resolve({
              status: incoming.statusCode ?? 0,
              checksum: String(incoming.headers['x-checksum']),
              answer: Buffer.concat(parts),
            })
          })
        },
      )
      const late = setTimeout(() => outgoing.destroy(new Error('stuck')), STUCK_MS)
      outgoing.on('error', (err) => {
        clearTimeout(late)
        reject(err)
      })
      // Without a length where it is odd: in chunks.
      if (body.length % 2 === 0) outgoing.setHeader('content-length', body.length)
      outgoing.end(body)
    })
  }
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}
