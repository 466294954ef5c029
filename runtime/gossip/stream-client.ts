/**
 * Asks another member over TCP: connects, sends one sealed request, waits for the one answer.
 *
 * Never throws: an exchange that fails says why, in words for the operator who asked for the join.
 * Bounds: ends at the deadline, whatever the other side does.
 */

import type { Buffer } from 'node:buffer'
import { connect } from 'node:net'
import type { ExchangeOutcome, NodeAddress } from '../../core/swim/types.ts'
import type { Clock, Instant } from '../../core/time.ts'
import { FrameReader, type FrameResult } from './frame-reader.ts'
import type { Seal } from './seal.ts'

export interface ExchangeOptions {
  readonly to: NodeAddress
  readonly body: Uint8Array
  readonly deadline: Instant
  readonly signal: AbortSignal
}

export async function exchange(
  options: ExchangeOptions,
  deps: { readonly seal: Seal; readonly clock: Clock },
): Promise<ExchangeOutcome> {
  const { to, body, deadline, signal } = options
  if (signal.aborted) return failed('the gossip pool has stopped')
  const { promise, resolve } = Promise.withResolvers<ExchangeOutcome>()
  const socket = connect({ host: to.address, port: to.port, noDelay: true })
  const timer = deps.clock.timer(deadline, () => resolve(failed('no answer in time')))
  const onAbort = (): void => resolve(failed('the gossip pool has stopped'))
  signal.addEventListener('abort', onAbort, { once: true })
  const reader = new FrameReader(deps.seal)
  socket.on('connect', () => socket.write(deps.seal.sealStream(body)))
  socket.on('error', (error) => resolve(failed(error.message)))
  socket.on('close', () => resolve(failed('the connection ended without an answer')))
  socket.on('data', (chunk: Buffer) => {
    const result = reader.push(chunk)
    if (result.kind !== 'incomplete') resolve(outcomeOf(result))
  })
  try {
    return await promise
  } finally {
    timer.cancel()
    signal.removeEventListener('abort', onAbort)
    socket.removeAllListeners('data')
    socket.destroy()
  }
}

function outcomeOf(result: Exclude<FrameResult, { kind: 'incomplete' }>): ExchangeOutcome {
  if (result.kind === 'opened') return { kind: 'reply', bytes: result.body }
  switch (result.reason) {
    case 'label':
      return failed(`it belongs to another pool: ${JSON.stringify(result.label)}`)
    case 'version':
      return failed('it does not speak this version of the gossip protocol')
    case 'checksum':
    case 'malformed':
      return failed('the answer is damaged')
    default:
      return result.reason satisfies never
  }
}

function failed(reason: string): ExchangeOutcome {
  return { kind: 'failed', reason }
}
