/**
 * What a simulated server owes its clients: each request one answer, and the right one (specification 16.1).
 *
 * Writes wait for the core, then for apply; what was refused was certainly not appended, what was in flight
 * when office is lost is of unknown outcome. A server that does not lead sends a request on to the leader,
 * once. Reads are bound to attempts with fresh names and are void when leader or term change.
 */

import assert from 'node:assert/strict'
import type { RequestId } from '../../../core/catalog/request-id.ts'
import type { Entry, ReadMode, ReadState } from '../../../core/raft/types.ts'
import type { KvEntrySeen, KvInput } from '../../history/kv-model.ts'
import type { SimServer } from './sim-server.ts'
import type { MachineResult } from './state-machines.ts'

export type WriteAnswer =
  | { readonly kind: 'ok'; readonly result: MachineResult; readonly index: number }
  /** Certainly not applied by this attempt. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'unknown' }

export interface WriteRequest {
  readonly name: RequestId
  readonly input: KvInput
  readonly hops: number
  readonly reply: (answer: WriteAnswer) => void
}

export type ReadAnswer =
  | { readonly kind: 'ok'; readonly entry: KvEntrySeen | null; readonly index: number }
  | { readonly kind: 'refused' }

export interface ReadRequest {
  readonly key: string
  readonly mode: ReadMode
  readonly reply: (answer: ReadAnswer) => void
}

interface InFlight {
  readonly term: number
  readonly request: WriteRequest
}

interface Attempt {
  readonly request: ReadRequest
  readonly mode: ReadMode
  /** Highest index acknowledged to anybody when the attempt began (I17). */
  readonly floor: number
  /** Null until the core has confirmed it. */
  index: number | null
}

const BATCH_MAX = 64

export class RequestDesk {
  readonly #server: SimServer
  readonly #boot: number
  #waiting: WriteRequest[] = []
  readonly #inFlight = new Map<number, InFlight>()
  readonly #attempts = new Map<string, Attempt>()
  #contexts = 0

  constructor(server: SimServer) {
    this.#server = server
    this.#boot = server.boots
  }

  write(request: WriteRequest): void {
    const { core, context } = this.#server
    if (core === null) return
    if (core.role === 'leader') {
      this.#waiting.push(request)
      return
    }
    const leader = core.leader
    if (request.hops > 0 || leader === null) {
      request.reply({ kind: 'refused' })
      return
    }
    context.counters.add('event.forwarded')
    const boot = this.#boot
    // The answer comes back through this process; if it is gone, nobody will tell.
    const reply = (answer: WriteAnswer): void => {
      context.events.after(context.swarm.network.delayMin, () => {
        this.#server.complete(boot, () => request.reply(answer))
      })
    }
    context.events.after(context.swarm.network.delayMin, () => {
      const target = context.server(leader)
      if (target === undefined || !target.isUp) reply({ kind: 'refused' })
      else target.request(() => target.life?.desk.write({ ...request, hops: 1, reply }))
    })
  }

  read(request: ReadRequest): void {
    this.#attempt(request, request.mode)
  }

  /** Called once in each turn: what waits is proposed, unless a write is running and batches are made. */
  turn(): void {
    const { life, core, context } = this.#server
    if (life === null || core === null || this.#waiting.length === 0) return
    if (core.role !== 'leader') {
      for (const request of this.#takeAll()) request.reply({ kind: 'refused' })
      return
    }
    if (context.swarm.groupCommit && !life.pipeline.isIdle) return
    const batch = this.#waiting.splice(0, BATCH_MAX)
    const isTransferring = core.transferTarget !== null
    const now = this.#server.clock.wallMs
    const outcome = this.#server.handle({
      kind: 'propose',
      proposals: batch.map(({ name, input }) => ({
        type: 'normal',
        data: context.machine.encode(input, name, now),
      })),
    })
    if (outcome.kind !== 'appended') {
      context.counters.add('event.proposal-refused', batch.length)
      for (const request of batch) request.reply({ kind: 'refused' })
      return
    }
    assert.ok(!isTransferring, `I29: ${this.#server.id} accepts proposals while it hands over`)
    context.counters.add('event.proposed', batch.length)
    for (const [i, request] of batch.entries()) {
      this.#inFlight.set(outcome.firstIndex + i, { term: outcome.term, request })
    }
    this.#server.again()
  }

  applied(entry: Entry, outcome: { readonly result: MachineResult; readonly index: number }): void {
    const found = this.#inFlight.get(entry.index)
    if (found === undefined) return
    this.#inFlight.delete(entry.index)
    if (found.term !== entry.term) found.request.reply({ kind: 'unknown' })
    else {
      this.#server.context.oracle.acknowledged(entry.index)
      found.request.reply({ kind: 'ok', ...outcome })
    }
  }

  /** The state was replaced; what came of these nobody can tell here. */
  skippedTo(index: number): void {
    for (const [at, { request }] of this.#inFlight) {
      if (at > index) continue
      this.#inFlight.delete(at)
      request.reply({ kind: 'unknown' })
    }
  }

  officeLost(): void {
    for (const request of this.#takeAll()) request.reply({ kind: 'refused' })
    const commit = this.#server.core?.commit ?? 0
    for (const [at, { request }] of this.#inFlight) {
      // What is committed is certain and waits for apply.
      if (at <= commit) continue
      this.#inFlight.delete(at)
      request.reply({ kind: 'unknown' })
    }
  }

  leaderChanged(): void {
    for (const [context, { request }] of this.#attempts) {
      this.#attempts.delete(context)
      request.reply({ kind: 'refused' })
    }
  }

  confirmed(reads: readonly ReadState[], failed: readonly string[]): void {
    for (const context of failed) {
      const attempt = this.#attempts.get(context)
      this.#attempts.delete(context)
      attempt?.request.reply({ kind: 'refused' })
    }
    for (const { context, index } of reads) {
      const attempt = this.#attempts.get(context)
      if (attempt === undefined) continue
      assert.ok(
        index >= attempt.floor,
        `I17: a ${attempt.mode} read of ${this.#server.id} at ${index} misses the write ${attempt.floor}`,
      )
      attempt.index = index
    }
    if (reads.length > 0) this.appliedTo(this.#server.life?.applied ?? 0)
  }

  appliedTo(applied: number): void {
    for (const [context, attempt] of this.#attempts) {
      if (attempt.index === null || attempt.index > applied) continue
      this.#attempts.delete(context)
      this.#answer(attempt)
    }
  }

  died(): void {
    this.#waiting = []
    this.#inFlight.clear()
    this.#attempts.clear()
  }

  #answer(attempt: Attempt): void {
    const { life, context } = this.#server
    if (life === null) return
    const { request, mode } = attempt
    const entry = life.machine.get(request.key)
    // The lease may have lapsed while the answer was made (8.3).
    if (mode === 'lease' && life.core.role === 'leader' && !life.core.holdsLease) {
      context.counters.add('event.lease-lapsed')
      this.#attempt(request, 'quorum')
      return
    }
    context.counters.add(`event.read.${mode}`)
    request.reply({ kind: 'ok', entry, index: life.applied })
  }

  #attempt(request: ReadRequest, mode: ReadMode): void {
    const { context, id } = this.#server
    const name = `${id}.${this.#boot}.${++this.#contexts}`
    this.#attempts.set(name, { request, mode, floor: context.oracle.acknowledgedMax, index: null })
    const outcome = this.#server.handle({ kind: 'read-index', context: name, mode })
    if (outcome.kind !== 'rejected') return
    this.#attempts.delete(name)
    request.reply({ kind: 'refused' })
  }

  #takeAll(): WriteRequest[] {
    const waiting = this.#waiting
    this.#waiting = []
    return waiting
  }
}
