/**
 * What one listener, or one kind of calls, speaks TLS with: now, and after its certificates were renewed.
 *
 * Guarantees: `replace` changes what later connections get and leaves those that are there; what cannot make a context
 * changes nothing. Key exchange is hybrid with ML-KEM where the runtime has it, so that what is recorded today
 * cannot be read by who has a quantum computer later. No session tickets: a resumed session would not tell who comes.
 */

import { constants, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import type { TlsStanza } from '../../core/config/tls.ts'
import type { CertificateAndKey, TlsFiles } from './tls-files.ts'

/** AES-128 first: the same security level as P-256 keys, at less cost a record. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')
const TLS13_CIPHERS = CIPHERS.split(':').slice(0, 3).join(':')

const HYBRID_GROUPS = 'X25519MLKEM768:X25519:P-256:P-384'
const CLASSIC_GROUPS = 'X25519:P-256:P-384'

/** Runtimes with OpenSSL before 3.5 do not know the hybrid group. */
export function keyExchangeGroups(): string {
  try {
    createSecureContext({ ecdhCurve: HYBRID_GROUPS })
    return HYBRID_GROUPS
  } catch {
    return CLASSIC_GROUPS
  }
}

export class TlsSide {
  readonly #stanza: Pick<TlsStanza, 'minVersion' | 'ciphers'>
  readonly #groups = keyExchangeGroups()
  readonly #listeners = new Set<() => void>()
  #files: TlsFiles
  /** Certificates and authorities that come in other ways than by files. */
  #given: { readonly own: CertificateAndKey | undefined; readonly authorities: readonly string[] } =
    { own: undefined, authorities: [] }
  #options: SecureContextOptions
  #context: SecureContext
  #version = 1
  #parsed: { readonly of: CertificateAndKey; readonly certificate: X509Certificate } | undefined

  /** @throws what OpenSSL says of material that makes no context */
  constructor(stanza: Pick<TlsStanza, 'minVersion' | 'ciphers'>, files: TlsFiles) {
    this.#stanza = stanza
    this.#files = files
    this.#options = this.#optionsNow()
    this.#context = createSecureContext(this.#options)
  }

  /** Grows with every change. */
  get version(): number {
    return this.#version
  }

  get options(): SecureContextOptions {
    return this.#options
  }

  get context(): SecureContext {
    return this.#context
  }

  get hasCertificate(): boolean {
    return this.#own() !== undefined
  }

  /** Of the files, not those given besides. */
  get fileAuthorities(): readonly string[] {
    return this.#files.authorities
  }

  /** Its own; undefined without one. */
  get certificate(): X509Certificate | undefined {
    const own = this.#own()
    if (own === undefined) return undefined
    // Looked at as often as figures are read, and for every join.
    if (this.#parsed?.of !== own) {
      this.#parsed = { of: own, certificate: new X509Certificate(own.certPem) }
    }
    return this.#parsed.certificate
  }

  /** Epoch ms at which the own certificate ends; undefined without one. */
  get notAfter(): number | undefined {
    return this.certificate?.validToDate.getTime()
  }

  /** From now on these files. @throws as the constructor; then nothing has changed */
  replace(files: TlsFiles): void {
    const former = this.#files
    this.#files = files
    this.#renew(() => {
      this.#files = former
    })
  }

  /** Besides the files: a certificate of its own where they have none, and authorities. @throws as the constructor */
  give(given: {
    readonly own?: CertificateAndKey
    readonly authorities?: readonly string[]
  }): void {
    const former = this.#given
    this.#given = {
      own: given.own ?? former.own,
      authorities: given.authorities ?? former.authorities,
    }
    this.#renew(() => {
      this.#given = former
    })
  }

  /** @returns how to stop */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  #renew(undo: () => void): void {
    try {
      const options = this.#optionsNow()
      this.#context = createSecureContext(options)
      this.#options = options
    } catch (thrown) {
      undo()
      throw thrown
    }
    this.#version += 1
    for (const listener of [...this.#listeners]) listener()
  }

  #own(): CertificateAndKey | undefined {
    return this.#files.own ?? this.#given.own
  }

  #optionsNow(): SecureContextOptions {
    const { minVersion, ciphers } = this.#stanza
    const own = this.#own()
    const authorities = [...this.#files.authorities, ...this.#given.authorities]
    return {
      minVersion,
      maxVersion: 'TLSv1.3',
      ciphers: ciphers === '' ? CIPHERS : `${TLS13_CIPHERS}:${ciphers}`,
      honorCipherOrder: true,
      ecdhCurve: this.#groups,
      secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
      // Never those of the platform: whom anybody may pay for a certificate says nothing of this cluster.
      ca: authorities,
      ...(own === undefined ? {} : { cert: own.certPem, key: own.keyPem }),
    }
  }
}
