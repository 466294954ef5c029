/**
 * Blocking on the content hash of one local service (http-api.md 4.1).
 *
 * Returns at the first change of the hash, when the service goes away, or when the wait ends. The wait is
 * not jittered: all watchers of a local service are on the same host.
 */

import { instant } from '../../core/time.ts'
import type { LocalService } from '../local/types.ts'
import type { HttpCall } from './call.ts'

/** @param wanted `hash` '' does not block. @throws the abort reason of the call */
export function waitForService(
  call: HttpCall,
  wanted: { readonly id: string; readonly hash: string; readonly waitMs: number },
): Promise<LocalService | undefined> {
  const { local, clock } = call.agent
  const current = (): LocalService | undefined => local.services().get(wanted.id)
  if (wanted.hash === '' || current()?.contentHash !== wanted.hash) {
    return Promise.resolve(current())
  }
  const { signal } = call
  return new Promise((resolve, reject) => {
    const release = (): void => {
      stopListening()
      timer.cancel()
      signal.removeEventListener('abort', onAbort)
    }
    const finish = (): void => {
      release()
      resolve(current())
    }
    const onAbort = (): void => {
      release()
      reject(signal.reason)
    }
    const stopListening = local.onChange((change) => {
      if (change.kind !== 'service' || change.id !== wanted.id) return
      if (current()?.contentHash !== wanted.hash) finish()
    })
    const timer = clock.timer(instant(clock.now() + wanted.waitMs), finish)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
  })
}
