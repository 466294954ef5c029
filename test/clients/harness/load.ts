/**
 * Calls to a local upstream, one after the other over a kept connection, for as long as a test wants; failed ones are kept.
 */

import { call, keepAlive } from '../../e2e/harness/mesh.ts'

export interface Load extends AsyncDisposable {
  readonly calls: number
  /** Answers that were not 200, and errors. */
  readonly failures: readonly unknown[]
  stop(): Promise<void>
}

export function startLoad(port: number): Load {
  const keep = keepAlive()
  const failures: unknown[] = []
  let calls = 0
  let isStopped = false
  const running = (async () => {
    while (!isStopped) {
      const reply = await call('127.0.0.1', port, '/', { keep }).catch((error: unknown) => error)
      calls++
      const isAnswered = typeof reply === 'object' && reply !== null && 'status' in reply
      if (!isAnswered || reply.status !== 200) failures.push(reply)
    }
  })()
  const stop = async (): Promise<void> => {
    isStopped = true
    await running
    keep.destroy()
  }
  return {
    get calls() {
      return calls
    },
    failures,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}
