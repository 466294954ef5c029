/**
 * UDP check: an empty datagram is sent; any answer, or silence until the time limit, is passing; a refusal
 * (ICMP) is critical (http-api.md 10.3).
 */

import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { invalidAddress, parseAddress } from './address.ts'
import { dialError } from './error-text.ts'
import { critical, isTimeout, type Probe, passing, throwIfStopped } from './probe.ts'

export function udpProbe(address: string): Probe {
  const target = parseAddress(address)
  if (target === undefined) return async () => critical(invalidAddress(address))
  return async (signal) => {
    try {
      await exchange(target.host, target.port, signal)
    } catch (error) {
      throwIfStopped(signal)
      if (!isTimeout(signal)) return critical(dialError('udp', address, error, signal))
    }
    return passing(`UDP connect ${address}: Success`)
  }
}

/** Resolves at the first answer; rejects on a socket error or when the signal aborts. */
function exchange(host: string, port: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  return new Promise<void>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    socket.on('error', reject)
    socket.once('message', () => resolve())
    // Only a connected socket is told of an ICMP refusal.
    socket.connect(port, host, (error?: Error) => {
      if (error instanceof Error) reject(error)
      else if (!signal.aborted) socket.send('')
    })
  }).finally(() => {
    socket.on('error', () => {})
    socket.close()
  })
}
