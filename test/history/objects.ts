/**
 * Atomic objects of every model for the checkers' self-tests: what a correct one answers, written without
 * the models, and what its clients ask for.
 */

import type { Rng } from '../../core/rng.ts'
import { type AppendInput, appendModel } from './append-model.ts'
import type { AtomicObject } from './atomic-object.ts'
import { type KvInput, type KvOutput, type KvState, kvModel } from './kv-model.ts'
import { type ListInput, type ListOutput, type ListState, listModel } from './list-model.ts'
import { type LockInput, type LockOutput, lockModel } from './lock-model.ts'
import { type RegisterInput, type RegisterOutput, registerModel } from './register-model.ts'
import type { Scalar } from './values.ts'

const KEYS = ['x', 'y'] as const
const SESSIONS = ['s1', 's2'] as const

function keyBy(rng: Rng): string {
  return rng.pick(KEYS) as string
}

export const atomicRegister: AtomicObject<Scalar, RegisterInput, RegisterOutput> = {
  model: registerModel,
  answer(state, input) {
    if (input.f === 'read') return state
    return input.f === 'write' ? null : state === input.from
  },
  draw(rng) {
    const key = 'x'
    const value = rng.range(1, 4)
    switch (rng.range(0, 5)) {
      case 0:
      case 1:
        return { f: 'read', key }
      case 2:
        return { f: 'cas', key, from: value, to: rng.range(1, 4) }
      default:
        return { f: 'write', key, value }
    }
  },
}

export const atomicText: AtomicObject<string, AppendInput, string> = {
  model: appendModel,
  answer: (state, input) => (input.f === 'get' ? state : ''),
  draw(rng, n) {
    const f = rng.pick(['get', 'get', 'append', 'append', 'put'] as const) as AppendInput['f']
    return { f, key: 'x', value: f === 'get' ? '' : `${n};` }
  },
}

export const atomicLock: AtomicObject<string, LockInput, LockOutput> = {
  model: lockModel,
  answer(state, input) {
    if (input.f === 'holder') return state
    return state === input.holder || (input.f === 'acquire' && state === '')
  },
  draw(rng) {
    const f = rng.pick(['acquire', 'release', 'holder'] as const) as LockInput['f']
    return { f, key: 'x', holder: `h${rng.range(0, 3)}` }
  },
}

export const atomicLists: AtomicObject<ListState, ListInput, ListOutput> = {
  model: listModel,
  answer(state, input) {
    const lists = new Map(state)
    const seen: (readonly Scalar[])[] = []
    for (const op of input.ops) {
      const present = lists.get(op.key) ?? []
      if (op.f === 'read') seen.push(present)
      else lists.set(op.key, [...present, op.value])
    }
    return seen
  },
  draw(rng, n) {
    const ops = Array.from({ length: rng.range(1, 4) }, (_, i) => {
      const key = keyBy(rng)
      return rng.float() < 0.5
        ? ({ f: 'read', key } as const)
        : ({ f: 'append', key, value: `${n}.${i}` } as const)
    })
    return { ops }
  },
}

/** Without indexes in the results: comparisons are with 0 alone, so that they mean "if absent". */
export const atomicKv: AtomicObject<KvState, KvInput, KvOutput> = {
  model: kvModel,
  answer(state, input) {
    const done = (is: boolean): KvOutput => ({ kind: 'done', done: is })
    switch (input.f) {
      case 'get': {
        const entry = state.keys.get(input.key)
        if (entry === undefined) return { kind: 'entry', entry: null }
        return { kind: 'entry', entry: { value: entry.value, session: entry.session } }
      }
      case 'cas':
        return done(!state.keys.has(input.key))
      case 'acquire': {
        const holder = state.keys.get(input.key)?.session ?? ''
        const isAlive = state.sessions.get(input.session) === true
        return done(isAlive && (holder === '' || holder === input.session))
      }
      case 'release':
        return done((state.keys.get(input.key)?.session ?? '') === input.session)
      case 'txn': {
        const isRefused = input.ops.some((op) => {
          return op.f === 'check-not-exists' && state.keys.has(op.key)
        })
        if (isRefused) return done(false)
        const entries = input.ops.flatMap((op) => {
          if (op.f !== 'get-or-empty') return []
          const entry = state.keys.get(op.key)
          return [entry === undefined ? null : { value: entry.value }]
        })
        return { kind: 'results', entries }
      }
      default:
        return done(true)
    }
  },
  draw(rng, n) {
    const key = keyBy(rng)
    const name = `#${n}`
    const value = `v${n}`
    const session = rng.pick(SESSIONS) as string
    switch (rng.range(0, 11)) {
      case 0:
        return { f: 'put', key, value, name }
      case 1:
        return { f: 'cas', key, value, index: 0, name }
      case 2:
        return { f: 'delete', key, name }
      case 3:
      case 4:
        return { f: 'acquire', key, value, session, name }
      case 5:
        return { f: 'release', key, value, session, name }
      case 6:
        return { f: rng.float() < 0.7 ? 'session-create' : 'session-destroy', session, name }
      case 7:
        return {
          f: 'txn',
          ops: [
            { f: 'get-or-empty', key: 'x' },
            { f: 'check-not-exists', key: 'y' },
            { f: 'put', key: 'x', value },
          ],
          name,
        }
      default:
        return { f: 'get', key }
    }
  },
}
