/**
 * Runs something under a deadline of the given clock and the signal of its owner.
 */

import { FairleadError } from '../../core/errors.ts'
import { type Clock, instant } from '../../core/time.ts'

/**
 * @param run gets a signal that aborts at the deadline or with `parent`; must reject then
 * @throws what `run` rejects with; FairleadError NO_SERVERS is the signal's reason at the deadline
 */
export async function withDeadline<R>(
  clock: Clock,
  waitMs: number,
  parent: AbortSignal,
  run: (signal: AbortSignal) => Promise<R>,
): Promise<R> {
  const abort = new AbortController()
  const onParent = (): void => abort.abort(parent.reason)
  if (parent.aborted) onParent()
  parent.addEventListener('abort', onParent, { once: true })
  const timer = clock.timer(instant(clock.now() + waitMs), () => {
    abort.abort(new FairleadError('NO_SERVERS', `No answer within ${waitMs} ms`))
  })
  try {
    return await run(abort.signal)
  } finally {
    timer.cancel()
    parent.removeEventListener('abort', onParent)
  }
}
