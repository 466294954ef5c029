/**
 * Opens TLS connections to instances of a destination, proving who we are and checking who they are
 * (mesh.md 10.1, 10.13).
 *
 * Guarantees: a wire is only handed out when the chain verified to our roots and the certificate's one URI is
 * among those expected; resumed sessions are checked the same way. Bounds: SESSIONS_MAX remembered sessions.
 */

import { isIP } from 'node:net'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { type Attempt, awaitWire, type ConnectDeps } from '../sockets/connect.ts'
import { sharedRead, Wire } from '../sockets/wire.ts'
import type { Identity } from './identity.ts'
import { sanUris } from './san-uri.ts'

export interface MeshTarget {
  readonly address: string
  readonly port: number
  readonly sni: string
  readonly spiffeUris: readonly string[]
  readonly alpn: readonly string[]
}

export interface MeshWire {
  readonly wire: Wire
  /** What was agreed, '' for nothing. */
  readonly alpn: string
}

const SESSIONS_MAX = 1024

export function connectMesh(
  identity: Identity,
  target: MeshTarget,
  timeoutMs: number,
  deps: ConnectDeps,
  done: (result: MeshWire | Error) => void,
): Attempt {
  let wire: Wire | undefined
  const key = `${target.sni} ${target.address}:${target.port}`
  const session = identity.sessions.get(key)
  let socket: TLSSocket
  try {
    const options: ConnectionOptions = {
      host: target.address,
      port: target.port,
      servername: isIP(target.sni) === 0 ? target.sni : '',
      secureContext: identity.context,
      minVersion: 'TLSv1.2',
      ALPNProtocols: [...target.alpn],
      rejectUnauthorized: true,
      // Names are not what counts here; the URI is judged below, also for resumed sessions.
      checkServerIdentity: () => undefined,
      allowHalfOpen: true,
      onread: sharedRead('tls', () => wire),
      ...(session === undefined ? {} : { session }),
    } as ConnectionOptions
    socket = connect(options)
  } catch (err) {
    queueMicrotask(() => done(err instanceof Error ? err : new Error(String(err))))
    return { cancel: () => {} }
  }
  socket.setNoDelay(true)
  socket.setKeepAlive(true, 30_000)
  socket.on('session', (fresh: Buffer) => remember(identity, key, fresh))
  wire = new Wire(socket, deps.turn, 'onread')
  return awaitWire(wire, 'secureConnect', timeoutMs, deps.clock, (result) => {
    if (result instanceof Error) {
      identity.sessions.delete(key)
      done(result)
      return
    }
    const problem = serverProblem(socket, target.spiffeUris)
    if (problem !== undefined) {
      identity.sessions.delete(key)
      result.destroy()
      done(Object.assign(new Error(problem), { code: 'ERR_PEER_IDENTITY' }))
      return
    }
    done({ wire: result, alpn: socket.alpnProtocol === false ? '' : (socket.alpnProtocol ?? '') })
  })
}

/** @returns why the server is not who it should be, undefined when it is */
function serverProblem(socket: TLSSocket, expected: readonly string[]): string | undefined {
  if (!socket.authorized) return 'the certificate chain is not trusted'
  const certificate = socket.getPeerX509Certificate()
  const uris = certificate === undefined ? undefined : sanUris(certificate.raw)
  const uri = uris?.[0]
  if (uris?.length !== 1 || uri === undefined)
    return 'the certificate must have exactly one URI name'
  return expected.includes(uri) ? undefined : `the certificate names "${uri}"`
}

function remember(identity: Identity, key: string, session: Buffer): void {
  identity.sessions.delete(key)
  identity.sessions.set(key, session)
  if (identity.sessions.size <= SESSIONS_MAX) return
  for (const oldest of identity.sessions.keys()) {
    identity.sessions.delete(oldest)
    return
  }
}
