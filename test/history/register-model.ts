/**
 * Registers by key: read, write, compare and set on values. `null` is the value before the first write.
 */

import { type EventCodec, HistoryError } from './operations.ts'
import type { SequentialModel } from './sequential-model.ts'
import { keyOf, type Scalar, scalar } from './values.ts'

export type RegisterInput =
  | { readonly f: 'read'; readonly key: string }
  | { readonly f: 'write'; readonly key: string; readonly value: Scalar }
  | { readonly f: 'cas'; readonly key: string; readonly from: Scalar; readonly to: Scalar }

/** What a read returned; whether a compare and set was done; null for a write. */
export type RegisterOutput = Scalar

export const registerModel: SequentialModel<Scalar, RegisterInput, RegisterOutput> = {
  initial: null,
  step(state, input, output) {
    switch (input.f) {
      case 'read':
        return output === undefined || output === state ? state : undefined
      case 'write':
        return input.value
      case 'cas': {
        const isDone = state === input.from
        if (output !== undefined && output !== isDone) return undefined
        return isDone ? input.to : state
      }
    }
  },
  encode: (state) => JSON.stringify(state),
  objects: (input) => [input.key],
  isRead: (input) => input.f === 'read',
}

/** `cas` takes `[from, to]`; its end carries true or false, and anything else counts as true. */
export const registerCodec: EventCodec<RegisterInput, RegisterOutput> = {
  input(event) {
    const key = keyOf(event)
    switch (event.f) {
      case 'read':
        return { f: 'read', key }
      case 'write':
        return { f: 'write', key, value: scalar(event.value, event) }
      case 'cas': {
        if (!Array.isArray(event.value) || event.value.length !== 2) {
          throw new HistoryError(`"cas" of process "${event.process}" needs the value [from, to]`)
        }
        const [from, to] = event.value
        return { f: 'cas', key, from: scalar(from, event), to: scalar(to, event) }
      }
      default:
        throw new HistoryError(`a register knows read, write and cas, not "${event.f}"`)
    }
  },
  output(input, event) {
    if (input.f === 'read') return scalar(event.value, event)
    if (input.f === 'write') return null
    return event.value !== false
  },
}
