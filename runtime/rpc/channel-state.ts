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
  },
): Promise<void> {
  const { READY, TRANSIENT_FAILURE, SHUTDOWN } = grpc.connectivityState
  const { address, deadline, signal } = options
  const channel = client.getChannel()
  for (;;) {
    signal?.throwIfAborted()
    const state = channel.getConnectivityState(true)
    if (state === READY) return
    if (state === TRANSIENT_FAILURE || state === SHUTDOWN) throw cannotConnect(address)
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

function cannotConnect(address: string, cause?: unknown): FairleadError {
  const message = `rpc error making call: cannot connect to "${address}"`
  return new FairleadError('NO_SERVERS', message, { cause })
}
