/**
 * A root signed by another one, so that who trusts only the old root accepts leaves of the new (mesh.md 4.6).
 *
 * Guarantees: subject, key and extensions are those of the given root, but for the authority key id, which
 * names the issuer's key; it ends with the issuer at the latest. Does not verify that anybody should.
 */

import { FairleadError } from '../../core/errors.ts'
import type { WallTime } from '../../core/time.ts'
import { parseCertificate, readCertificate } from './certificate.ts'
import { serialHex } from './colon-hex.ts'
import { type PrivateKey, signingAlgorithm } from './keys.ts'
import { LEAF_BACKDATE_MS } from './leaf-signer.ts'
import { toPem } from './pem.ts'
import { loadX509 } from './x509-library.ts'

const DAY_MS = 24 * 3600_000
export const CROSS_SIGNED_LIFE_MS = 7 * DAY_MS

const AUTHORITY_KEY_ID = '2.5.29.35'

export interface CrossSigning {
  /** The root that is to be believed. */
  readonly rootPem: string
  readonly issuerPem: string
  readonly issuerKey: PrivateKey
  readonly serialNumber: number
  readonly now: WallTime
}

/** Whether the certificate may stand above another authority: its path length allows one. */
export async function maySignAuthorities(issuerPem: string): Promise<boolean> {
  const x509 = await loadX509()
  const issuer = new x509.X509Certificate(parseCertificate(issuerPem).raw)
  const constraints = issuer.getExtension(x509.BasicConstraintsExtension)
  return constraints?.ca === true && (constraints.pathLength ?? 1) >= 1
}

/** @returns the certificate as PEM. @throws FairleadError BAD_REQUEST when the issuer may not sign others */
export async function crossSign(signing: CrossSigning): Promise<string> {
  const { rootPem, issuerPem, issuerKey, now } = signing
  if (!(await maySignAuthorities(issuerPem))) {
    throw new FairleadError('BAD_REQUEST', 'The issuing root is not allowed to sign authorities')
  }
  const x509 = await loadX509()
  const root = new x509.X509Certificate(parseCertificate(rootPem).raw)
  const issuer = new x509.X509Certificate(parseCertificate(issuerPem).raw)
  const facts = readCertificate(issuerPem)
  const algorithm = signingAlgorithm(issuerKey)
  const own = root.extensions.filter((extension) => extension.type !== AUTHORITY_KEY_ID)
  const authority =
    facts.subjectKeyId === ''
      ? []
      : [new x509.AuthorityKeyIdentifierExtension(facts.subjectKeyId.replaceAll(':', ''))]
  const ends = Math.min(now + CROSS_SIGNED_LIFE_MS, facts.notAfter, root.notAfter.getTime())
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialHex(signing.serialNumber),
    subject: root.subjectName,
    issuer: issuer.subjectName,
    notBefore: new Date(wholeSeconds(now - LEAF_BACKDATE_MS)),
    notAfter: new Date(wholeSeconds(ends)),
    publicKey: root.publicKey,
    signingKey: issuerKey.key.toCryptoKey(algorithm, false, ['sign']),
    signingAlgorithm: algorithm,
    extensions: [...own, ...authority],
  })
  return toPem('CERTIFICATE', new Uint8Array(certificate.rawData))
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000
}
