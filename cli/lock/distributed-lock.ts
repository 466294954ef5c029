/**
 * What `fairlead lock` needs of a lock, whether one may hold it or several (key-lock.ts, semaphore-lock.ts).
 */

import { FairleadError } from '../../core/errors.ts'
import type { Clock } from '../../core/time.ts'
import type { ApiClient } from '../api-client.ts'
import type { LockEntries } from './lock-key.ts'

export interface DistributedLock {
  /**
   * @param once looks once and does not wait
   * @returns whether it is held
   * @throws FairleadError when the key is something else's; the abort reason
   */
  acquire(once: boolean, signal: AbortSignal): Promise<boolean>
  /** Follows the lock until the signal ends it. @throws FairleadError when it is lost; the abort reason */
  follow(signal: AbortSignal): Promise<never>
  release(): Promise<void>
  /** Deletes what the lock left in the store. @returns false when somebody else uses it */
  cleanUp(): Promise<boolean>
}

export interface LockDeps {
  readonly client: ApiClient
  readonly clock: Clock
  /** Failed questions in a row, while following, after which the lock counts as lost. */
  readonly retriesMax: number
}

const RETRY_MS = 1_000

/** Asks again whenever something changed, as long as `isHeld` says so. @throws FairleadError */
export async function followWhile(
  read: (index: string, signal: AbortSignal) => Promise<LockEntries>,
  isHeld: (entries: LockEntries['entries']) => boolean,
  { clock, retriesMax, signal }: Omit<LockDeps, 'client'> & { readonly signal: AbortSignal },
): Promise<never> {
  let index = ''
  let failures = 0
  for (;;) {
    try {
      const answer = await read(index, signal)
      if (!isHeld(answer.entries)) throw new LockLost('its session holds it no longer')
      index = answer.index
      failures = 0
    } catch (thrown) {
      signal.throwIfAborted()
      if (thrown instanceof LockLost) {
        throw new FairleadError('REJECTED', `the lock is lost: ${thrown.message}`)
      }
      failures++
      if (failures > retriesMax) {
        const reason = thrown instanceof Error ? thrown.message : String(thrown)
        throw new FairleadError('REJECTED', `the lock can be followed no longer: ${reason}`, {
          cause: thrown,
        })
      }
      await clock.sleep(RETRY_MS, signal)
    }
  }
}

class LockLost extends Error {
  override readonly name = 'LockLost'
}

export function lockConflict(key: string): FairleadError {
  return new FairleadError('REJECTED', `the key "${key}" exists and is no lock of this kind`, {
    facts: { hint: 'choose another prefix, or delete the key if nothing uses it' },
  })
}
