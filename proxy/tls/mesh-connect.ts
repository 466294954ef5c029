/**
 * Opens TLS connections to instances of a destination, proving who we are and checking who they are
 * (mesh.md 10.1, 10.13).
 *
 * Guarantees: a wire is only handed out when the chain verified to our roots and the certificate's one URI is
 * among those expected and not revoked; a resumed session counts for whom it was verified. Bounds: SESSIONS_MAX remembered sessions.
 */

import { isIP } from 'node:net'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { type Attempt, awaitWire, type ConnectDeps } from '../sockets/connect.ts'
import { sharedRead, Wire } from '../sockets/wire.ts'
import type { Lifetimes } from '../upstream/lifetimes.ts'
import type { Identity, KnownSession, VerifiedServer } from './identity.ts'
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
  readonly server: VerifiedServer
  /** What was agreed, '' for nothing. */
  readonly alpn: string
}

const SESSIONS_MAX = 1024

export function connectMesh(
  identity: Identity,
  target: MeshTarget,
  timeoutMs: number,
  deps: ConnectDeps & { readonly lifetimes: Pick<Lifetimes, 'isRevoked'> },
  done: (result: MeshWire | Error) => void,
): Attempt {
  let wire: Wire | undefined
  const key = `${target.sni} ${target.address}:${target.port}`
  const known = usableSession(identity, key, deps.clock.wall())
  let verified: VerifiedServer | undefined
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
      ...(known === undefined ? {} : { session: known.session }),
    } as ConnectionOptions
    socket = connect(options)
  } catch (err) {
    queueMicrotask(() => done(err instanceof Error ? err : new Error(String(err))))
    return { cancel: () => {} }
  }
  socket.setNoDelay(true)
  socket.setKeepAlive(true, 30_000)
  socket.on('session', (session: Buffer) => {
    // Before the verdict there is nothing to go with it; TLS 1.3 sends its tickets after.
    if (verified !== undefined) remember(identity, key, { ...verified, session })
  })
  wire = new Wire(socket, deps.turn, 'onread')
  return awaitWire(wire, 'secureConnect', timeoutMs, deps.clock, (result) => {
    if (result instanceof Error) {
      identity.sessions.delete(key)
      done(result)
      return
    }
    const server = socket.isSessionReused() ? known : verifyServer(socket)
    if (server === undefined || !target.spiffeUris.includes(server.uri)) {
      identity.sessions.delete(key)
      result.destroy()
      done(wrongServer(server))
      return
    }
    if (deps.lifetimes.isRevoked(server)) {
      identity.sessions.delete(key)
      result.destroy()
      done(revokedServer(server))
      return
    }
    const { uri, serial, notAfter } = server
    verified = { uri, serial, notAfter }
    done({
      wire: result,
      server: verified,
      alpn: socket.alpnProtocol === false ? '' : (socket.alpnProtocol ?? ''),
    })
  })
}

/** @returns undefined when the certificate is no identity at all */
function verifyServer(socket: TLSSocket): VerifiedServer | undefined {
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined
  if (certificate === undefined || certificate.ca) return undefined
  const uris = sanUris(certificate.raw)
  const uri = uris?.[0]
  if (uris?.length !== 1 || uri === undefined) return undefined
  return { uri, serial: certificate.serialNumber, notAfter: certificate.validToDate.getTime() }
}

function wrongServer(server: VerifiedServer | undefined): Error {
  const found = server === undefined ? 'no single trusted URI name' : `"${server.uri}"`
  return Object.assign(new Error(`the certificate names ${found}`), { code: 'ERR_PEER_IDENTITY' })
}

function revokedServer({ uri }: VerifiedServer): Error {
  return Object.assign(new Error(`the certificate of "${uri}" is revoked`), {
    code: 'ERR_PEER_IDENTITY',
  })
}

/**
 * A resumed TLS connection shows no certificate on this side: what counts is who was verified when the session
 * began, which the server proves to be by knowing its secret.
 */
function usableSession(identity: Identity, key: string, now: number): KnownSession | undefined {
  const known = identity.sessions.get(key)
  if (known === undefined || now < known.notAfter) return known
  identity.sessions.delete(key)
  return undefined
}

function remember(identity: Identity, key: string, session: KnownSession): void {
  identity.sessions.delete(key)
  identity.sessions.set(key, session)
  if (identity.sessions.size <= SESSIONS_MAX) return
  for (const oldest of identity.sessions.keys()) {
    identity.sessions.delete(oldest)
    return
  }
}
