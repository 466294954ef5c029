/**
 * What becomes of calls to servers that end early: lost answers, streams that break, callers that wait no longer.
 */

import { FairleadError } from '../../core/errors.ts'
import { chunkOf, type ImagePart } from './image-part.ts'
import { RpcCallError } from './rpc-channel.ts'

export function unknownOutcome(cause: FairleadError): FairleadError {
  if (cause.code === 'OUTCOME_UNKNOWN') return cause
  return new FairleadError(
    'OUTCOME_UNKNOWN',
    'The connection was lost before the answer came; the write may or may not have been applied',
    { cause },
  )
}

/** @throws (while iterating) FairleadError of the server, or NO_SERVERS when the connection was lost */
export async function* bytesOf(
  parts: AsyncGenerator<ImagePart>,
  check: () => void,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const part of parts) yield chunkOf(part)
  } catch (thrown) {
    check()
    throw thrown instanceof RpcCallError ? thrown.failure.error : thrown
  }
}

/** Rejects with the reason of the signal at once; the work goes on, and nobody hears of it. */
export function rejectOnAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    const settle = (): void => signal.removeEventListener('abort', onAbort)
    work.then(resolve, reject).finally(settle)
  })
}
