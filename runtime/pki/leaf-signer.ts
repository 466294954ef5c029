/**
 * Signs leaf certificates with one CA key (mesh.md 4.3).
 *
 * Guarantees: no subject, critical SAN with exactly one URI, client and server usage, CA=false, key ids
 * by SHA-256; the leaf never outlives its CA. Judges no identity and counts no serial: the caller gives
 * both. The CA's key and certificate must belong together (checked once, in `open`).
 * Cost: about 1.5 ms of CPU a signature.
 */

import { createPublicKey } from 'node:crypto'
import { FairleadError } from '../../core/errors.ts'
import type { WallTime } from '../../core/time.ts'
import { parseCertificate, readCertificate } from './certificate.ts'
import { colonSeparated, serialHex } from './colon-hex.ts'
import { keyId, type PrivateKey, signingAlgorithm } from './keys.ts'
import { pemBlocks, toPem } from './pem.ts'
import { loadX509, type X509Library } from './x509-library.ts'

/** How far in the past a leaf begins, so that hosts with slow clocks accept it. */
export const LEAF_BACKDATE_MS = 60_000

export interface LeafRequest {
  readonly uri: string
  readonly dnsNames: readonly string[]
  readonly ipAddresses: readonly string[]
  /** SubjectPublicKeyInfo DER. */
  readonly publicKeyDer: Uint8Array
  readonly serialNumber: number
  readonly now: WallTime
  readonly ttlMs: number
}

export interface IssuedLeaf {
  readonly certPem: string
  /** Epoch ms. */
  readonly notBefore: number
  readonly notAfter: number
}

export class LeafSigner {
  readonly #x509: X509Library
  readonly #issuer: InstanceType<X509Library['X509Certificate']>
  readonly #signingKey: ReturnType<PrivateKey['key']['toCryptoKey']>
  readonly #algorithm: ReturnType<typeof signingAlgorithm>
  /** Hex of the CA's own subject key id. */
  readonly #authorityKeyId: string
  readonly notAfter: number
  /** The CA's subject key id, colon-separated lower hex: what its leaves name as their authority. */
  readonly keyId: string

  private constructor(x509: X509Library, caPem: string, key: PrivateKey) {
    const block = pemBlocks(caPem).find((candidate) => candidate.label === 'CERTIFICATE')
    const facts = readCertificate(caPem)
    const spki = createPublicKey(key.key).export({ type: 'spki', format: 'der' })
    this.#x509 = x509
    this.#issuer = new x509.X509Certificate(Buffer.from(block?.der ?? []))
    this.#algorithm = signingAlgorithm(key)
    this.#signingKey = key.key.toCryptoKey(this.#algorithm, false, ['sign'])
    this.#authorityKeyId =
      facts.subjectKeyId === ''
        ? Buffer.from(keyId(spki)).toString('hex')
        : facts.subjectKeyId.replaceAll(':', '')
    this.keyId = colonSeparated(this.#authorityKeyId)
    this.notAfter = facts.notAfter
  }

  /** @throws FairleadError BAD_REQUEST when key and certificate do not belong together or it is no CA */
  static async open(caPem: string, key: PrivateKey): Promise<LeafSigner> {
    const certificate = parseCertificate(caPem)
    if (!certificate.ca) {
      throw new FairleadError('BAD_REQUEST', 'The CA certificate is not allowed to sign others')
    }
    if (!certificate.checkPrivateKey(key.key)) {
      throw new FairleadError('BAD_REQUEST', 'The CA certificate is for a different private key')
    }
    return new LeafSigner(await loadX509(), caPem, key)
  }

  async sign(request: LeafRequest): Promise<IssuedLeaf> {
    const x509 = this.#x509
    const usages = x509.KeyUsageFlags
    const notBefore = wholeSeconds(request.now - LEAF_BACKDATE_MS)
    const notAfter = Math.min(wholeSeconds(notBefore + request.ttlMs), this.notAfter)
    const subjectId = Buffer.from(keyId(request.publicKeyDer)).toString('hex')
    const leaf = await x509.X509CertificateGenerator.create({
      serialNumber: serialHex(request.serialNumber),
      issuer: this.#issuer.subjectName,
      notBefore: new Date(notBefore),
      notAfter: new Date(notAfter),
      publicKey: Buffer.from(request.publicKeyDer),
      signingKey: this.#signingKey,
      signingAlgorithm: this.#algorithm,
      extensions: [
        new x509.KeyUsagesExtension(
          usages.digitalSignature |
            usages.keyEncipherment |
            usages.keyAgreement |
            usages.dataEncipherment,
          true,
        ),
        new x509.ExtendedKeyUsageExtension([
          x509.ExtendedKeyUsage.clientAuth,
          x509.ExtendedKeyUsage.serverAuth,
        ]),
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.SubjectKeyIdentifierExtension(subjectId),
        new x509.AuthorityKeyIdentifierExtension(this.#authorityKeyId),
        new x509.SubjectAlternativeNameExtension(
          [
            { type: 'url', value: request.uri },
            ...request.dnsNames.map((value) => ({ type: 'dns' as const, value })),
            ...request.ipAddresses.map((value) => ({ type: 'ip' as const, value })),
          ],
          true,
        ),
      ],
    })
    return {
      certPem: toPem('CERTIFICATE', new Uint8Array(leaf.rawData)),
      notBefore,
      notAfter,
    }
  }
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000
}
