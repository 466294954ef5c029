/**
 * HTTP/2 ping check: passing when a PING frame is answered (http-api.md 10.3).
 */

import type { ClientHttp2Session } from 'node:http2'
import { invalidAddress, parseAddress } from './address.ts'
import { reasonOf } from './error-text.ts'
import { withHttp2 } from './http2-session.ts'
import {
  critical,
  isTimeout,
  type Probe,
  type ProbeTlsOptions,
  passing,
  throwIfStopped,
} from './probe.ts'

/** @param tls absent for HTTP/2 without TLS */
export function h2pingProbe(address: string, tls?: ProbeTlsOptions): Probe {
  const target = parseAddress(address)
  if (target === undefined) {
    return async () => critical(`HTTP2 ping failed: ${invalidAddress(address)}`)
  }
  return async (signal) => {
    try {
      await withHttp2(target, tls, signal, ping)
      return passing('HTTP2 ping was successful')
    } catch (error) {
      throwIfStopped(signal)
      const reason = isTimeout(signal) ? 'context deadline exceeded' : reasonOf(error)
      return critical(`HTTP2 ping failed: ${reason}`)
    }
  }
}

function ping(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = session.ping((error: Error | null) => {
      if (error === null) resolve()
      else reject(error)
    })
    if (!sent) reject(new Error('ping was not sent'))
  })
}
