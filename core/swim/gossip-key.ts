/**
 * One key of the gossip pool: 16, 24 or 32 secret bytes, written as base64 (gossip.md 10, agent-config.md 7).
 *
 * Guarantees: prints as `…` wherever a value is turned into text or JSON; only `text` tells it, to who asks for it.
 */

import { fromBase64, toBase64 } from '../catalog/base64.ts'

const KEY_SIZES: readonly number[] = [16, 24, 32]
export const KEY_SIZE_MAX = 32
const HIDDEN = '…'

/** Why a text or bytes are no key. */
export type KeyProblem =
  | { readonly kind: 'not-base64'; readonly reason: string }
  | { readonly kind: 'wrong-size'; readonly reason: string }

export class GossipKey {
  readonly #bytes: Uint8Array

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  static fromText(text: string): GossipKey | KeyProblem {
    const bytes = fromBase64(text)
    return bytes === undefined
      ? { kind: 'not-base64', reason: 'it is not base64' }
      : GossipKey.fromBytes(bytes)
  }

  static fromBytes(bytes: Uint8Array): GossipKey | KeyProblem {
    return KEY_SIZES.includes(bytes.length)
      ? new GossipKey(bytes.slice())
      : { kind: 'wrong-size', reason: `key size must be 16, 24 or 32 bytes, not ${bytes.length}` }
  }

  /** The secret itself; not to be changed. */
  get bytes(): Uint8Array {
    return this.#bytes
  }

  /** The secret itself, in base64. */
  get text(): string {
    return toBase64(this.#bytes)
  }

  /** Both are of this pool, so that the time it takes tells nothing to anybody else. */
  equals(other: GossipKey): boolean {
    return this.text === other.text
  }

  toString(): string {
    return HIDDEN
  }

  toJSON(): string {
    return HIDDEN
  }
}
