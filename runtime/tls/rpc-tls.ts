/**
 * TLS of the servers' RPC: with what an agent calls servers, and whom a server takes callers for.
 *
 * Guarantees: later calls get renewed certificates, connections that are there stay; a server's identity is proven by
 * the authorities of the configuration alone, never by those that auto_encrypt adds. Decides nothing: core/tls/peer-role.ts does.
 */

import type { X509Certificate } from 'node:crypto'
import {
  checkServerIdentity,
  createSecureContext,
  type PeerCertificate,
  type SecureContext,
  type TLSSocket,
} from 'node:tls'
import type { TlsConfig } from '../../core/config/tls.ts'
import { parseSpiffeUri } from '../../core/mesh/spiffe.ts'
import {
  type CertificateFacts,
  judgePlain,
  judgeTls,
  type PeerVerdict,
} from '../../core/tls/peer-role.ts'
import { readCertificate } from '../pki/certificate.ts'
import { isIssuedUnder } from './certificate-chain.ts'
import type { TlsSide } from './tls-side.ts'

/** How to speak TLS to a server. */
export interface OutgoingTls {
  /** Grows when certificates change: what was made with another is made anew for the next call. */
  readonly version: number
  readonly context: SecureContext
  /** Said to the server. */
  readonly serverName: string
  /** @returns why the certificate is not that of a server */
  readonly checkIdentity: (host: string, certificate: PeerCertificate) => Error | undefined
  /** Whoever answers will do: nothing is told to it that it may not know. */
  readonly isUnchecked?: true
}

/** Asked before each dial; undefined is in clear. */
export type DialTls = () => OutgoingTls | undefined

export interface IncomingTls {
  /** Undefined while this server has no certificate. */
  readonly side: TlsSide | undefined
  readonly handshakeTimeoutMs: number
  readonly judgePlain: () => PeerVerdict
  readonly judge: (socket: TLSSocket) => PeerVerdict
}

export interface MeshTrust {
  /** PEM. */
  readonly authorities: readonly string[]
  /** @param serial colon-separated lower hex */
  readonly isRevoked: (uri: string, serial: string) => boolean
}

export class RpcTls {
  readonly incoming: IncomingTls
  readonly #config: TlsConfig['internalRpc']
  readonly #side: TlsSide
  #meshAuthorities: readonly string[] = []
  #isRevoked: MeshTrust['isRevoked'] = () => false

  constructor(config: TlsConfig['internalRpc'], side: TlsSide) {
    this.#config = config
    this.#side = side
    this.incoming = {
      side: side.hasCertificate ? side : undefined,
      handshakeTimeoutMs: config.handshakeTimeoutMs,
      judgePlain: () => judgePlain(config),
      judge: (socket) => judgeTls(this.#factsOf(socket), config),
    }
  }

  /** The operator's own, PEM; that of this agent's certificate first, while several are trusted. */
  get authorities(): readonly string[] {
    const all = this.#side.fileAuthorities
    const { certificate } = this.#side
    if (certificate === undefined || all.length < 2) return all
    const isOwn = (pem: string): boolean => isIssuedUnder(certificate, [pem])
    return [...all.filter(isOwn), ...all.filter((pem) => !isOwn(pem))]
  }

  /** To be called with nothing of `this`. */
  readonly outgoing: DialTls = () =>
    this.#config.verifyOutgoing ? this.#with(this.#side.context) : undefined

  /** Whose certificates make clients of agents, besides those of the own authority. */
  trustMesh(mesh: MeshTrust): void {
    this.#isRevoked = mesh.isRevoked
    const same = this.#meshAuthorities.join() === mesh.authorities.join()
    if (same) return
    this.#meshAuthorities = mesh.authorities
    this.#side.give({ authorities: mesh.authorities })
  }

  /** Without a certificate of its own, as who asks for one. */
  readonly anonymous: DialTls = () => {
    const { cert: _cert, key: _key, ...options } = this.#side.options
    return this.#with(createSecureContext(options))
  }

  #with(context: SecureContext): OutgoingTls {
    const { serverName, verifyServerHostname } = this.#config
    return {
      version: this.#side.version,
      context,
      serverName,
      checkIdentity: verifyServerHostname
        ? (_host, certificate) => checkServerIdentity(serverName, certificate)
        : () => undefined,
    }
  }

  #factsOf(socket: TLSSocket): CertificateFacts | null {
    const certificate: X509Certificate | undefined = socket.getPeerX509Certificate()
    if (certificate === undefined) return null
    if (!socket.authorized) return UNTRUSTED
    const { serialNumber, uris } = readCertificate(certificate.toString())
    const isRevoked = uris.some((uri) => this.#isRevoked(uri, serialNumber))
    const checks = { subject: 'never', wildcards: false } as const
    return {
      isTrusted: true,
      isOfOwnAuthority: isIssuedUnder(certificate, this.#side.fileAuthorities),
      hasServerName: certificate.checkHost(this.#config.serverName, checks) !== undefined,
      isAgent: uris.some(isAgent) && !isRevoked,
    }
  }
}

const UNTRUSTED: CertificateFacts = {
  isTrusted: false,
  isOfOwnAuthority: false,
  hasServerName: false,
  isAgent: false,
}

function isAgent(uri: string): boolean {
  const id = parseSpiffeUri(uri)
  return !('error' in id) && id.kind === 'agent'
}
