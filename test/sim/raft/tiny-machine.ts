/**
 * A key value store in a hundred lines, for simulated servers: what http-api.md says of keys, and no more.
 *
 * Remembers every request by name, so a repeated one changes nothing. Same log, same image.
 */

import type { KvEntrySeen, KvInput, KvOutput, KvTxnOp } from '../../history/kv-model.ts'
import type { SimMachine } from './state-machines.ts'

interface Kept {
  readonly value: string
  readonly modifyIndex: number
  readonly lockIndex: number
  readonly session: string
}

interface Answer {
  readonly index: number
  readonly result: KvOutput
}

interface Image {
  readonly keys: readonly (readonly [string, Kept])[]
  readonly sessions: readonly string[]
  readonly requests: readonly (readonly [string, Answer])[]
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const done = (is: boolean): KvOutput => ({ kind: 'done', done: is })

export class TinyMachine implements SimMachine {
  #keys = new Map<string, Kept>()
  readonly #sessions = new Set<string>()
  readonly #requests = new Map<string, Answer>()

  static fromImage(bytes: Uint8Array): TinyMachine {
    const image = JSON.parse(decoder.decode(bytes)) as Image
    const machine = new TinyMachine()
    machine.#keys = new Map(image.keys)
    for (const session of image.sessions) machine.#sessions.add(session)
    for (const [name, answer] of image.requests) machine.#requests.set(name, answer)
    return machine
  }

  apply(index: number, data: Uint8Array): { result: KvOutput; index: number } {
    const [name, input] = JSON.parse(decoder.decode(data)) as [string, KvInput]
    const known = this.#requests.get(name)
    if (known !== undefined) return known
    const answer = { index, result: this.#execute(index, input) }
    this.#requests.set(name, answer)
    return answer
  }

  get(key: string): KvEntrySeen | null {
    return this.#keys.get(key) ?? null
  }

  image(): Uint8Array {
    const byName = ([x]: readonly [string, unknown], [y]: readonly [string, unknown]): number => {
      return x < y ? -1 : 1
    }
    const image: Image = {
      keys: [...this.#keys].sort(byName),
      sessions: [...this.#sessions].sort(),
      requests: [...this.#requests].sort(byName),
    }
    return encoder.encode(JSON.stringify(image))
  }

  #execute(index: number, input: KvInput): KvOutput {
    switch (input.f) {
      case 'get':
        return done(true)
      case 'put':
        this.#set(index, input.key, { value: input.value })
        return done(true)
      case 'cas':
        if ((this.#keys.get(input.key)?.modifyIndex ?? 0) !== input.index) return done(false)
        this.#set(index, input.key, { value: input.value })
        return done(true)
      case 'delete':
        this.#keys.delete(input.key)
        return done(true)
      case 'delete-cas': {
        const entry = this.#keys.get(input.key)
        if (entry !== undefined && entry.modifyIndex !== input.index) return done(false)
        this.#keys.delete(input.key)
        return done(true)
      }
      case 'acquire': {
        const holder = this.#keys.get(input.key)?.session ?? ''
        const isFree = holder === '' || holder === input.session
        if (!isFree || !this.#sessions.has(input.session)) return done(false)
        const lockIndex = (this.#keys.get(input.key)?.lockIndex ?? 0) + (holder === '' ? 1 : 0)
        this.#set(index, input.key, { value: input.value, session: input.session, lockIndex })
        return done(true)
      }
      case 'release':
        if (this.#keys.get(input.key)?.session !== input.session) return done(false)
        this.#set(index, input.key, { value: input.value, session: '' })
        return done(true)
      case 'session-create':
        this.#sessions.add(input.session)
        return done(true)
      case 'session-destroy':
        if (!this.#sessions.delete(input.session)) return done(true)
        for (const [key, entry] of this.#keys) {
          if (entry.session === input.session) this.#set(index, key, { session: '' })
        }
        return done(true)
      case 'txn':
        return this.#transact(index, input.ops)
    }
  }

  #transact(index: number, ops: readonly KvTxnOp[]): KvOutput {
    const before = new Map(this.#keys)
    const entries: (KvEntrySeen | null)[] = []
    for (const op of ops) {
      if (this.#step(index, op, entries)) continue
      this.#keys = before
      return done(false)
    }
    return { kind: 'results', entries }
  }

  #step(index: number, op: KvTxnOp, entries: (KvEntrySeen | null)[]): boolean {
    const entry = this.#keys.get(op.key)
    switch (op.f) {
      case 'get':
      case 'get-or-empty':
        entries.push(entry ?? null)
        return entry !== undefined || op.f === 'get-or-empty'
      case 'put':
        this.#set(index, op.key, { value: op.value })
        return true
      case 'cas':
        if ((entry?.modifyIndex ?? 0) !== op.index) return false
        this.#set(index, op.key, { value: op.value })
        return true
      case 'delete':
        this.#keys.delete(op.key)
        return true
      case 'check-index':
        return entry?.modifyIndex === op.index
      case 'check-not-exists':
        return entry === undefined
      case 'check-session':
        return entry?.session === op.session
    }
  }

  /** What is not named stays; a write that changes nothing keeps its index. */
  #set(index: number, key: string, change: Partial<Omit<Kept, 'modifyIndex'>>): void {
    const before = this.#keys.get(key)
    const value = change.value ?? before?.value ?? ''
    const session = change.session ?? before?.session ?? ''
    const lockIndex = change.lockIndex ?? before?.lockIndex ?? 0
    const isSame =
      before !== undefined &&
      before.value === value &&
      before.session === session &&
      before.lockIndex === lockIndex
    if (!isSame) this.#keys.set(key, { value, session, lockIndex, modifyIndex: index })
  }
}
