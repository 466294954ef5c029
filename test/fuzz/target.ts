/**
 * What the fuzzer needs to know of one decoder of foreign bytes.
 */

import type { Rng } from '../../core/rng.ts'

export interface FuzzTarget {
  readonly name: string
  /** Valid inputs, which are then damaged; a new one at each call where the decoder has much to say. */
  readonly valid: (rng: Rng) => Uint8Array
  /**
   * Decodes. Whatever it throws must be declared, and a value it returns must survive `again`.
   *
   * @returns bytes that decode to the same value, for canonical formats; undefined where there are none;
   *   null when the decoder refused without a throw
   */
  readonly decode: (bytes: Uint8Array) => Uint8Array | undefined | null
  readonly isDeclared: (thrown: unknown) => boolean
}

export function never(): boolean {
  return false
}
