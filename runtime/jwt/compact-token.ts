/**
 * Signatures of compact JWTs (RFC 7515 3.1) against a set of public keys, at once and without a promise: the proxy
 * asks while a request waits.
 *
 * Guarantees: only asymmetric algorithms, each with its own kind of key; a token that names critical extensions, or
 * is longer than TOKEN_LENGTH_MAX, is refused. Judges no claim.
 * Cost: 50 to 150 µs a signature; the caller remembers tokens.
 */

import { constants, createPublicKey, type KeyObject, verify, type webcrypto } from 'node:crypto'
import type { Json, JsonObject } from '../../core/catalog/types.ts'

export const TOKEN_LENGTH_MAX = 16 * 1024
const KEYS_MAX = 64
const RSA_BITS_MIN = 2048

interface Algorithm {
  readonly type: 'rsa' | 'ec' | 'ed25519'
  readonly hash: string | null
  readonly curve?: string
  readonly isPss?: boolean
}

const ALGORITHMS: ReadonlyMap<string, Algorithm> = new Map<string, Algorithm>([
  ['RS256', { type: 'rsa', hash: 'sha256' }],
  ['RS384', { type: 'rsa', hash: 'sha384' }],
  ['RS512', { type: 'rsa', hash: 'sha512' }],
  ['PS256', { type: 'rsa', hash: 'sha256', isPss: true }],
  ['PS384', { type: 'rsa', hash: 'sha384', isPss: true }],
  ['PS512', { type: 'rsa', hash: 'sha512', isPss: true }],
  ['ES256', { type: 'ec', hash: 'sha256', curve: 'prime256v1' }],
  ['ES384', { type: 'ec', hash: 'sha384', curve: 'secp384r1' }],
  ['ES512', { type: 'ec', hash: 'sha512', curve: 'secp521r1' }],
  ['EdDSA', { type: 'ed25519', hash: null }],
])

interface Known {
  readonly key: KeyObject
  /** '' where the set does not say. */
  readonly id: string
  readonly algorithm: string
}

export class TokenKeys {
  readonly #keys: readonly Known[]

  /** @param jwks those that cannot verify a signature are left out */
  constructor(jwks: readonly JsonObject[]) {
    this.#keys = jwks.slice(0, KEYS_MAX).flatMap((jwk) => {
      const key = jwk['use'] === 'enc' ? undefined : publicKeyOf(jwk)
      return key === undefined
        ? []
        : [{ key, id: textOf(jwk['kid']), algorithm: textOf(jwk['alg']) }]
    })
  }

  /** @returns the payload, undefined when no key made the signature */
  verify(token: string): JsonObject | undefined {
    if (token.length > TOKEN_LENGTH_MAX) return undefined
    const [head = '', body = '', signature = '', ...rest] = token.split('.')
    const header = objectOf(head)
    if (header === undefined || rest.length > 0 || header['crit'] !== undefined) return undefined
    const name = textOf(header['alg'])
    const algorithm = ALGORITHMS.get(name)
    if (algorithm === undefined) return undefined
    const signed = Buffer.from(`${head}.${body}`)
    const bytes = Buffer.from(signature, 'base64url')
    const id = textOf(header['kid'])
    for (const known of this.#keys) {
      if (known.id !== '' && id !== '' && known.id !== id) continue
      if (known.algorithm !== '' && known.algorithm !== name) continue
      if (isMadeBy(known.key, algorithm, signed, bytes)) return objectOf(body)
    }
    return undefined
  }
}

function isMadeBy(
  key: KeyObject,
  algorithm: Algorithm,
  signed: Buffer,
  signature: Buffer,
): boolean {
  if (key.asymmetricKeyType !== algorithm.type) return false
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {}
  if (algorithm.curve !== undefined && namedCurve !== algorithm.curve) return false
  if (algorithm.type === 'rsa' && modulusLength < RSA_BITS_MIN) return false
  const options = {
    key,
    ...(algorithm.type === 'ec' ? { dsaEncoding: 'ieee-p1363' as const } : {}),
    ...(algorithm.isPss === true
      ? {
          padding: constants.RSA_PKCS1_PSS_PADDING,
          saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
        }
      : {}),
  }
  try {
    return verify(algorithm.hash, signed, options, signature)
  } catch {
    return false // a signature of a form that OpenSSL does not take is none
  }
}

function publicKeyOf(jwk: JsonObject): KeyObject | undefined {
  try {
    const key = createPublicKey({ key: jwk as unknown as webcrypto.JsonWebKey, format: 'jwk' })
    return key.type === 'public' ? key : undefined
  } catch {
    return undefined // symmetric, or a kind that this program does not know
  }
}

function objectOf(part: string): JsonObject | undefined {
  try {
    const value = JSON.parse(Buffer.from(part, 'base64url').toString()) as Json
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as JsonObject)
      : undefined
  } catch {
    return undefined
  }
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : ''
}
