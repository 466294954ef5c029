/**
 * One HTTP/2 connection for one probe: prior knowledge without TLS, ALPN `h2` with it.
 *
 * Guarantees: the session and its socket are gone when `withHttp2` settles.
 */

import { type ClientHttp2Session, connect } from 'node:http2'
import type { ProbeAddress } from './address.ts'
import { dial } from './dial.ts'
import type { ProbeTlsOptions } from './probe.ts'

/**
 * Runs `use` on a connected session.
 *
 * @throws what `use` throws, the connection's error, or the signal's reason
 */
export async function withHttp2<T>(
  target: ProbeAddress,
  tls: ProbeTlsOptions | undefined,
  signal: AbortSignal,
  use: (session: ClientHttp2Session) => Promise<T>,
): Promise<T> {
  const socket = await dial(
    { ...target, ...(tls === undefined ? {} : { tls, alpn: ['h2'] }) },
    signal,
  )
  const host = target.host.includes(':') ? `[${target.host}]` : target.host
  const scheme = tls === undefined ? 'http' : 'https'
  const session = connect(`${scheme}://${host}:${target.port}`, { createConnection: () => socket })
  const broken = new Promise<never>((_resolve, reject) => {
    session.once('error', reject)
    session.once('close', () => reject(new Error('connection closed before an answer')))
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  // Both may end after the race is over.
  broken.catch(() => {})
  const used = use(session)
  used.catch(() => {})
  try {
    return await Promise.race([used, broken])
  } finally {
    session.on('error', () => {})
    session.destroy()
    socket.destroy()
  }
}
