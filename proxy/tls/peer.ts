/**
 * Who the other side of a TLS connection is, judged by hand after the handshake (mesh.md 1.3, 10.13).
 *
 * Fails closed: the chain must have been verified by OpenSSL against our roots, the certificate must be a leaf
 * within its time with exactly one URI name, and that URI must be an identity of our trust domain.
 */

import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { parseSpiffeUri } from '../../core/mesh/spiffe.ts'
import type { WallTime } from '../../core/time.ts'
import { sanUris } from './san-uri.ts'

export interface Peer {
  readonly uri: string
  /** Service name, or null for a host's own identity, which only `*` rules match. */
  readonly sourceName: string | null
  /** Epoch ms. */
  readonly notAfter: number
  readonly certificate: X509Certificate
}

/** @returns the peer, or why it is not accepted */
export function judgePeer(
  socket: TLSSocket,
  trustDomain: string,
  now: WallTime,
): Peer | { readonly refused: string } {
  if (!socket.authorized) {
    return { refused: `certificate chain not trusted: ${reasonOf(socket.authorizationError)}` }
  }
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return { refused: 'no certificate was presented' }
  if (certificate.ca) return { refused: 'a CA certificate was presented as a leaf' }
  // A resumed session is not verified again, so the time is checked here each time.
  const notAfter = certificate.validToDate.getTime()
  if (now >= notAfter) return { refused: 'the certificate has expired' }
  if (now < certificate.validFromDate.getTime())
    return { refused: 'the certificate is not valid yet' }
  const uris = sanUris(certificate.raw)
  const uri = uris?.[0]
  if (uris?.length !== 1 || uri === undefined) {
    return { refused: 'the certificate must have exactly one URI name' }
  }
  // It goes into a field of every request; nothing but visible ASCII may.
  if (!/^[\x21-\x7e]{1,2048}$/.test(uri)) return { refused: 'the URI name has odd characters' }
  const id = parseSpiffeUri(uri)
  if ('error' in id) return { refused: id.error }
  if (id.trustDomain !== trustDomain.toLowerCase()) {
    return { refused: `trust domain "${id.trustDomain}" is not ours` }
  }
  if (id.kind === 'agent') return { uri, sourceName: null, notAfter, certificate }
  if (id.kind !== 'service' || id.partition !== 'default' || id.namespace !== 'default') {
    return { refused: `"${uri}" is no service of this mesh` }
  }
  return { uri, sourceName: id.service, notAfter, certificate }
}

function reasonOf(error: unknown): string {
  return error instanceof Error
    ? ('code' in error && String(error.code)) || error.message
    : String(error)
}
