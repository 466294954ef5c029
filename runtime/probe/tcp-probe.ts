/**
 * TCP check: passing when a connection (with TLS: a verified handshake) succeeds (http-api.md 10.3).
 */

import { invalidAddress, parseAddress } from './address.ts'
import { dial } from './dial.ts'
import { dialError } from './error-text.ts'
import { critical, type Probe, type ProbeTlsOptions, passing, throwIfStopped } from './probe.ts'

/** @param tls absent for plain TCP */
export function tcpProbe(address: string, tls?: ProbeTlsOptions): Probe {
  const target = parseAddress(address)
  if (target === undefined) return async () => critical(invalidAddress(address))
  const label = tls === undefined ? 'TCP' : 'TCP+TLS'
  return async (signal) => {
    try {
      const socket = await dial({ ...target, ...(tls === undefined ? {} : { tls }) }, signal)
      socket.on('error', () => {})
      socket.destroy()
      return passing(`${label} connect ${address}: Success`)
    } catch (error) {
      throwIfStopped(signal)
      return critical(dialError('tcp', address, error, signal))
    }
  }
}
