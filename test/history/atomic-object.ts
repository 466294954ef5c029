/**
 * Histories known to be good: clients of an object that really is atomic, each operation taking effect at a
 * random moment of its interval. And histories made bad from them.
 */

import type { Rng } from '../../core/rng.ts'
import type { Operation } from './operations.ts'
import type { SequentialModel } from './sequential-model.ts'

export interface AtomicObject<S, I, O> {
  readonly model: SequentialModel<S, I, O>
  /** What a correct object answers. */
  readonly answer: (state: S, input: I) => O
  readonly draw: (rng: Rng, n: number) => I
}

export interface HistoryShape {
  readonly processes: number
  readonly operations: number
  /** Share of operations whose client never learns the outcome; half of them take effect. */
  readonly unknownShare: number
}

interface Planned<I> {
  readonly process: string
  readonly input: I
  readonly call: number
  readonly at: number
  readonly end: number
  readonly fate: 'ok' | 'unknown' | 'never'
}

/** Ordered by the moment of effect; `indexes[i]` is that of operation i, undefined when it had none. */
export interface GeneratedHistory<I, O> {
  readonly operations: readonly Operation<I, O>[]
  readonly indexes: readonly (number | undefined)[]
}

export function atomicHistory<S, I, O>(
  object: AtomicObject<S, I, O>,
  shape: HistoryShape,
  rng: Rng,
): GeneratedHistory<I, O> {
  const planned = plan(object, shape, rng).sort((x, y) => x.at - y.at)
  const { model } = object
  let state = model.initial
  let index = 0
  const indexes: (number | undefined)[] = []
  const operations = planned.map(({ process, input, call, end, fate }): Operation<I, O> => {
    if (fate === 'never') {
      indexes.push(undefined)
      return { process, input, call, outcome: 'unknown' }
    }
    const output = object.answer(state, input)
    if (!model.isRead(input)) index++
    indexes.push(index)
    const after = model.step(state, input, output)
    if (after === undefined) throw new Error('the atomic object contradicts its own model')
    state = after
    return fate === 'ok'
      ? { process, input, call, outcome: 'ok', output, end }
      : { process, input, call, outcome: 'unknown' }
  })
  return { operations, indexes }
}

function plan<S, I, O>(object: AtomicObject<S, I, O>, shape: HistoryShape, rng: Rng): Planned<I>[] {
  const clients = Array.from({ length: shape.processes }, (_, i) => ({ name: `p${i}`, free: 0 }))
  let retired = 0
  return Array.from({ length: shape.operations }, (_, n) => {
    const client = rng.pick(clients) as (typeof clients)[number]
    const process = client.name
    const call = client.free + rng.range(0, 10)
    const end = call + rng.range(0, 40)
    client.free = end + 1
    const isUnknown = rng.float() < shape.unknownShare
    if (!isUnknown) {
      const at = call + rng.float() * (end - call)
      return { process, input: object.draw(rng, n), call, at, end, fate: 'ok' }
    }
    // The client gives up and goes on as another; what it began may still happen, much later.
    client.name = `r${retired++}`
    const at = call + rng.float() * 100
    const fate = rng.float() < 0.5 ? 'unknown' : 'never'
    return { process, input: object.draw(rng, n), call, at, end, fate }
  })
}

export type Spoiling = 'swap' | 'stale' | 'repeat' | 'drop'

/** The same history with one lie in it, which may happen to be harmless; null when there is no place for it. */
export function spoiled<I, O>(
  operations: readonly Operation<I, O>[],
  kind: Spoiling,
  rng: Rng,
  isRead: (input: I) => boolean,
): Operation<I, O>[] | null {
  const done = operations.flatMap((operation, i) => (operation.outcome === 'ok' ? [i] : []))
  const reads = done.filter((i) => isRead(operations[i]?.input as I))
  const writes = done.filter((i) => !isRead(operations[i]?.input as I))
  const copy = [...operations]
  const output = (i: number, from: Operation<I, O> | undefined): void => {
    const operation = copy[i]
    if (operation?.outcome === 'ok' && from?.outcome === 'ok') {
      copy[i] = { ...operation, output: from.output }
    }
  }
  switch (kind) {
    case 'swap': {
      const [a, b] = rng.shuffle(reads)
      if (a === undefined || b === undefined) return null
      output(a, operations[b])
      output(b, operations[a])
      return copy
    }
    case 'stale': {
      // What an earlier read saw is seen again, although it may have been overwritten.
      const later = rng.pick(reads.slice(1))
      if (later === undefined) return null
      output(later, operations[rng.pick(reads.filter((i) => i < later)) as number])
      return copy
    }
    case 'repeat': {
      // The write before a read takes effect once more after another one.
      const a = rng.pick(writes)
      const b = rng.pick(reads.filter((i) => a !== undefined && i > a))
      if (a === undefined || b === undefined) return null
      const twin = operations[b] as Operation<I, O>
      copy.splice(b, 0, {
        ...(operations[a] as Operation<I, O>),
        ...intervalOf(twin),
        process: 'twin',
      })
      return copy
    }
    case 'drop': {
      const gone = rng.pick(writes)
      if (gone === undefined) return null
      copy.splice(gone, 1)
      return copy
    }
  }
}

function intervalOf<I, O>(operation: Operation<I, O>): { call: number; end: number } {
  const end = operation.outcome === 'ok' ? operation.end : operation.call
  return { call: operation.call, end }
}
