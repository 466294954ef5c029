/**
 * The self-signed root of the built-in CA (mesh.md 4.2).
 *
 * Guarantees: CA=true, usage certSign + cRLSign + digitalSignature, URI SAN `spiffe://<trust domain>`,
 * subject and authority key id both SHA-256 of the public key. The common name is the caller's
 * (`rootCommonName`), at most 64 bytes. Does not keep the key.
 */

import { createPublicKey } from 'node:crypto'
import { assert } from '../../core/assert.ts'
import type { Rng } from '../../core/rng.ts'
import type { WallTime } from '../../core/time.ts'
import { serialHex } from './colon-hex.ts'
import { keyId, type PrivateKey, signingAlgorithm } from './keys.ts'
import { toPem } from './pem.ts'
import { loadX509 } from './x509-library.ts'

const COMMON_NAME_BYTES_MAX = 64
const UID_LENGTH = 8
const BASE_36 = 'abcdefghijklmnopqrstuvwxyz0123456789'

export interface RootOptions {
  readonly key: PrivateKey
  readonly commonName: string
  readonly trustDomain: string
  readonly serialNumber: number
  readonly notBefore: WallTime
  readonly ttlMs: number
  /** How many authorities may stand between it and a leaf; absent: any number. */
  readonly pathLength?: number
}

/** `pri-<uid8>.consul.ca.<first 8 of the cluster id>.consul` */
export function rootCommonName(clusterId: string, rng: Rng): string {
  let uid = ''
  for (let i = 0; i < UID_LENGTH; i++) uid += BASE_36[rng.range(0, BASE_36.length)]
  return `pri-${uid}.consul.ca.${clusterId.slice(0, 8).toLowerCase()}.consul`
}

/** @returns the certificate as PEM */
export async function createRootCertificate(options: RootOptions): Promise<string> {
  assert(Buffer.byteLength(options.commonName) <= COMMON_NAME_BYTES_MAX, 'root CN fits 64 bytes')
  const x509 = await loadX509()
  const algorithm = signingAlgorithm(options.key)
  const publicKey = createPublicKey(options.key.key)
  const id = Buffer.from(keyId(publicKey.export({ type: 'spki', format: 'der' }))).toString('hex')
  const usages = x509.KeyUsageFlags
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialHex(options.serialNumber),
    name: [{ CN: [options.commonName] }],
    notBefore: new Date(wholeSeconds(options.notBefore)),
    notAfter: new Date(wholeSeconds(options.notBefore + options.ttlMs)),
    signingAlgorithm: algorithm,
    keys: {
      privateKey: options.key.key.toCryptoKey(algorithm, false, ['sign']),
      publicKey: publicKey.toCryptoKey(algorithm, true, ['verify']),
    },
    extensions: [
      new x509.KeyUsagesExtension(
        usages.keyCertSign | usages.cRLSign | usages.digitalSignature,
        true,
      ),
      new x509.BasicConstraintsExtension(true, options.pathLength, true),
      new x509.SubjectKeyIdentifierExtension(id),
      new x509.AuthorityKeyIdentifierExtension(id),
      new x509.SubjectAlternativeNameExtension([
        { type: 'url', value: `spiffe://${options.trustDomain}` },
      ]),
    ],
  })
  return toPem('CERTIFICATE', new Uint8Array(certificate.rawData))
}

/** X.509 times have no fraction. */
function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000
}
