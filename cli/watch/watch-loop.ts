/**
 * Follows one watch: asks, waits, hands out what is news, one after another (agent-config.md section 10).
 *
 * Guarantees: the next question is asked when the last news was handled; failed ones are repeated ever more rarely.
 * Ends only by its signal, or by a handler that throws.
 */

import { toFairleadError } from '../../core/errors.ts'
import type { Clock } from '../../core/time.ts'
import { type WatchAnswer, type WatchNews, WatchProgress } from '../../core/watch/watch-progress.ts'
import type { WatchTarget } from '../../core/watch/watch-target.ts'
import type { ApiClient } from '../api-client.ts'

export interface WatchLoopDeps {
  readonly client: ApiClient
  readonly clock: Clock
  readonly onNews: (news: WatchNews) => Promise<void>
  readonly onFailure: (error: Error, retryMs: number) => void
  readonly signal: AbortSignal
}

const MARK_HEADER = { index: 'x-consul-index', hash: 'x-consul-contenthash' } as const

/** Where asking again soon is the wrong thing: an answer at once that is no news, as a wrong mark gives. */
const PAUSE_MS = 100
/** Where there is nothing to wait by: a local service that is not registered. */
const BLIND_PAUSE_MS = 5_000

/** @throws the abort reason; what `onNews` throws */
export async function followWatch(target: WatchTarget, deps: WatchLoopDeps): Promise<never> {
  const { clock, signal, onNews, onFailure } = deps
  const progress = new WatchProgress(target)
  for (;;) {
    signal.throwIfAborted()
    const askedAt = clock.now()
    let answer: WatchAnswer
    try {
      answer = await ask(target, progress, deps)
    } catch (thrown) {
      signal.throwIfAborted()
      const retryMs = progress.onFailure()
      onFailure(toFairleadError(thrown), retryMs)
      await clock.sleep(retryMs, signal)
      continue
    }
    const news = progress.onAnswer(answer)
    if (news !== null) await onNews(news)
    if (answer.mark === undefined) await clock.sleep(BLIND_PAUSE_MS, signal)
    else if (news === null && clock.now() - askedAt < PAUSE_MS) await clock.sleep(PAUSE_MS, signal)
  }
}

async function ask(
  target: WatchTarget,
  progress: WatchProgress,
  { client, signal }: WatchLoopDeps,
): Promise<WatchAnswer> {
  const options = { query: progress.query, accept: [404], signal }
  const answer = await client.get(target.path, options)
  return {
    mark: answer.header(MARK_HEADER[target.blocksOn]),
    isAbsent: answer.status === 404,
    body: answer.text(),
  }
}
