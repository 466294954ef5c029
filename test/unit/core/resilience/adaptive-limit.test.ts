/**
 * The limit that an application's own answers set, in simulated time: it finds what the application bears, keeps waiting short under any
 * load, and follows it when it changes.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AdaptiveLimit } from '../../../../core/resilience/adaptive-limit.ts'
import { seededRng } from '../../../../core/rng.ts'
import { type Instant, instant } from '../../../../core/time.ts'

/** An application with some workers, each of which takes `serviceMs` for a request; others wait in line. */
class Application {
  serviceMs: number
  readonly #freeAt: number[]

  constructor(workers: number, serviceMs: number) {
    this.serviceMs = serviceMs
    this.#freeAt = Array.from({ length: workers }, () => 0)
  }

  /** @returns when it will have answered */
  take(now: number, jitter: number): number {
    let next = 0
    for (let i = 1; i < this.#freeAt.length; i++) {
      if ((this.#freeAt[i] as number) < (this.#freeAt[next] as number)) next = i
    }
    const doneAt = Math.max(now, this.#freeAt[next] as number) + this.serviceMs * jitter
    this.#freeAt[next] = doneAt
    return doneAt
  }
}

interface Load {
  readonly seconds: number
  /** Requests a second. */
  readonly rate: number
}

class Simulation {
  now = 0
  readonly limit: AdaptiveLimit
  readonly app: Application
  readonly #rng = seededRng(5)
  readonly #open: { readonly since: Instant; readonly doneAt: number }[] = []
  /** Of the last load. */
  served = 0
  waits: number[] = []

  constructor(app: Application, max = 1000) {
    this.app = app
    this.limit = new AdaptiveLimit({ min: 2, max }, instant(0))
  }

  run({ seconds, rate }: Load): void {
    this.served = 0
    this.waits = []
    const end = this.now + seconds * 1000
    let nextAt = this.now
    while (this.now < end) {
      this.now = nextAt
      this.#settle()
      const since = instant(this.now)
      if (this.limit.begin(since)) {
        const doneAt = this.app.take(this.now, 0.8 + 0.4 * this.#rng.float())
        this.#open.push({ since, doneAt })
      }
      nextAt += (2000 / rate) * this.#rng.float()
    }
  }

  #settle(): void {
    this.#open.sort((a, b) => a.doneAt - b.doneAt)
    for (;;) {
      const first = this.#open[0]
      if (first === undefined || first.doneAt > this.now) return
      this.#open.shift()
      this.limit.sample(first.since, instant(first.doneAt))
      this.limit.ended()
      this.served++
      this.waits.push(first.doneAt - first.since)
    }
  }

  get meanMs(): number {
    return this.waits.reduce((sum, ms) => sum + ms, 0) / this.waits.length
  }
}

test('under twice the load that an application bears it is kept busy, and nobody waits long', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 4, max: 60 }),
      fc.integer({ min: 5, max: 80 }),
      (workers, serviceMs) => {
        const bears = (workers * 1000) / serviceMs
        const simulation = new Simulation(new Application(workers, serviceMs))
        // From idle, as after a start.
        simulation.run({ seconds: 3, rate: bears / 4 })
        simulation.run({ seconds: 30, rate: bears * 2 })
        simulation.run({ seconds: 40, rate: bears * 2 })
        const share = simulation.served / (bears * 40)
        const waits = `${workers} × ${serviceMs} ms: ${simulation.meanMs} ms, share ${share}, limit ${simulation.limit.limit}`
        assert.ok(share > 0.8, waits)
        assert.ok(simulation.meanMs < 3 * serviceMs, waits)
        assert.ok(simulation.limit.refused > 0, waits)
      },
    ),
    { numRuns: 8, seed: 1 },
  )
})

test('it refuses nobody while the application is not at its limit', () => {
  const simulation = new Simulation(new Application(50, 20))
  simulation.run({ seconds: 20, rate: 500 })
  const { refused } = simulation.limit
  simulation.run({ seconds: 120, rate: 500 })
  assert.equal(simulation.limit.refused, refused)
})

test('it follows an application that becomes slower for good, and one that recovers', () => {
  const app = new Application(20, 10)
  const simulation = new Simulation(app)
  simulation.run({ seconds: 40, rate: 3000 })
  app.serviceMs = 50
  simulation.run({ seconds: 120, rate: 3000 })
  simulation.run({ seconds: 60, rate: 3000 })
  const bears = (20 * 1000) / 50
  assert.ok(simulation.served / (bears * 60) > 0.8, `${simulation.served}`)
  assert.ok(simulation.meanMs < 150, `${simulation.meanMs}`)
  app.serviceMs = 10
  simulation.run({ seconds: 40, rate: 3000 })
  simulation.run({ seconds: 60, rate: 3000 })
  assert.ok(simulation.served / (2000 * 60) > 0.8, `${simulation.served}`)
  assert.ok(simulation.meanMs < 30, `${simulation.meanMs}`)
})

test('it stays within its bounds', () => {
  const low = new AdaptiveLimit({ min: 5, max: 8 }, instant(0))
  assert.equal(low.limit, 8)
  for (let i = 0; i < 5000; i++) {
    const since = instant(i * 10)
    assert.ok(low.begin(since))
    // Slower and slower.
    low.sample(since, instant(i * 10 + i))
    low.ended()
    assert.ok(low.limit >= 5 && low.limit <= 8)
  }
})
