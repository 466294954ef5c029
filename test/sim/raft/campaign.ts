/**
 * Many seeds and what came of them together: the totals that are published, and failures that reproduce.
 */

import { RAFT_MARKS } from '../../../core/raft/marks.ts'
import { addCounts } from './counters.ts'
import { seek, UNREACHABLE } from './coverage.ts'
import { CRASH_POINTS } from './crash-points.ts'
import { runSeed, SeedFailed } from './run-seed.ts'
import type { WorldOptions, WorldReport } from './world.ts'

export interface CampaignOptions {
  readonly steps: number
  /** Runs each seed a second time and compares the traces. */
  readonly twice: boolean
  /** Fixes what seeds would draw. */
  readonly override?: WorldOptions['override']
  /** Gives up after so many seeds failed. */
  readonly failuresMax: number
  readonly print: (line: string) => void
}

export interface Totals {
  readonly seeds: number
  readonly voidSeeds: number
  readonly violations: number
  readonly steps: number
  readonly virtualSeconds: number
  readonly wallSeconds: number
  /** Of all traces in order: equal for equal seeds on every machine (D1, D2). */
  readonly trace: number
  readonly counts: Readonly<Record<string, number>>
}

const LEAST_HIT_SHOWN = 20

export class Campaign {
  readonly #options: CampaignOptions
  readonly #counts: Record<string, number> = {}
  readonly #began = Date.now()
  #seeds = 0
  #voids = 0
  #steps = 0
  #virtualSeconds = 0
  #trace = 0
  failures = 0

  constructor(options: CampaignOptions) {
    this.#options = options
  }

  get totals(): Totals {
    return {
      seeds: this.#seeds,
      voidSeeds: this.#voids,
      violations: this.failures,
      steps: this.#steps,
      virtualSeconds: Math.round(this.#virtualSeconds),
      wallSeconds: Math.round((Date.now() - this.#began) / 1_000),
      trace: this.#trace,
      counts: this.#counts,
    }
  }

  /** Seeds from `base` on, until there are enough, time is up, or too many failed. */
  many(budget: { readonly base: number; readonly seeds: number; readonly until: number }): void {
    for (let i = 0; i < budget.seeds && Date.now() < budget.until; i++) {
      if (this.failures >= this.#options.failuresMax) return
      this.#run(this.#drawn((budget.base + i) >>> 0), false)
    }
  }

  /** One seed; its last events are shown when it fails. */
  one(options: WorldOptions): void {
    this.#run(options, true)
  }

  /**
   * Runs more seeds, which are told to draw what leads to places that nobody has been to (coverage.ts).
   *
   * @returns names of those that were not reached
   */
  seek(): readonly string[] {
    return seek(this.#counts, (seed, override) => {
      this.#run({ seed, steps: this.#options.steps, override }, false)
    })
  }

  table(): string {
    const { seeds, voidSeeds, violations, steps, virtualSeconds, wallSeconds } = this.totals
    const rate = Math.round(steps / Math.max(1, wallSeconds))
    const lines = [
      `${seeds} seeds (${voidSeeds} void), ${steps} steps, ${virtualSeconds} virtual seconds, ${violations} violations`,
      `${wallSeconds} s, ${rate} steps/s`,
      ...this.#section('done', 'event.'),
      ...this.#section('clients', 'client.'),
      ...this.#section('histories', 'history.'),
      ...this.#section('membership', 'config.'),
      ...this.#section('transfers', 'transfer.'),
      ...this.#section('faults', 'fault.'),
      ...this.#section('crashes by place', 'crash.'),
      ...this.#section('highest', 'max.'),
      'marks of the core hit least:',
    ]
    const marks = RAFT_MARKS.map((name) => [name, this.#counts[`mark.${name}`] ?? 0] as const)
    const least = [...marks].sort(([, x], [, y]) => x - y).slice(0, LEAST_HIT_SHOWN)
    for (const [name, count] of least) {
      const note = UNREACHABLE[name] === undefined ? '' : ' (not to be reached)'
      lines.push(`  ${name.padEnd(40)} ${count}${note}`)
    }
    const missed = CRASH_POINTS.filter((point) => this.#counts[`crash.${point}`] === undefined)
    if (missed.length > 0) lines.push(`places where nobody died: ${missed.join(', ')}`)
    return lines.join('\n')
  }

  #drawn(seed: number): WorldOptions {
    const { steps, override } = this.#options
    return override === undefined ? { seed, steps } : { seed, steps, override }
  }

  #run(options: WorldOptions, isAlone: boolean): void {
    const { twice, print } = this.#options
    this.#seeds++
    let report: WorldReport
    try {
      report = runSeed(options)
      if (twice && runSeed(options).trace !== report.trace) {
        throw new Error(`seed ${options.seed} gives another trace when it runs again (D1)`)
      }
    } catch (failure) {
      this.failures++
      print(failure instanceof Error ? failure.message : String(failure))
      if (failure instanceof SeedFailed) {
        this.#steps += failure.stepsDone
        print(this.#confirm(failure, options))
        if (isAlone) print(`${failure.details}\n${(failure.cause as Error).stack}`)
      }
      return
    }
    if (report.isVoid) this.#voids++
    this.#steps += report.steps
    this.#trace = (Math.imul(this.#trace, 31) + report.trace) >>> 0
    this.#virtualSeconds += report.virtualSeconds
    addCounts(this.#counts, report.counts)
  }

  #confirm(failure: SeedFailed, options: WorldOptions): string {
    try {
      runSeed(options)
    } catch (again) {
      const isSame = again instanceof SeedFailed && again.message === failure.message
      return isSame ? 'it reproduces' : `run again it fails otherwise: ${String(again)}`
    }
    return 'run again it passes: the simulator is not deterministic'
  }

  #section(title: string, prefix: string): string[] {
    const rows = Object.entries(this.#counts)
      .filter(([name]) => name.startsWith(prefix))
      .sort(([x], [y]) => (x < y ? -1 : 1))
      .map(([name, count]) => `  ${name.slice(prefix.length).padEnd(40)} ${count}`)
    return rows.length === 0 ? [] : [`${title}:`, ...rows]
  }
}
