/**
 * Waiting for a gRPC channel to be connected: tells "never connected" from what may happen to calls later.
 */

import type { Client } from '@grpc/grpc-js'
import { FairleadError } from '../../core/errors.ts'
import type { GrpcLibrary } from './grpc-library.ts'

/**
 * @param options.deadline epoch ms
 * @throws FairleadError NO_SERVERS when refused or at the deadline, or the abort reason at once
 */
export async function waitUntilReady(
  grpc: GrpcLibrary,
  client: Client,
  options: {
    readonly address: string
    readonly deadline: number
    readonly signal?: AbortSignal | undefined
    /** Then a failure may be one of certificates, and says which. */
    readonly isTls?: boolean
  },
): Promise<void> {
  const { READY, TRANSIENT_FAILURE, SHUTDOWN } = grpc.connectivityState
  const { address, deadline, signal } = options
  const channel = client.getChannel()
  for (;;) {
    signal?.throwIfAborted()
    const state = channel.getConnectivityState(true)
    if (state === READY) return
    if (state === TRANSIENT_FAILURE || state === SHUTDOWN) {
      const why = options.isTls === true ? await lastFailure(grpc, client) : undefined
      throw cannotConnect(address, why)
    }
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => reject(signal?.reason)
      signal?.addEventListener('abort', onAbort, { once: true })
      channel.watchConnectivityState(state, deadline, (error) => {
        signal?.removeEventListener('abort', onAbort)
        if (error === undefined) resolve()
        else reject(cannotConnect(address, error))
      })
    })
  }
}

/** What the channel knows only tells a call, which fails at once. */
function lastFailure(grpc: GrpcLibrary, client: Client): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const bytes = (): Buffer => Buffer.alloc(0)
    const deadline = new Date(Date.UTC(9999, 0))
    client.makeUnaryRequest(
      '/none',
      bytes,
      bytes,
      null,
      new grpc.Metadata(),
      { deadline },
      (error) => resolve(error ?? undefined),
    )
  })
}

function cannotConnect(address: string, cause?: Error): FairleadError {
  const why = cause === undefined ? '' : `: ${readable(cause)}`
  const message = `rpc error making call: cannot connect to "${address}"${why}`
  return new FairleadError('NO_SERVERS', message, { cause })
}

/** The reason alone, of what grpc-js puts around it. */
function readable({ message }: Error): string {
  return /Last error: (?:Error: )?(.*?)(?:\. Resolution note.*)?$/s.exec(message)?.[1] ?? message
}
