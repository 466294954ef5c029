/**
 * Network errors in the words that operators of Consul know from Go: `dial tcp h:p: connect: connection refused`.
 *
 * For reading only; nobody matches these texts.
 */

import { isTimeout } from './probe.ts'

const CONNECT_REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ETIMEDOUT: 'i/o timeout',
  ECONNRESET: 'read: connection reset by peer',
  EPIPE: 'write: broken pipe',
  EACCES: 'connect: permission denied',
}

/** @param network `tcp` or `udp` */
export function dialError(
  network: string,
  address: string,
  error: unknown,
  signal: AbortSignal,
): string {
  if (isTimeout(signal)) return `dial ${network} ${address}: i/o timeout`
  return `dial ${network} ${address}: ${reasonOf(error)}`
}

/** The cause in a few words. */
export function reasonOf(error: unknown): string {
  const first = error instanceof AggregateError ? error.errors[0] : error
  const code = codeOf(first)
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return `lookup ${(first as { hostname?: string }).hostname ?? ''}: no such host`
  }
  const known = code === undefined ? undefined : CONNECT_REASONS[code]
  if (known !== undefined) return known
  return first instanceof Error ? first.message : String(first)
}

function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  const code = (error as { code?: unknown }).code
  return typeof code === 'string' ? code : undefined
}
