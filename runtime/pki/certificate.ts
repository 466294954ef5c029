/**
 * Reading certificates, by OpenSSL through node:crypto: what the mesh needs to know of one.
 *
 * The two key ids are dug out of the DER, for node:crypto does not show them: each is found inside its
 * own extension, never by searching the whole certificate. Does not verify chains; `isSignedBy` checks
 * one signature. Input is one PEM certificate or a chain, of which the first counts.
 */

import { X509Certificate } from 'node:crypto'
import { FairleadError } from '../../core/errors.ts'
import { colonSeparated } from './colon-hex.ts'
import { keyIdentifiers } from './key-identifiers.ts'
import { pemBlocks } from './pem.ts'

export interface CertificateFacts {
  /** Colon-separated lower hex. */
  readonly serialNumber: string
  /** All URI names of the SAN, in order. */
  readonly uris: readonly string[]
  /** Epoch ms. */
  readonly notBefore: number
  readonly notAfter: number
  /** SHA-1 of the DER, colon-separated lower hex: the id of a root. */
  readonly fingerprint: string
  /** Colon-separated lower hex; '' when the extension is absent. */
  readonly subjectKeyId: string
  readonly authorityKeyId: string
  readonly isCa: boolean
}

/** @throws FairleadError BAD_REQUEST when there is no readable certificate */
export function readCertificate(pem: string): CertificateFacts {
  const certificate = parseCertificate(pem)
  const ids = keyIdentifiers(certificate.raw)
  return {
    serialNumber: colonSeparated(certificate.serialNumber),
    uris: uriNames(certificate.subjectAltName),
    notBefore: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
    fingerprint: certificate.fingerprint.toLowerCase(),
    subjectKeyId: ids.subject,
    authorityKeyId: ids.authority,
    isCa: certificate.ca,
  }
}

/** Whether `issuerPem` names itself as the issuer of `pem` and its key made the signature. */
export function isSignedBy(pem: string, issuerPem: string): boolean {
  const certificate = parseCertificate(pem)
  const issuer = parseCertificate(issuerPem)
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
}

export function parseCertificate(pem: string): X509Certificate {
  const block = pemBlocks(pem).find((candidate) => candidate.label === 'CERTIFICATE')
  if (block === undefined) throw new FairleadError('BAD_REQUEST', 'No PEM certificate was found')
  try {
    return new X509Certificate(block.text)
  } catch (cause) {
    throw new FairleadError('BAD_REQUEST', 'The certificate cannot be read', { cause })
  }
}

/** The SAN text of node:crypto: `DNS:a, URI:b`; values with odd characters are JSON strings. */
function uriNames(subjectAltName: string | undefined): string[] {
  const uris: string[] = []
  for (const part of subjectAltName?.match(/(?:"(?:[^"\\]|\\.)*"|[^,"])+/g) ?? []) {
    const name = part.trim()
    if (!name.startsWith('URI:')) continue
    const value = name.slice('URI:'.length)
    uris.push(value.startsWith('"') ? String(JSON.parse(value)) : value)
  }
  return uris
}
