/**
 * A leaf certificate ready for use: TLS contexts made once per leaf and set of roots.
 *
 * A renewed leaf or changed roots give a new Identity; connections keep the one they were made with, which
 * is how a rotation drops nothing. Session tickets live and die with the context (mesh.md 10.13).
 */

import { createHash, type X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import type { ProxyIdentity } from '../../core/mesh/proxy-snapshot.ts'
import type { PeerCertificate } from '../upstream/lifetimes.ts'

/** AES-128 first: the same security level as our P-256 keys, at less cost a record. */
export const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384',
].join(':')

/** Who a server was proven to be, and until when its certificate says so (epoch ms). */
export interface VerifiedServer extends PeerCertificate {
  readonly notAfter: number
}

export interface KnownSession extends VerifiedServer {
  readonly session: Buffer
}

export class Identity {
  readonly id: string
  readonly spiffeUri: string
  /** Epoch ms. */
  readonly notAfter: number
  readonly contextOptions: SecureContextOptions
  /** TLS sessions to resume, by endpoint; bounded, dropped with the identity. */
  readonly sessions = new Map<string, KnownSession>()
  /** For connections that this identity opens. */
  readonly context: SecureContext

  /** @throws when certificate, key and roots do not make a context */
  constructor(source: ProxyIdentity, rootsPem: readonly string[]) {
    this.id = source.id
    this.spiffeUri = source.spiffeUri
    this.notAfter = source.notAfter
    this.contextOptions = {
      cert: source.certPem,
      key: source.keyPem,
      ca: [...rootsPem],
      ciphers: CIPHERS,
      minVersion: 'TLSv1.2',
      honorCipherOrder: true,
    }
    this.context = createSecureContext(this.contextOptions)
  }
}

/**
 * The element that an inbound proxy adds to X-Forwarded-Client-Cert (mesh.md 10.11), without `Cert` and
 * `Chain`: they would add two kilobytes to each request.
 */
export function clientCertElement(
  ownUri: string,
  peer: { uri: string; certificate: X509Certificate },
): string {
  const hash = createHash('sha256').update(peer.certificate.raw).digest('hex')
  const subject = (peer.certificate.subject ?? '').split('\n').reverse().join(',')
  const safe = escapeQuotes(subject.replace(/[^\x20-\x7e]/g, '?'))
  return `By=${quoted(ownUri)};Hash=${hash};Subject="${safe}";URI=${quoted(peer.uri)}`
}

/** Values with separators in them stand in quotes. */
function quoted(value: string): string {
  return /[,;="]/.test(value) ? `"${escapeQuotes(value)}"` : value
}

function escapeQuotes(value: string): string {
  return value.replace(/["\\]/g, '\\$&')
}
