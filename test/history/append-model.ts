/**
 * Texts by key that grow: put, append, get. A key that was never written holds ''.
 */

import { type EventCodec, HistoryError } from './operations.ts'
import type { SequentialModel } from './sequential-model.ts'
import { keyOf, text } from './values.ts'

export interface AppendInput {
  readonly f: 'get' | 'put' | 'append'
  readonly key: string
  /** '' for a get. */
  readonly value: string
}

export const appendModel: SequentialModel<string, AppendInput, string> = {
  initial: '',
  step(state, input, output) {
    switch (input.f) {
      case 'get':
        return output === undefined || output === state ? state : undefined
      case 'put':
        return input.value
      case 'append':
        return state + input.value
    }
  },
  encode: (state) => state,
  objects: (input) => [input.key],
  isRead: (input) => input.f === 'get',
}

export const appendCodec: EventCodec<AppendInput, string> = {
  input(event) {
    const key = keyOf(event)
    if (event.f === 'get') return { f: 'get', key, value: '' }
    if (event.f === 'put' || event.f === 'append') {
      return { f: event.f, key, value: text(event.value, event) }
    }
    throw new HistoryError(`the kvappend model knows get, put and append, not "${event.f}"`)
  },
  output: (input, event) => (input.f === 'get' ? text(event.value ?? '', event) : ''),
}
