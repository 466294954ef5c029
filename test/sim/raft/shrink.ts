/**
 * Makes a failing seed smaller (verification 12): fewer acts, fewer features, fewer steps, the same rule broken.
 *
 * Acts draw from generators of their own, so that most of them can be left out without changing the others.
 * First features go, since each that goes makes all further runs shorter; then acts, in ever smaller pieces; then
 * steps. A candidate is kept if the same rule fails. Bounds: RUNS_MAX runs, or until `isOver`. What is left is
 * small, not smallest.
 */

import { runSeed, SeedFailed } from './run-seed.ts'
import type { Swarm } from './swarm.ts'
import type { Schedule, WorldOptions } from './world.ts'

const RUNS_MAX = 500

/** Everything that repeats a run; plain data. */
export interface SimCase {
  readonly seed: number
  readonly steps: number
  readonly set: Partial<Swarm>
  /** All acts when it is left out. */
  readonly only?: Schedule
}

export interface Shrunk {
  readonly smallest: SimCase
  readonly rule: string
  readonly runs: number
  readonly message: string
}

export function optionsOf({ seed, steps, set, only }: SimCase): WorldOptions {
  const options = { seed, steps, override: (drawn: Swarm): Swarm => ({ ...drawn, ...set }) }
  return only === undefined ? options : { ...options, only }
}

/** @returns null when the case does not fail */
export function shrink(given: SimCase, isOver: () => boolean): Shrunk | null {
  const first = failureOf(given)
  if (first === null) return null
  const { rule } = first
  let smallest = given
  let failure = first
  let runs = 1
  const tries = (candidate: SimCase): boolean => {
    if (runs >= RUNS_MAX || isOver()) return false
    runs++
    const found = failureOf(candidate)
    if (found?.rule !== rule) return false
    smallest = candidate
    failure = found
    return true
  }
  for (const simpler of SIMPLER) {
    const set = { ...smallest.set, ...simpler(first.swarm, smallest.set) }
    if (!isEqual(set, smallest.set)) tries({ ...smallest, set })
  }
  shrinkActs(() => smallest, failure.acts, tries)
  while (tries({ ...smallest, steps: Math.floor(smallest.steps / 2) })) {
    // Half as long still fails.
  }
  return { smallest, rule, runs, message: failure.message }
}

/** Delta debugging: leaves out ever smaller pieces of what takes place. */
function shrinkActs(
  smallest: () => SimCase,
  acts: { readonly nemesis: number; readonly membership: number },
  tries: (candidate: SimCase) => boolean,
): void {
  const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
  const all: Schedule = smallest().only ?? {
    nemesis: numbers(acts.nemesis),
    membership: numbers(acts.membership),
  }
  let kept = [
    ...all.membership.map((act) => ({ kind: 'membership' as const, act })),
    ...all.nemesis.map((act) => ({ kind: 'nemesis' as const, act })),
  ]
  for (let size = kept.length; size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < kept.length; ) {
      const rest = [...kept.slice(0, at), ...kept.slice(at + size)]
      const only = {
        nemesis: rest.flatMap(({ kind, act }) => (kind === 'nemesis' ? act : [])),
        membership: rest.flatMap(({ kind, act }) => (kind === 'membership' ? act : [])),
      }
      if (tries({ ...smallest(), only })) kept = rest
      else at += size
    }
  }
}

type Simpler = (drawn: Swarm, set: Partial<Swarm>) => Partial<Swarm>

/** Features without which most failures are still there, the noisiest first. */
const SIMPLER: readonly Simpler[] = [
  () => ({ hasMembership: false }),
  () => ({ hasTransfers: false }),
  network({ duplication: 0, reorders: false, replay: 0, corruption: 0 }),
  network({ loss: 0, burst: null }),
  network({ hasHeavyTail: false, delayMin: 300, delayMean: 300 }),
  () => ({ learners: 0 }),
  () => ({ voters: 3 }),
  () => ({ clients: 1 }),
  () => ({ keys: 1 }),
  () => ({ valueBytes: 0 }),
  () => ({ leaseReads: false }),
  () => ({ retries: false }),
  () => ({ applyDelay: 0, restoreMean: 200, imageMean: 200 }),
  () => ({ snapshotThreshold: 1_000_000 }),
  () => ({ messageBytesMax: 1_048_576, inflightMessagesMax: 64, chunkBytes: 65_536 }),
  (drawn) => ({ clock: { ...drawn.clock, driftMax: 0, turnCostMax: 0 } }),
  (drawn) => ({ disk: { ...drawn.disk, writeMean: 200, stallChance: 0 } }),
  () => ({ stateMachine: 'recorder' }),
]

function network(change: Partial<Swarm['network']>): Simpler {
  return (drawn, set) => ({ network: { ...(set.network ?? drawn.network), ...change } })
}

function failureOf(tried: SimCase): SeedFailed | null {
  try {
    runSeed(optionsOf(tried))
    return null
  } catch (thrown) {
    if (thrown instanceof SeedFailed) return thrown
    throw thrown
  }
}

function isEqual(x: Partial<Swarm>, y: Partial<Swarm>): boolean {
  return JSON.stringify(x) === JSON.stringify(y)
}
