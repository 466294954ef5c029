/**
 * A lock that up to `limit` sessions may hold at once, as Consul's libraries do it (http-api.md 27).
 *
 * Each contender holds a key of its own below the prefix; who has a place stands in one record, which is only
 * changed by compare-and-set. A contender whose session ended has no place any more.
 */

import { FairleadError } from '../../core/errors.ts'
import {
  parseSemaphore,
  printSemaphore,
  SEMAPHORE_FLAGS,
  type SemaphoreRecord,
  withHolder,
  withoutDead,
  withoutHolder,
} from '../../core/lock/semaphore.ts'
import {
  type DistributedLock,
  followWhile,
  type LockDeps,
  lockConflict,
} from './distributed-lock.ts'
import { changeLockKey, type LockEntries, readLockEntries } from './lock-key.ts'

export interface Semaphore {
  /** Without a slash at the end. */
  readonly prefix: string
  readonly limit: number
  readonly session: string
}

interface State {
  readonly record: SemaphoreRecord
  /** Of the record; 0 when there is none yet. */
  readonly modifyIndex: number
}

const FLAGS = String(SEMAPHORE_FLAGS)

export class SemaphoreLock implements DistributedLock {
  readonly #it: Semaphore
  readonly #deps: LockDeps
  readonly #recordKey: string
  readonly #contenderKey: string

  constructor(it: Semaphore, deps: LockDeps) {
    this.#it = it
    this.#deps = deps
    this.#recordKey = `${it.prefix}/.lock`
    this.#contenderKey = `${it.prefix}/${it.session}`
  }

  async acquire(once: boolean, signal: AbortSignal): Promise<boolean> {
    const { client } = this.#deps
    const query = { acquire: this.#it.session, flags: FLAGS }
    if (!(await changeLockKey(client, this.#contenderKey, { method: 'PUT', query, signal }))) {
      throw new FairleadError('REJECTED', `the key "${this.#contenderKey}" could not be taken`)
    }
    let isHeld = false
    try {
      isHeld = await this.#takePlace(once, signal)
    } finally {
      if (!isHeld) await this.#withdraw()
    }
    return isHeld
  }

  async #takePlace(once: boolean, signal: AbortSignal): Promise<boolean> {
    let index = ''
    for (;;) {
      const answer = await this.#read(index, signal)
      const state = this.#stateOf(answer)
      const next = withHolder(state.record, this.#it.session)
      if (next === undefined) {
        if (once) return false
        index = answer.index
        continue
      }
      if (await this.#write(next, state.modifyIndex, signal)) return true
      // Somebody changed the record meanwhile: look again.
      index = ''
    }
  }

  async follow(signal: AbortSignal): Promise<never> {
    return await followWhile(
      (index, asked) => this.#read(index, asked),
      (entries) => this.#stateOf({ entries, index: '' }).record.holders.has(this.#it.session),
      { ...this.#deps, signal },
    )
  }

  async release(): Promise<void> {
    const { signal } = new AbortController()
    for (;;) {
      const { record, modifyIndex } = this.#stateOf(await this.#read('', signal))
      if (!record.holders.has(this.#it.session)) break
      if (await this.#write(withoutHolder(record, this.#it.session), modifyIndex, signal)) break
    }
    await this.#withdraw()
  }

  async #withdraw(): Promise<void> {
    await changeLockKey(this.#deps.client, this.#contenderKey, { method: 'DELETE', query: {} })
  }

  async cleanUp(): Promise<boolean> {
    const { record, modifyIndex } = this.#stateOf(
      await this.#read('', new AbortController().signal),
    )
    if (record.holders.size > 0) return false
    if (modifyIndex === 0) return true
    const query = { cas: String(modifyIndex) }
    return await changeLockKey(this.#deps.client, this.#recordKey, { method: 'DELETE', query })
  }

  async #read(index: string, signal: AbortSignal): Promise<LockEntries> {
    const prefix = `${this.#it.prefix}/`
    return await readLockEntries(this.#deps.client, prefix, { recurse: true, index, signal })
  }

  async #write(record: SemaphoreRecord, cas: number, signal: AbortSignal): Promise<boolean> {
    const query = { cas: String(cas), flags: FLAGS }
    const value = printSemaphore(record)
    return await changeLockKey(this.#deps.client, this.#recordKey, {
      method: 'PUT',
      query,
      value,
      signal,
    })
  }

  /** @throws FairleadError when the record is none, or has another limit */
  #stateOf({ entries }: LockEntries): State {
    const { prefix, limit } = this.#it
    const entry = entries.find(({ key }) => key === this.#recordKey)
    if (entry === undefined) return { record: { limit, holders: new Set() }, modifyIndex: 0 }
    const record = parseSemaphore(entry.value)
    if (entry.flags !== SEMAPHORE_FLAGS || record === undefined) throw lockConflict(this.#recordKey)
    if (record.limit !== limit) {
      throw new FairleadError(
        'REJECTED',
        `semaphore limit conflict (lock: ${record.limit}, local: ${limit})`,
        { facts: { hint: `-n=${record.limit}, as the others` } },
      )
    }
    const alive = entries
      .filter(({ key, session }) => session !== '' && key === `${prefix}/${session}`)
      .map(({ session }) => session)
    return { record: withoutDead(record, new Set(alive)), modifyIndex: entry.modifyIndex }
  }
}
