/**
 * Clients of the simulated cluster: what they ask, how they try again, and the history that they saw.
 *
 * Each client does one thing at a time, through any server. A request that was certainly refused may be tried
 * as often as it likes; one of unknown outcome is sent again under the same name or given up, and its client
 * goes on as another process. Requests may be doubled on the way.
 */

import type { RequestId } from '../../../core/catalog/request-id.ts'
import type { ReadMode } from '../../../core/raft/types.ts'
import type { Rng } from '../../../core/rng.ts'
import type { KvInput, KvOutput, KvTxnOp } from '../../history/kv-model.ts'
import type { Operation } from '../../history/operations.ts'
import type { ReadAnswer, WriteAnswer } from './request-desk.ts'
import type { SimServer } from './sim-server.ts'
import type { WorldContext } from './world-context.ts'

export interface Recorded {
  readonly operation: Operation<KvInput, KvOutput>
  /** Of the command, or of the state that was read; null when it is not known. */
  readonly index: number | null
  /** Null for reads. */
  readonly request: RequestId | null
}

export interface ClientDeps {
  readonly context: WorldContext
  readonly servers: () => readonly SimServer[]
  readonly rng: Rng
  readonly onWritten: (index: number) => void
}

const ATTEMPTS_MAX = 6

interface Open {
  readonly input: KvInput
  readonly call: number
  readonly request: RequestId | null
  attempts: number
  /** Some attempt may have been applied. */
  isInDoubt: boolean
  isOver: boolean
}

export class Client {
  readonly history: Recorded[] = []
  readonly #name: string
  readonly #deps: ClientDeps
  readonly #readShare: number
  readonly #indexes = new Map<string, number>()
  #process: string
  #retired = 0
  #counter = 0
  #session: string | null = null
  #isStopped = false
  #isHurried = false
  #open: Open | null = null
  /** Of the pause that is being made; another one has taken the place of those before. */
  #pauses = 0

  constructor(name: string, deps: ClientDeps) {
    this.#name = name
    this.#process = name
    this.#deps = deps
    // Writers wait for answers that a deposed leader never gives; somebody has to go on reading from it.
    this.#readShare = deps.rng.pick([0.2, 0.4, 0.95]) as number
  }

  get isIdle(): boolean {
    return this.#open === null
  }

  start(): void {
    this.#think()
  }

  /** From now on it writes, and soon: the cluster has to show that it can. */
  hurry(): void {
    this.#isHurried = true
  }

  /** Asks at once if it has nothing open. */
  rush(): void {
    if (!this.#isStopped && this.#open === null) this.#next()
  }

  /** Nothing new is begun from now on. */
  stop(): void {
    this.#isStopped = true
  }

  /** Reads one key, whatever else it does; for the end of the run. */
  readNow(key: string, mode: ReadMode): void {
    this.#begin({ f: 'get', key }, mode)
  }

  /** What was never answered is of unknown outcome. */
  close(): void {
    if (this.#open !== null) this.#finishUnknown(this.#open)
  }

  #think(): void {
    const { context, rng } = this.#deps
    const mean = this.#isHurried
      ? Math.min(context.swarm.thinkMean, context.electionUs / 2)
      : context.swarm.thinkMean
    const pause = 200 + 2 * mean * rng.float()
    const number = ++this.#pauses
    context.events.after(pause, () => {
      if (this.#isStopped || this.#open !== null || number !== this.#pauses) return
      this.#next()
    })
  }

  #next(): void {
    const { context, rng } = this.#deps
    const mode: ReadMode = context.swarm.leaseReads && rng.float() < 0.6 ? 'lease' : 'quorum'
    this.#begin(this.#draw(), mode)
  }

  #begin(input: KvInput, mode: ReadMode): void {
    const { context } = this.#deps
    const request =
      input.f === 'get' ? null : { origin: this.#name, boot: 'b', seq: ++this.#counter }
    const open: Open = {
      input,
      call: context.events.now,
      request,
      attempts: 0,
      isInDoubt: false,
      isOver: false,
    }
    this.#open = open
    this.#try(open, mode)
  }

  #try(open: Open, mode: ReadMode): void {
    const { context, rng } = this.#deps
    open.attempts++
    const attempt = open.attempts
    const { request, input } = open
    const isCurrent = (): boolean => !open.isOver && open.attempts === attempt
    context.events.after(context.electionUs * 5, () => {
      if (isCurrent()) this.#unanswered(open, mode)
    })
    if (request === null && input.f === 'get') {
      this.#travel((server) => {
        server.life?.desk.read({
          key: input.key,
          mode,
          reply: (answer) => {
            this.#travelBack(() => {
              if (isCurrent()) this.#onRead(open, answer, mode)
            })
          },
        })
      })
      return
    }
    if (request === null) return
    const copies = rng.float() < 0.03 ? 2 : 1
    for (let i = 0; i < copies; i++) {
      if (i > 0) context.counters.add('event.request-doubled')
      this.#travel((server) => {
        server.life?.desk.write({
          name: request,
          input,
          hops: 0,
          // The answer to any of the copies, or to an earlier attempt, is an answer.
          reply: (answer) => {
            this.#travelBack(() => {
              if (!open.isOver)
                this.#onWrite(open, answer, mode, { isCurrent: isCurrent(), copies })
            })
          },
        })
      })
    }
  }

  #onRead(open: Open, answer: ReadAnswer, mode: ReadMode): void {
    if (answer.kind === 'refused') {
      this.#again(open, mode)
      return
    }
    if (answer.entry?.modifyIndex !== undefined && open.input.f === 'get') {
      this.#indexes.set(open.input.key, answer.entry.modifyIndex)
    }
    this.#finish(open, { kind: 'entry', entry: answer.entry }, answer.index)
  }

  #onWrite(
    open: Open,
    answer: WriteAnswer,
    mode: ReadMode,
    attempt: { readonly isCurrent: boolean; readonly copies: number },
  ): void {
    if (answer.kind === 'ok') {
      if (answer.result === null) {
        this.#finishUnknown(open)
        return
      }
      this.#deps.onWritten(answer.index)
      this.#finish(open, withIndex(answer.result, answer.index), answer.index)
      return
    }
    if (answer.kind === 'unknown' || attempt.copies > 1) open.isInDoubt = true
    if (attempt.isCurrent) this.#again(open, mode)
  }

  #unanswered(open: Open, mode: ReadMode): void {
    open.isInDoubt = true
    this.#again(open, mode)
  }

  #again(open: Open, mode: ReadMode): void {
    const { context, rng } = this.#deps
    const mayRetry = !open.isInDoubt || context.swarm.retries || open.request === null
    if (open.attempts >= ATTEMPTS_MAX || !mayRetry) {
      if (open.isInDoubt || open.request === null) this.#finishUnknown(open)
      else this.#finishFailed(open)
      return
    }
    if (open.isInDoubt) context.counters.add('event.retried-in-doubt')
    open.attempts++
    const attempt = open.attempts
    context.events.after(context.electionUs * rng.float(), () => {
      if (!open.isOver && open.attempts === attempt) this.#try(open, mode)
    })
  }

  #finish(open: Open, output: KvOutput, index: number): void {
    const { events, counters } = this.#deps.context
    const { input, call, request } = open
    counters.add('client.ok')
    counters.add(`client.ok.${input.f}`)
    if (input.f === 'session-create') this.#session = input.session
    if (input.f === 'session-destroy') this.#session = null
    this.history.push({
      operation: { process: this.#process, input, call, outcome: 'ok', output, end: events.now },
      index,
      request,
    })
    this.#end(open)
  }

  #finishFailed(open: Open): void {
    this.#deps.context.counters.add('client.fail')
    this.#end(open)
  }

  #finishUnknown(open: Open): void {
    const { input, call, request } = open
    this.#deps.context.counters.add('client.unknown')
    if (request !== null) {
      const operation = { process: this.#process, input, call, outcome: 'unknown' } as const
      this.history.push({ operation, index: null, request })
    }
    this.#process = `${this.#name}/${++this.#retired}`
    if (input.f === 'session-create' || input.f === 'session-destroy') this.#session = null
    this.#end(open)
  }

  #end(open: Open): void {
    open.isOver = true
    this.#open = null
    if (!this.#isStopped) this.#think()
  }

  #travel(arrive: (server: SimServer) => void): void {
    const { context, rng, servers } = this.#deps
    const up = servers()
    const leaders = up.filter((server) => server.core?.role === 'leader')
    const target = rng.pick(leaders.length > 0 && rng.float() < 0.7 ? leaders : up)
    if (target === undefined || this.#isLost()) return
    context.events.after(this.#delay(), () => target.request(() => arrive(target)))
  }

  #travelBack(arrive: () => void): void {
    if (!this.#isLost()) this.#deps.context.events.after(this.#delay(), arrive)
  }

  #isLost(): boolean {
    const { context, rng } = this.#deps
    const { loss } = context.swarm.network
    return loss > 0 && rng.float() < loss / 4
  }

  #delay(): number {
    const { delayMin, delayMean } = this.#deps.context.swarm.network
    return delayMin + 2 * delayMean * this.#deps.rng.float()
  }

  #draw(): KvInput {
    const { context, rng } = this.#deps
    const name = `${this.#process}#${this.#counter + 1}`
    const key = `k${rng.range(0, context.swarm.keys)}`
    const value = this.#value(name)
    const index = this.#indexes.get(key) ?? 0
    if (!this.#isHurried && rng.float() < this.#readShare) return { f: 'get', key }
    const kind = 0.35 + 0.65 * rng.float()
    if (kind < 0.55) return { f: 'put', key, value, name }
    if (kind < 0.7) return { f: 'cas', key, value, index, name }
    if (kind < 0.74) return { f: 'delete', key, name }
    if (kind < 0.76) return { f: 'delete-cas', key, index, name }
    if (kind < 0.86) return { f: 'txn', ops: this.#drawTxn(value), name }
    if (this.#session === null) {
      return { f: 'session-create', session: `s-${name.replaceAll('/', '-')}`, name }
    }
    const session = this.#session
    if (kind < 0.93) return { f: 'acquire', key: 'lock', value, session, name }
    if (kind < 0.97) return { f: 'release', key: 'lock', value, session, name }
    return { f: 'session-destroy', session, name }
  }

  #drawTxn(value: string): KvTxnOp[] {
    const { context, rng } = this.#deps
    return Array.from({ length: rng.range(1, 4) }, (): KvTxnOp => {
      const key = `k${rng.range(0, context.swarm.keys)}`
      const index = this.#indexes.get(key) ?? 0
      switch (rng.range(0, 7)) {
        case 0:
          return { f: 'cas', key, value, index }
        case 1:
          return { f: 'check-index', key, index: Math.max(1, index) }
        case 2:
          return { f: 'delete', key }
        case 3:
        case 4:
          return { f: 'get-or-empty', key }
        default:
          return { f: 'put', key, value }
      }
    })
  }

  #value(name: string): string {
    const { valueBytes } = this.#deps.context.swarm
    return valueBytes === 0 ? name : name.padEnd(this.#deps.rng.range(0, valueBytes), '.')
  }
}

function withIndex(result: KvOutput, index: number): KvOutput {
  return result.kind === 'entry' ? result : { ...result, index }
}
