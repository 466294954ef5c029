/**
 * What an authority hands out, checked before anybody trusts it: chains, and leaves of external signers.
 *
 * Guarantees: every certificate of a chain may sign others and is signed by the next, the last is a root;
 * a leaf has the key, the one URI and the time that were asked for. Signatures are OpenSSL's word.
 */

import type { CaRoot, Indexed } from '../../core/catalog/types.ts'
import { FairleadError } from '../../core/errors.ts'
import type { WallTime } from '../../core/time.ts'
import { isSignedBy, parseCertificate, readCertificate } from '../../runtime/pki/certificate.ts'
import { colonHex } from '../../runtime/pki/colon-hex.ts'
import { keyId } from '../../runtime/pki/keys.ts'
import type { LeafOrder, SigningChain } from './provider.ts'

/** The id of a root. */
export function fingerprintOf(pem: string): string {
  return readCertificate(pem).fingerprint
}

/** The certificate that signs leaves. */
export function signerOf({ rootPem, intermediatesPem }: SigningChain): string {
  return intermediatesPem[0] ?? rootPem
}

/** @throws FairleadError BAD_REQUEST saying which certificate does not fit */
export function checkChain({ rootPem, intermediatesPem }: SigningChain, now: WallTime): void {
  const chain = [...intermediatesPem, rootPem]
  for (const [i, pem] of chain.entries()) {
    const name = i === chain.length - 1 ? 'root' : 'intermediate'
    const facts = readCertificate(pem)
    if (!facts.isCa) throw bad(`The ${name} certificate is not allowed to sign others`)
    checkTime(facts.notAfter, now, name, 'BAD_REQUEST')
    const issuer = chain[i + 1] ?? pem
    if (!isSignedBy(pem, issuer)) {
      throw bad(
        name === 'root'
          ? 'The last certificate of the chain is no root: it is not signed by itself'
          : 'An intermediate certificate is not signed by the one that follows it',
      )
    }
  }
}

/** @throws FairleadError REJECTED with the texts of mesh.md 4.4 */
export function checkExpiry(notAfter: number, now: WallTime, name: 'root' | 'intermediate'): void {
  checkTime(notAfter, now, name, 'REJECTED')
}

function checkTime(
  notAfter: number,
  now: WallTime,
  name: 'root' | 'intermediate',
  code: 'REJECTED' | 'BAD_REQUEST',
): void {
  if (notAfter > now) return
  const date = new Date(notAfter).toISOString()
  throw new FairleadError(code, `${name} expired: certificate expired, expiration date: ${date}`)
}

/** @throws FairleadError REJECTED when a signer gave something else than was asked for */
export function checkLeaf(leafPem: string, order: LeafOrder, chain: SigningChain): void {
  const facts = readCertificate(leafPem)
  const key = parseCertificate(leafPem).publicKey.export({ type: 'spki', format: 'der' })
  const problem = facts.isCa
    ? 'may sign others'
    : !isSignedBy(leafPem, signerOf(chain))
      ? "is not signed by the authority's certificate"
      : !key.equals(order.csr.publicKeyDer)
        ? 'is for another key'
        : facts.uris.length !== 1 || facts.uris[0] !== order.uri
          ? `has the URIs "${facts.uris.join('", "')}" instead of "${order.uri}"`
          : undefined
  if (problem === undefined) return
  throw new FairleadError('REJECTED', `The certificate that the CA provider signed ${problem}`)
}

/** The record of a root that begins to be the active one. */
export function activeRootRecord(
  chain: SigningChain,
  label: string,
  clusterId: string,
): Omit<CaRoot, keyof Indexed> {
  const facts = readCertificate(chain.rootPem)
  const key = parseCertificate(chain.rootPem).publicKey
  const isRsa = key.asymmetricKeyType === 'rsa'
  return {
    id: facts.fingerprint,
    name: `${label} CA Primary Cert`,
    serialNumber: exactSerial(facts.serialNumber),
    signingKeyId: signingKeyId(signerOf(chain)),
    externalTrustDomain: clusterId,
    notBefore: facts.notBefore,
    notAfter: facts.notAfter,
    rootCertPem: chain.rootPem,
    intermediateCertsPem: chain.intermediatesPem,
    active: true,
    privateKeyType: isRsa ? 'rsa' : 'ec',
    privateKeyBits: isRsa
      ? (key.asymmetricKeyDetails?.modulusLength ?? 0)
      : (CURVE_BITS[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? 256),
  }
}

const CURVE_BITS: Readonly<Record<string, number>> = {
  prime256v1: 256,
  secp384r1: 384,
  secp521r1: 521,
}

/** What leaves name as their authority; a foreign certificate without a key id is known by its key. */
function signingKeyId(pem: string): string {
  const { subjectKeyId } = readCertificate(pem)
  if (subjectKeyId !== '') return subjectKeyId
  return colonHex(keyId(parseCertificate(pem).publicKey.export({ type: 'spki', format: 'der' })))
}

/** The low 53 bits: a foreign root may have a serial number of 20 bytes. */
function exactSerial(colonHexText: string): number {
  return Number(BigInt.asUintN(53, BigInt(`0x${colonHexText.replaceAll(':', '')}`)))
}

function bad(message: string): FairleadError {
  return new FairleadError('BAD_REQUEST', message)
}
