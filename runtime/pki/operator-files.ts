/**
 * Key material as operators bring it: PKCS#12, PKCS#7, encrypted or plain PEM. Turned into plain PEM.
 *
 * node-forge only opens the PKCS#12 and PKCS#7 envelopes; what comes out is parsed again by node:crypto
 * and refused if that cannot read it. Nothing here verifies a chain. Guarantees: the returned key
 * belongs to the first returned certificate. Bounds: OPERATOR_FILE_BYTES_MAX.
 */

import { FairleadError } from '../../core/errors.ts'
import { parseCertificate } from './certificate.ts'
import { readPrivateKey } from './keys.ts'
import { PEM_BYTES_MAX, pemBlocks, toPem } from './pem.ts'

type Forge = typeof import('node-forge')

export const OPERATOR_FILE_BYTES_MAX = PEM_BYTES_MAX

export interface OperatorKeyMaterial {
  /** The certificate of the key first, then the others in the order of the file. */
  readonly certPems: readonly string[]
  /** Unencrypted: `EC PRIVATE KEY` or `RSA PRIVATE KEY`. */
  readonly keyPem: string
}

/**
 * @param passphrase of the envelope or of the encrypted key; leave out when there is none
 * @throws FairleadError BAD_REQUEST saying what is missing or unreadable
 */
export async function readOperatorKeyMaterial(
  bytes: Uint8Array,
  passphrase?: string,
): Promise<OperatorKeyMaterial> {
  if (bytes.length > OPERATOR_FILE_BYTES_MAX) {
    throw new FairleadError('BAD_REQUEST', `The file is over ${OPERATOR_FILE_BYTES_MAX} bytes`)
  }
  const text = Buffer.from(bytes).toString('latin1')
  const found = text.includes('-----BEGIN ')
    ? await fromPem(text)
    : await fromPkcs12(text, passphrase)
  if (found.keys.length === 0) {
    throw new FairleadError('BAD_REQUEST', 'The file holds no private key')
  }
  return pair(found, passphrase)
}

interface Found {
  readonly certs: readonly string[]
  readonly keys: readonly string[]
}

async function fromPem(text: string): Promise<Found> {
  const certs: string[] = []
  const keys: string[] = []
  for (const block of pemBlocks(text)) {
    if (block.label === 'CERTIFICATE') certs.push(block.text)
    else if (block.label === 'PKCS7') certs.push(...(await certificatesOfPkcs7(block.text)))
    else if (block.label.endsWith('PRIVATE KEY')) keys.push(block.text)
  }
  return { certs, keys }
}

async function fromPkcs12(text: string, passphrase: string | undefined): Promise<Found> {
  const forge = await loadForge()
  const { asn1, pkcs12, pki } = forge
  try {
    const pfx = pkcs12.pkcs12FromAsn1(asn1.fromDer(text), passphrase ?? '')
    const certs: string[] = []
    const keys: string[] = []
    for (const contents of pfx.safeContents) {
      for (const bag of contents.safeBags) {
        if (bag.type === pki.oids['certBag']) {
          // What forge cannot understand (EC) it hands over as ASN.1, which is all that is wanted.
          const cert = bag.cert ? pki.certificateToAsn1(bag.cert) : bag.asn1
          certs.push(toPem('CERTIFICATE', derOf(forge, cert)))
        } else if (
          bag.type === pki.oids['keyBag'] ||
          bag.type === pki.oids['pkcs8ShroudedKeyBag']
        ) {
          const key = bag.key ? pki.wrapRsaPrivateKey(pki.privateKeyToAsn1(bag.key)) : bag.asn1
          keys.push(toPem('PRIVATE KEY', derOf(forge, key)))
        }
      }
    }
    return { certs, keys }
  } catch (cause) {
    throw new FairleadError(
      'BAD_REQUEST',
      'The file is neither PEM nor a PKCS#12 archive that this passphrase opens',
      { cause },
    )
  }
}

async function certificatesOfPkcs7(pem: string): Promise<string[]> {
  const forge = await loadForge()
  const block = pemBlocks(pem)[0]
  try {
    // ContentInfo { oid, [0] SignedData { version, digests, contentInfo, [0] certificates, … } }
    const outer = forge.asn1.fromDer(Buffer.from(block?.der ?? []).toString('latin1'))
    const signedData = children(children(outer)[1])[0]
    const list = children(signedData).find(
      (field) =>
        field.tagClass === forge.asn1.Class.CONTEXT_SPECIFIC && (field.type as number) === 0,
    )
    return children(list).map((certificate) => toPem('CERTIFICATE', derOf(forge, certificate)))
  } catch (cause) {
    throw new FairleadError('BAD_REQUEST', 'The PKCS#7 block cannot be read', { cause })
  }
}

type Asn1 = ReturnType<Forge['asn1']['fromDer']>

function children(node: Asn1 | undefined): Asn1[] {
  return Array.isArray(node?.value) ? node.value : []
}

function derOf(forge: Forge, value: Asn1): Uint8Array {
  return Buffer.from(forge.asn1.toDer(value).getBytes(), 'latin1')
}

/** Everything through node:crypto, then the certificate that belongs to the key goes first. */
function pair(found: Found, passphrase: string | undefined): OperatorKeyMaterial {
  const certificates = found.certs.map((pem) => ({ pem, parsed: parseCertificate(pem) }))
  for (const keyPem of found.keys) {
    const key = readPrivateKey(keyPem, passphrase)
    const own = certificates.find(({ parsed }) => parsed.checkPrivateKey(key.key))
    if (own === undefined) continue
    const others = certificates.filter((certificate) => certificate !== own)
    return { certPems: [own.pem, ...others.map(({ pem }) => pem)], keyPem: key.pem }
  }
  throw new FairleadError(
    'BAD_REQUEST',
    found.certs.length === 0
      ? 'The file holds no certificate'
      : 'No certificate in the file belongs to its private key',
  )
}

async function loadForge(): Promise<Forge> {
  const loaded = (await import('node-forge')) as unknown as { readonly default: Forge }
  return loaded.default
}
