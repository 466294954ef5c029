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
import { FrameReader } from './frame-reader.ts'
import type { Seal, SealRefusal } from './seal.ts'

export interface ExchangeOptions {
  readonly to: NodeAddress
  readonly body: Uint8Array
  readonly deadline: Instant
  readonly signal: AbortSignal
  /** Encrypt it also while other gossip is not. */
  readonly isSecret?: boolean
}

export async function exchange(
  options: ExchangeOptions,
  deps: { readonly seal: Seal; readonly clock: Clock },
): Promise<ExchangeOutcome> {
  const { to, body, deadline, signal, isSecret = false } = options
  if (signal.aborted) return failed('the gossip pool has stopped')
  const { promise, resolve } = Promise.withResolvers<ExchangeOutcome>()
  const socket = connect({ host: to.address, port: to.port, noDelay: true })
  const timer = deps.clock.timer(deadline, () => resolve(failed('no answer in time')))
  const onAbort = (): void => resolve(failed('the gossip pool has stopped'))
  signal.addEventListener('abort', onAbort, { once: true })
  const reader = new FrameReader(deps.seal)
  const { frame: request, ticket } = deps.seal.sealRequest(body, { isSecret })
  socket.on('connect', () => socket.write(request))
  socket.on('error', (error) => resolve(failed(error.message)))
  socket.on('close', () => resolve(failed('the connection ended without an answer')))
  socket.on('data', (chunk: Buffer) => {
    const result = reader.push(chunk)
    if (result.kind === 'incomplete') return
    if (result.kind === 'refused') {
      resolve(failed(reasonText(result.reason, result.label)))
      return
    }
    const opened = deps.seal.openReply(result.frame, ticket)
    if (opened.kind === 'opened') resolve({ kind: 'reply', bytes: opened.body })
    else resolve(failed(reasonText(opened.reason, '')))
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

function reasonText(reason: SealRefusal, label: string): string {
  switch (reason) {
    case 'label':
      return `it belongs to another pool: ${JSON.stringify(label)}`
    case 'version':
      return 'it does not speak this version of the gossip protocol'
    case 'plain':
      return 'it does not encrypt gossip, and this agent wants that (encrypt_verify_incoming)'
    case 'encrypted':
      return 'its pool encrypts gossip and this agent has no key: set encrypt to a key of that pool'
    case 'key':
      return 'it and this agent share no gossip key: see fairlead keyring -list on both'
    case 'checksum':
    case 'malformed':
    case 'replay':
      return 'the answer is damaged'
    default:
      return reason satisfies never
  }
}

function failed(reason: string): ExchangeOutcome {
  return { kind: 'failed', reason }
}
