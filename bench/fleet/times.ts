/**
 * How long changes took to each of the agents that watch, and the figures made of that.
 */

import { type Figure, median } from '../figures.ts'

export const SEEN_MAX_MS = 10_000

export interface Times {
  /** Of every agent in every round. */
  readonly each: number[]
  /** Of the last agent in every round. */
  readonly last: number[]
  /** When the agent that was told had answered. */
  readonly answered: number[]
}

/** What watches an agent: dns-eye.ts, proxy-eye.ts. */
export interface Eye<S> extends Disposable {
  /** @returns when what it looks at was `state`, in ms of `performance.now` */
  when(state: S, timeoutMs: number): Promise<number>
}

export function noTimes(): Times {
  return { each: [], last: [], answered: [] }
}

/** Acts, and adds how long it took until every eye has seen the state that follows from it. */
export async function timed<S>(
  times: Times,
  eyes: ReadonlyMap<string, Eye<S>>,
  state: S,
  act: () => Promise<void>,
  timeoutMs = SEEN_MAX_MS,
): Promise<void> {
  const begun = performance.now()
  await act()
  times.answered.push(performance.now() - begun)
  // Only now: before the servers have it nobody can, and a dozen who ask again and again hold up the two cores that
  // it goes through. Who has had it for a moment already counts as having it when first asked.
  const took = (await seen(eyes, state, timeoutMs)).map((at) => at - begun)
  times.each.push(...took)
  times.last.push(Math.max(...took))
}

export function seen<S>(
  eyes: ReadonlyMap<string, Eye<S>>,
  state: S,
  timeoutMs = SEEN_MAX_MS,
): Promise<number[]> {
  return Promise.all([...eyes.values()].map((eye) => eye.when(state, timeoutMs)))
}

export function except<T>(eyes: ReadonlyMap<string, T>, name: string): ReadonlyMap<string, T> {
  return new Map([...eyes].filter(([each]) => each !== name))
}

export function figuresOf(what: string, times: Times, mark?: Figure['mark']): readonly Figure[] {
  return [
    { name: `${what}: answered, median`, value: median(times.answered), unit: 'ms' },
    { name: `${what}: an agent, median`, value: median(times.each), unit: 'ms' },
    {
      name: `${what}: an agent, p99`,
      value: p99(times.each),
      unit: 'ms',
      ...(mark === undefined ? {} : { mark }),
    },
    { name: `${what}: the last agent, median`, value: median(times.last), unit: 'ms' },
    { name: `${what}: the last agent, worst`, value: Math.max(...times.last), unit: 'ms' },
  ]
}

function p99(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN
}
