/**
 * Linearizable reads on their way: waiting for the leader's confirmation, then for apply (specification 8.2).
 *
 * Guarantees that every attempt has a context never used before, and that an answer for an attempt that
 * was given up is ignored. Bound: `READS_MAX` reads; beyond it BUSY.
 */

import { FairleadError } from '../../core/errors.ts'
import type { ReadState } from '../../core/raft/types.ts'

const READS_MAX = 8_192

interface Waiter {
  readonly resolve: (index: number) => void
  readonly reject: (error: FairleadError) => void
}

export class Reads {
  readonly #prefix: string
  #counter = 0
  #unconfirmed = new Map<string, Waiter>()
  /** Confirmed, waiting for apply. */
  #unapplied: { readonly index: number; readonly waiter: Waiter }[] = []
  #toSubmit: string[] = []

  /** @param prefix unique to this server and this run of it */
  constructor(prefix: string) {
    this.#prefix = prefix
  }

  get isEmpty(): boolean {
    return this.#unconfirmed.size === 0 && this.#unapplied.length === 0
  }

  add(): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#unconfirmed.size + this.#unapplied.length >= READS_MAX) {
        reject(new FairleadError('BUSY', 'Too many consistent reads are waiting'))
        return
      }
      this.#counter++
      const context = `${this.#prefix}/${this.#counter}`
      this.#unconfirmed.set(context, { resolve, reject })
      this.#toSubmit.push(context)
    })
  }

  /** Contexts that the core has not seen yet. */
  takeNew(): readonly string[] {
    const taken = this.#toSubmit
    this.#toSubmit = []
    return taken
  }

  confirmed(reads: readonly ReadState[], applied: number): void {
    for (const { context, index } of reads) {
      const waiter = this.#unconfirmed.get(context)
      if (waiter === undefined) continue
      this.#unconfirmed.delete(context)
      if (applied >= index) waiter.resolve(index)
      else this.#unapplied.push({ index, waiter })
    }
  }

  applied(index: number): void {
    if (this.#unapplied.length === 0) return
    const still = this.#unapplied.filter((read) => read.index > index)
    for (const read of this.#unapplied) if (read.index <= index) read.waiter.resolve(read.index)
    this.#unapplied = still
  }

  failOne(context: string, error: FairleadError): void {
    const waiter = this.#unconfirmed.get(context)
    this.#unconfirmed.delete(context)
    waiter?.reject(error)
  }

  failAll(error: FairleadError): void {
    const waiters = [...this.#unconfirmed.values(), ...this.#unapplied.map((read) => read.waiter)]
    this.#unconfirmed = new Map()
    this.#unapplied = []
    this.#toSubmit = []
    for (const waiter of waiters) waiter.reject(error)
  }
}
