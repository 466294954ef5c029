/**
 * Checks a history for linearizability: parts by object, each searched in turns until one fails or all pass.
 *
 * Linearizability is local, so objects that no operation touches together are checked apart. Parts take
 * turns: a hard one must not hide another whose violation is found at once. A limit that is reached gives
 * `unknown`, which is neither pass nor failure. Bounds: `stepsMax` over all parts, `bytesMax` of memory for
 * each part. Source: verification 15.2 and 15.3.
 */

import type { Operation } from './operations.ts'
import { PartSearch } from './part-search.ts'
import type { SequentialModel } from './sequential-model.ts'

export interface SearchLimits {
  readonly stepsMax: number
  readonly bytesMax: number
}

const LIMITS: SearchLimits = { stepsMax: 50_000_000, bytesMax: 256 * 1_048_576 }
const SLICE_STEPS = 16_384

export interface Counterexample<I, O> {
  readonly objects: readonly string[]
  /** The longest order that explains a beginning of the part. */
  readonly explained: readonly Operation<I, O>[]
  /** What no order found could explain after it. */
  readonly impossible: Operation<I, O>
}

export interface LinearizabilityReport<I, O> {
  readonly verdict: 'ok' | 'violation' | 'unknown'
  readonly operations: number
  readonly partitions: number
  readonly steps: number
  readonly counterexample?: Counterexample<I, O>
}

export function checkLinearizability<S, I, O>(
  operations: readonly Operation<I, O>[],
  model: SequentialModel<S, I, O>,
  limits: SearchLimits = LIMITS,
): LinearizabilityReport<I, O> {
  const relevant = operations.filter((operation) => {
    return operation.outcome === 'ok' || !model.isRead(operation.input)
  })
  const parts = partsOf(relevant, model)
  const searches = parts.map((part) => {
    return {
      objects: part.objects,
      search: new PartSearch(part.operations, model, limits.bytesMax),
    }
  })
  const report = (
    verdict: 'ok' | 'violation' | 'unknown',
    counterexample?: Counterexample<I, O>,
  ): LinearizabilityReport<I, O> => ({
    verdict,
    operations: operations.length,
    partitions: parts.length,
    steps: searches.reduce((sum, { search }) => sum + search.steps, 0),
    ...(counterexample === undefined ? {} : { counterexample }),
  })

  let running = searches
  let steps = 0
  let isUnknown = false
  while (running.length > 0) {
    const still: typeof running = []
    for (const part of running) {
      const state = part.search.advance(SLICE_STEPS)
      if (state === 'violation') return report('violation', counterexampleOf(part))
      if (state === 'full') isUnknown = true
      if (state === 'running') still.push(part)
      steps += SLICE_STEPS
    }
    running = still
    if (running.length > 0 && steps >= limits.stepsMax) return report('unknown')
  }
  return report(isUnknown ? 'unknown' : 'ok')
}

interface Part<I, O> {
  readonly objects: string[]
  readonly operations: Operation<I, O>[]
}

/** Objects that an operation touches together belong to one part; order of first use. */
function partsOf<S, I, O>(
  operations: readonly Operation<I, O>[],
  model: SequentialModel<S, I, O>,
): Part<I, O>[] {
  const parent = new Map<string, string>()
  const rootOf = (object: string): string => {
    let root = object
    for (;;) {
      const above = parent.get(root)
      if (above === undefined) {
        parent.set(root, root)
        return root
      }
      if (above === root) break
      root = above
    }
    parent.set(object, root)
    return root
  }
  for (const { input } of operations) {
    const [first = '', ...others] = model.objects(input)
    for (const other of others) parent.set(rootOf(other), rootOf(first))
    rootOf(first)
  }
  const parts = new Map<string, Part<I, O>>()
  for (const object of parent.keys()) {
    const root = rootOf(object)
    const part = parts.get(root) ?? { objects: [], operations: [] }
    part.objects.push(object)
    parts.set(root, part)
  }
  for (const operation of operations) {
    const [first = ''] = model.objects(operation.input)
    parts.get(rootOf(first))?.operations.push(operation)
  }
  return [...parts.values()]
}

function counterexampleOf<S, I, O>(part: {
  readonly objects: readonly string[]
  readonly search: PartSearch<S, I, O>
}): Counterexample<I, O> {
  const { operations, deepest } = part.search
  const at = (i: number): Operation<I, O> => operations[i] as Operation<I, O>
  return {
    objects: part.objects,
    explained: (deepest?.order ?? []).map(at),
    impossible: at(deepest?.blockedBy ?? 0),
  }
}
