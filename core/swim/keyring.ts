/**
 * The keys of a gossip pool: the first seals, any of them opens (gossip.md 10).
 *
 * Changes are worked out first and taken over later, so that they can be made durable in between. Guarantees: never
 * empty; the primary is not removed; what changes nothing is no error, so that a rotation can be repeated.
 * Bounds: KEYS_MAX keys, since each packet of a stranger is tried with all of them.
 */

import { assert } from '../assert.ts'
import type { GossipKey } from './gossip-key.ts'

export const KEYS_MAX = 40

export type KeyringChange =
  | { readonly kind: 'install'; readonly key: GossipKey }
  | { readonly kind: 'use'; readonly key: GossipKey }
  | { readonly kind: 'remove'; readonly key: GossipKey }

export type KeyringOutcome =
  | { readonly kind: 'keys'; readonly keys: readonly GossipKey[] }
  | { readonly kind: 'refused'; readonly reason: string }

export class Keyring {
  #keys: readonly GossipKey[]

  /** @param keys the first is the primary; at least one */
  constructor(keys: readonly GossipKey[]) {
    assert(keys.length > 0, 'a keyring has a key')
    this.#keys = keys
  }

  get keys(): readonly GossipKey[] {
    return this.#keys
  }

  get primary(): GossipKey {
    const [primary] = this.#keys
    assert(primary !== undefined, 'a keyring has a key')
    return primary
  }

  /** What the keys would be after a change. */
  after({ kind, key }: KeyringChange): KeyringOutcome {
    const known = this.#keys.find((each) => each.equals(key))
    const others = this.#keys.filter((each) => each !== known)
    switch (kind) {
      case 'install':
        if (known !== undefined) return { kind: 'keys', keys: this.#keys }
        if (this.#keys.length >= KEYS_MAX) {
          return { kind: 'refused', reason: `the keyring is full: it holds ${KEYS_MAX} keys` }
        }
        return { kind: 'keys', keys: [...this.#keys, key] }
      case 'use':
        if (known === undefined) {
          return { kind: 'refused', reason: 'requested key is not in the keyring' }
        }
        return { kind: 'keys', keys: [known, ...others] }
      case 'remove':
        if (known === this.primary) {
          return { kind: 'refused', reason: 'removing the primary key is not allowed' }
        }
        return { kind: 'keys', keys: others }
      default:
        return kind satisfies never
    }
  }

  /** Takes over what `after` gave. */
  replace(keys: readonly GossipKey[]): void {
    assert(keys.length > 0, 'a keyring has a key')
    this.#keys = keys
  }
}
