/**
 * Private keys of leaves and of the CA: made, read from PEM, and turned into what signs.
 *
 * EC keys print as `EC PRIVATE KEY` (SEC 1), RSA ones as `RSA PRIVATE KEY` (PKCS#1), as Consul does
 * (mesh.md 4.2). Does not store anything. CA keys: EC P-256/P-384/P-521, RSA of at least 2048 bits.
 */

import { createHash, createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { FairleadError } from '../../core/errors.ts'

const generate = promisify(generateKeyPair)

export const RSA_BITS_MIN = 2048

export interface PrivateKey {
  readonly key: KeyObject
  readonly pem: string
  readonly type: 'ec' | 'rsa'
  readonly bits: number
}

/** How a key signs in WebCrypto's words. */
export interface SigningAlgorithm {
  readonly name: 'ECDSA' | 'RSASSA-PKCS1-v1_5'
  readonly hash: 'SHA-256' | 'SHA-384' | 'SHA-512'
  readonly namedCurve?: string
}

const CURVES: Readonly<
  Record<string, { name: string; bits: number; hash: SigningAlgorithm['hash'] }>
> = {
  prime256v1: { name: 'P-256', bits: 256, hash: 'SHA-256' },
  secp384r1: { name: 'P-384', bits: 384, hash: 'SHA-384' },
  secp521r1: { name: 'P-521', bits: 521, hash: 'SHA-512' },
}
const CURVE_OF_BITS: Readonly<Record<number, string>> = {
  256: 'prime256v1',
  384: 'secp384r1',
  521: 'secp521r1',
}

export async function generateEcKey(bits = 256): Promise<PrivateKey> {
  const namedCurve = CURVE_OF_BITS[bits]
  if (namedCurve === undefined) {
    throw new FairleadError('BAD_REQUEST', 'EC key length must be one of (256, 384, 521) bits')
  }
  const pair = await generate('ec', { namedCurve })
  return describe(pair.privateKey)
}

export async function generateRsaKey(bits: number): Promise<PrivateKey> {
  if (bits !== 2048 && bits !== 4096) {
    throw new FairleadError('BAD_REQUEST', 'RSA key length must be 2048 or 4096 bits')
  }
  const pair = await generate('rsa', { modulusLength: bits })
  return describe(pair.privateKey)
}

/**
 * Reads an unencrypted or encrypted private key.
 *
 * @throws FairleadError BAD_REQUEST when it is no private key, the passphrase is wrong, or the kind is
 *   not one a CA may use
 */
export function readPrivateKey(pem: string, passphrase?: string): PrivateKey {
  let key: KeyObject
  try {
    key = createPrivateKey({ key: pem, ...(passphrase === undefined ? {} : { passphrase }) })
  } catch (cause) {
    throw new FairleadError(
      'BAD_REQUEST',
      'The private key cannot be read: wrong passphrase, or not a PEM private key',
      { cause },
    )
  }
  return describe(key)
}

export function signingAlgorithm(key: PrivateKey): SigningAlgorithm {
  if (key.type === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  const curve = CURVES[key.key.asymmetricKeyDetails?.namedCurve ?? '']
  return {
    name: 'ECDSA',
    hash: curve?.hash ?? 'SHA-256',
    namedCurve: curve?.name ?? 'P-256',
  }
}

/** Key identifier of mesh.md 4.2: SHA-256 of the SubjectPublicKeyInfo DER, 32 raw bytes. */
export function keyId(spkiDer: Uint8Array): Uint8Array {
  return createHash('sha256').update(spkiDer).digest()
}

function describe(key: KeyObject): PrivateKey {
  const details = key.asymmetricKeyDetails
  if (key.asymmetricKeyType === 'ec') {
    const curve = CURVES[details?.namedCurve ?? '']
    if (curve === undefined) {
      throw new FairleadError(
        'BAD_REQUEST',
        `EC private key is on the curve "${details?.namedCurve ?? 'unknown'}"; P-256, P-384 or P-521 is needed`,
      )
    }
    return {
      key,
      pem: key.export({ type: 'sec1', format: 'pem' }).toString(),
      type: 'ec',
      bits: curve.bits,
    }
  }
  if (key.asymmetricKeyType === 'rsa') {
    const bits = details?.modulusLength ?? 0
    if (bits < RSA_BITS_MIN) {
      throw new FairleadError(
        'BAD_REQUEST',
        `RSA private key has ${bits} bits; at least ${RSA_BITS_MIN} are needed`,
      )
    }
    return { key, pem: key.export({ type: 'pkcs1', format: 'pem' }).toString(), type: 'rsa', bits }
  }
  throw new FairleadError('BAD_REQUEST', "private key type must be either 'ec' or 'rsa'")
}
