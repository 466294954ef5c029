/**
 * What parts count with: a counter, a gauge, a sample; one object for each series. Pure.
 *
 * A part asks for its instruments once, when it is made, and keeps them: an increment is then one addition to a
 * field. Totals never go down while the process lives. Numbers that are not finite are dropped.
 */

import { type Aggregate, NOTHING, withOnes } from './aggregate.ts'
import { Sketch } from './sketch.ts'

export class Counter {
  #ones = 0
  #amounts: Aggregate = NOTHING
  #before = 0

  /** By one, so many times: the cheap way. */
  increment(times = 1): void {
    this.#ones += times
  }

  /** @param amount of this one event, 0 or more */
  add(amount: number): void {
    if (amount >= 0 && amount < Number.POSITIVE_INFINITY)
      this.#amounts = plus(this.#amounts, amount)
  }

  /** Since the start of the process. */
  get total(): number {
    return this.#before + this.#ones + this.#amounts.sum
  }

  /** What was counted since the last call. */
  take(): Aggregate {
    const taken = withOnes(this.#amounts, this.#ones)
    this.#before += taken.sum
    this.#ones = 0
    this.#amounts = NOTHING
    return taken
  }
}

export class Gauge {
  #value: number | undefined
  #isFresh = false

  set(value: number): void {
    if (!Number.isFinite(value)) return
    this.#value = value
    this.#isFresh = true
  }

  /** There is no such thing any more. */
  clear(): void {
    this.#value = undefined
  }

  /** Undefined until it is set. */
  get value(): number | undefined {
    return this.#value
  }

  /** Whether it was set since the last call. */
  takeFresh(): boolean {
    const isFresh = this.#isFresh
    this.#isFresh = false
    return isFresh
  }
}

export class Sample {
  #count = 0
  #sum = 0
  #squares = 0
  #min = 0
  #max = 0
  #countBefore = 0
  #sumBefore = 0
  #present = new Sketch()
  #last = new Sketch()

  record(value: number): void {
    if (!Number.isFinite(value)) return
    if (this.#count === 0) {
      this.#min = value
      this.#max = value
    } else if (value < this.#min) this.#min = value
    else if (value > this.#max) this.#max = value
    this.#count++
    this.#sum += value
    this.#squares += value * value
    this.#present.record(value)
  }

  /** Numbers since the start of the process. */
  get totalCount(): number {
    return this.#countBefore + this.#count
  }

  get totalSum(): number {
    return this.#sumBefore + this.#sum
  }

  /** The distribution before the last `take`. Valid until the next one. */
  get last(): Sketch {
    return this.#last
  }

  /** What was recorded since the last call. */
  take(): Aggregate {
    const last = this.#last
    this.#last = this.#present
    this.#present = last
    last.clear()
    if (this.#count === 0) return NOTHING
    const taken: Aggregate = {
      count: this.#count,
      sum: this.#sum,
      squares: this.#squares,
      min: this.#min,
      max: this.#max,
    }
    this.#countBefore += this.#count
    this.#sumBefore += this.#sum
    this.#count = 0
    this.#sum = 0
    this.#squares = 0
    return taken
  }
}

function plus(of: Aggregate, amount: number): Aggregate {
  return {
    count: of.count + 1,
    sum: of.sum + amount,
    squares: of.squares + amount * amount,
    min: of.count === 0 ? amount : Math.min(of.min, amount),
    max: of.count === 0 ? amount : Math.max(of.max, amount),
  }
}
