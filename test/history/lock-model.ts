/**
 * Locks by key, each with at most one holder. Acquiring what one holds oneself succeeds again.
 */

import { type EventCodec, HistoryError } from './operations.ts'
import type { SequentialModel } from './sequential-model.ts'
import { keyOf, text } from './values.ts'

export interface LockInput {
  readonly f: 'acquire' | 'release' | 'holder'
  readonly key: string
  readonly holder: string
}

/** Whether it was done; for `holder`, who holds it, '' for nobody. */
export type LockOutput = boolean | string

export const lockModel: SequentialModel<string, LockInput, LockOutput> = {
  initial: '',
  step(state, input, output) {
    if (input.f === 'holder') return output === undefined || output === state ? state : undefined
    const isOwn = state === input.holder
    const isDone = input.f === 'acquire' ? isOwn || state === '' : isOwn
    if (output !== undefined && output !== isDone) return undefined
    if (!isDone) return state
    return input.f === 'acquire' ? input.holder : ''
  },
  encode: (state) => state,
  objects: (input) => [input.key],
  isRead: (input) => input.f === 'holder',
}

/** The value of an invocation names the holder; without one it is the process. */
export const lockCodec: EventCodec<LockInput, LockOutput> = {
  input(event) {
    if (event.f !== 'acquire' && event.f !== 'release' && event.f !== 'holder') {
      throw new HistoryError(`the lock model knows acquire, release and holder, not "${event.f}"`)
    }
    return { f: event.f, key: keyOf(event), holder: text(event.value ?? event.process, event) }
  },
  output(input, event) {
    return input.f === 'holder' ? text(event.value ?? '', event) : event.value !== false
  },
}
