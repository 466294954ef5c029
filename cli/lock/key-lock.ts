/**
 * A lock that one session may hold, on one key, as Consul's libraries do it (http-api.md 14 and 27).
 */

import { LOCK_FLAGS } from '../../core/lock/semaphore.ts'
import {
  type DistributedLock,
  followWhile,
  type LockDeps,
  lockConflict,
} from './distributed-lock.ts'
import { changeLockKey, type LockEntries, type LockEntry, readLockEntries } from './lock-key.ts'

/** After a refusal without a holder, which is a lock delay. */
const REFUSED_PAUSE_MS = 5_000

export class KeyLock implements DistributedLock {
  readonly #key: string
  readonly #session: string
  readonly #deps: LockDeps

  constructor({ key, session }: { key: string; session: string }, deps: LockDeps) {
    this.#key = key
    this.#session = session
    this.#deps = deps
  }

  async acquire(once: boolean, signal: AbortSignal): Promise<boolean> {
    let index = ''
    for (;;) {
      const answer = await this.#read(index, signal)
      const entry = this.#own(answer)
      if (entry?.session === this.#session) return true
      if (entry !== undefined && entry.session !== '') {
        if (once) return false
        index = answer.index
        continue
      }
      const query = { acquire: this.#session, flags: String(LOCK_FLAGS) }
      if (await changeLockKey(this.#deps.client, this.#key, { method: 'PUT', query, signal })) {
        return true
      }
      if (once) return false
      index = ''
      const again = this.#own(await this.#read('', signal))
      // Somebody was faster: wait for that one. Nobody: the key rests a while after its holder failed.
      if ((again?.session ?? '') === '') await this.#deps.clock.sleep(REFUSED_PAUSE_MS, signal)
    }
  }

  async follow(signal: AbortSignal): Promise<never> {
    return await followWhile(
      (index, asked) => this.#read(index, asked),
      (entries) => entries[0]?.session === this.#session,
      { ...this.#deps, signal },
    )
  }

  async release(): Promise<void> {
    const query = { release: this.#session, flags: String(LOCK_FLAGS) }
    await changeLockKey(this.#deps.client, this.#key, { method: 'PUT', query })
  }

  async cleanUp(): Promise<boolean> {
    const entry = this.#own(await this.#read('', new AbortController().signal))
    if (entry === undefined) return true
    if (entry.session !== '') return false
    const query = { cas: String(entry.modifyIndex) }
    return await changeLockKey(this.#deps.client, this.#key, { method: 'DELETE', query })
  }

  async #read(index: string, signal: AbortSignal): Promise<LockEntries> {
    return await readLockEntries(this.#deps.client, this.#key, { recurse: false, index, signal })
  }

  /** @throws FairleadError when the key is no lock */
  #own({ entries }: LockEntries): LockEntry | undefined {
    const [entry] = entries
    if (entry !== undefined && entry.flags !== LOCK_FLAGS) throw lockConflict(this.#key)
    return entry
  }
}
