/**
 * Certificate signing requests: made by agents for their services, read by the servers' CA.
 *
 * A request has no subject and one critical SAN (Consul's rule, mesh.md 4.3); its key never leaves the
 * host. `parseCsr` proves possession of the key and holds step 1 of mesh.md 4.4: exactly one URI, no
 * e-mail names. It does not judge the identity; server/ca/ does.
 * Bounds: CSR_BYTES_MAX of PEM, SAN_NAMES_MAX names.
 */

import { createPublicKey, webcrypto } from 'node:crypto'
import { FairleadError } from '../../core/errors.ts'
import { generateEcKey, RSA_BITS_MIN } from './keys.ts'
import { pemBlocks, toPem } from './pem.ts'
import { loadX509 } from './x509-library.ts'

export const CSR_BYTES_MAX = 16 * 1024
export const SAN_NAMES_MAX = 64

export interface SubjectNames {
  /** The SPIFFE URI. */
  readonly uri: string
  readonly dnsNames?: readonly string[]
  readonly ipAddresses?: readonly string[]
}

export interface KeyAndCsr {
  /** `EC PRIVATE KEY` PEM, P-256. */
  readonly privateKeyPem: string
  /** `CERTIFICATE REQUEST` PEM. */
  readonly csrPem: string
}

export interface ParsedCsr {
  readonly uri: string
  readonly dnsNames: readonly string[]
  readonly ipAddresses: readonly string[]
  /** SubjectPublicKeyInfo DER. */
  readonly publicKeyDer: Uint8Array
}

/** Makes a fresh P-256 key and a request for it; about 2 ms. */
export async function createKeyAndCsr(names: SubjectNames): Promise<KeyAndCsr> {
  const x509 = await loadX509()
  const { key, pem } = await generateEcKey()
  const curve = { name: 'ECDSA', namedCurve: 'P-256' }
  const publicKey = createPublicKey(key).toCryptoKey(curve, true, ['verify'])
  const privateKey = key.toCryptoKey(curve, false, ['sign'])
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    keys: { publicKey, privateKey },
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [
      new x509.SubjectAlternativeNameExtension(
        [
          { type: 'url', value: names.uri },
          ...(names.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
          ...(names.ipAddresses ?? []).map((value) => ({ type: 'ip' as const, value })),
        ],
        true,
      ),
    ],
  })
  return {
    privateKeyPem: pem,
    csrPem: toPem('CERTIFICATE REQUEST', new Uint8Array(csr.rawData)),
  }
}

/** @throws FairleadError BAD_REQUEST with the texts of mesh.md 4.4 */
export async function parseCsr(csrPem: string): Promise<ParsedCsr> {
  if (csrPem.length > CSR_BYTES_MAX) {
    throw new FairleadError('BAD_REQUEST', `CSR is longer than ${CSR_BYTES_MAX} bytes`)
  }
  const block = pemBlocks(csrPem).find((candidate) => candidate.label === 'CERTIFICATE REQUEST')
  if (block === undefined) throw new FairleadError('BAD_REQUEST', 'No PEM-encoded CSR was found')
  const x509 = await loadX509()
  try {
    const csr = new x509.Pkcs10CertificateRequest(Buffer.from(block.der))
    const names = csr.getExtension(SAN_OID)
    const publicKeyDer = new Uint8Array(csr.publicKey.rawData)
    const parsed = {
      ...subjectNames(
        names instanceof x509.SubjectAlternativeNameExtension ? names.names.toJSON() : [],
      ),
      publicKeyDer,
    }
    checkPublicKey(publicKeyDer)
    if (!(await csr.verify(webcrypto))) {
      throw new FairleadError('BAD_REQUEST', 'CSR is not signed by the key it names')
    }
    return parsed
  } catch (cause) {
    if (cause instanceof FairleadError) throw cause
    throw new FairleadError('BAD_REQUEST', 'CSR cannot be read', { cause })
  }
}

const SAN_OID = '2.5.29.17'

function subjectNames(
  names: readonly { readonly type: string; readonly value: string }[],
): Omit<ParsedCsr, 'publicKeyDer'> {
  if (names.length > SAN_NAMES_MAX) {
    throw new FairleadError('BAD_REQUEST', `CSR SAN has more than ${SAN_NAMES_MAX} names`)
  }
  const valuesOf = (type: string): string[] =>
    names.filter((name) => name.type === type).map((name) => name.value)
  const uris = valuesOf('url')
  const uri = uris[0]
  if (uri === undefined || uris.length !== 1) {
    throw new FairleadError(
      'BAD_REQUEST',
      `CSR SAN contains an invalid number of URIs: ${uris.length}`,
    )
  }
  if (valuesOf('email').length > 0) {
    throw new FairleadError('BAD_REQUEST', 'CSR SAN does not allow specifying email addresses')
  }
  return { uri, dnsNames: valuesOf('dns'), ipAddresses: valuesOf('ip') }
}

/** Refuses keys that are too weak before their signature is looked at. */
function checkPublicKey(der: Uint8Array): void {
  const key = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' })
  const details = key.asymmetricKeyDetails
  if (key.asymmetricKeyType === 'ec' && CURVES_ALLOWED.has(details?.namedCurve ?? '')) return
  if (key.asymmetricKeyType === 'rsa' && (details?.modulusLength ?? 0) >= RSA_BITS_MIN) return
  throw new FairleadError(
    'BAD_REQUEST',
    `CSR key must be EC P-256, P-384 or P-521, or RSA of at least ${RSA_BITS_MIN} bits`,
  )
}

const CURVES_ALLOWED: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1', 'secp521r1'])
