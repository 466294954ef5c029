/**
 * What no turn of a member may do to its view of the others (gossip.md 16: G1, G2, G10). Fails at the first breach.
 */

import assert from 'node:assert/strict'
import { decodeCompound } from '../../../core/swim/packet-codec.ts'
import { SWIM_STATES } from '../../../core/swim/types.ts'
import type { SimMember } from './sim-member.ts'

export class SwimInvariants {
  /** The highest incarnation that each member has used itself, in all its runs. */
  readonly #used = new Map<string, number>()

  /** G10: who lives and hears that it does not says so, in the same turn. @param before its incarnation */
  checkDefence(member: SimMember, before: number, bytes: Uint8Array): void {
    const self = member.core.self()
    if (self.status !== 'alive') return
    for (const message of decodeCompound(bytes).messages) {
      if (message.kind !== 'suspect' && message.kind !== 'dead') continue
      if (message.name !== member.name || message.incarnation < before) continue
      assert.ok(self.incarnation > message.incarnation, `G10: ${member.name} does not object`)
    }
  }

  /** G1: nobody invents an incarnation. G2: what one sees of another only moves forward. */
  checkTable(member: SimMember): void {
    const own = member.core.self().incarnation
    this.#used.set(member.name, Math.max(own, this.#used.get(member.name) ?? 0))
    for (const { name, incarnation, state } of member.core.members()) {
      assert.ok(
        incarnation <= (this.#used.get(name) ?? 0),
        `G1: ${member.name} sees ${name} at ${incarnation}`,
      )
      const rank = SWIM_STATES.indexOf(state)
      const last = member.seen.get(name)
      if (last !== undefined) {
        const isForward =
          incarnation > last.incarnation || (incarnation === last.incarnation && rank >= last.rank)
        // Dead for so long that the protocol has forgotten it: any new word of it counts.
        const wasGone = last.rank >= 2 && state === 'alive'
        assert.ok(isForward || wasGone, `G2: ${member.name} sees ${name} go back`)
      }
      member.seen.set(name, { incarnation, rank })
    }
  }
}
