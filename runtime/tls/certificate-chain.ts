/**
 * Which authority stands behind a certificate that OpenSSL has found good.
 *
 * Needed where several are trusted for different things. Guarantees: each step up is a signature that was checked, made by
 * a certificate that may sign others; so that who has any certificate cannot stand a chain of his own making between
 * another's authority and a name. Bound: DEPTH_MAX steps.
 */

import { X509Certificate } from 'node:crypto'

const DEPTH_MAX = 5

/** @param authorities PEM, one certificate each */
export function isIssuedUnder(
  certificate: X509Certificate,
  authorities: readonly string[],
): boolean {
  const roots = authorities.map((pem) => new X509Certificate(pem))
  let current = certificate
  for (let depth = 0; depth < DEPTH_MAX; depth++) {
    if (roots.some((root) => isSignedBy(current, root))) return true
    const issuer: X509Certificate | undefined = current.issuerCertificate
    if (issuer === undefined || !isSignedBy(current, issuer)) return false
    current = issuer
  }
  return false
}

function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
}
