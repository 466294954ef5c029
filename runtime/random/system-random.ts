/**
 * Randomness of the operating system: ids that must be unique, and seeds for core/rng.ts.
 */

import { randomBytes, randomUUID } from 'node:crypto'
import { type Rng, seededRng } from '../../core/rng.ts'

export function newUuid(): string {
  return randomUUID()
}

/** A generator seeded from the operating system; not for secrets. */
export function systemRng(): Rng {
  return seededRng(randomBytes(4).readUInt32LE(0))
}
