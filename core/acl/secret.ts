/**
 * Secrets of tokens: kept as their SHA-256 alone (docs/decisions/0039), compared without telling where they differ. Pure.
 *
 * A plain digest is enough because a secret is a UUID of 122 random bits, or as good as what an operator chose.
 */

import { Sha256 } from '../digest/sha256.ts'

const ENCODER = new TextEncoder()

/** Lower hex. */
export function hashSecret(secret: string): string {
  return hexDigest(secret)
}

export function hexDigest(text: string): string {
  const digest = new Sha256()
  digest.update(ENCODER.encode(text))
  return digest.digest()
}
/** Takes the same time wherever the two differ; their lengths are not kept secret. */
export function isSameSecret(one: string, other: string): boolean {
  if (one.length !== other.length) return false
  let differences = 0
  for (let i = 0; i < one.length; i++) differences |= one.charCodeAt(i) ^ other.charCodeAt(i)
  return differences === 0
}
