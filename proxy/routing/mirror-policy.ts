/**
 * Which requests of a route are copied, and where a copy goes (mesh.md 10.9): each mirror draws on its own.
 */

import type { MirrorSpec, SplitSpec } from '../../core/mesh/proxy-snapshot.ts'
import type { Rng } from '../../core/rng.ts'
import { HeadEdits } from './head-edits.ts'

/** Where one copy goes. */
export interface MirrorLeg {
  readonly clusterId: string
  readonly failover: readonly string[]
  readonly keepsHost: boolean
  /** What its leg changes in the copy. */
  readonly request: HeadEdits | undefined
}

interface CompiledMirror {
  readonly percent: number
  readonly legs: readonly (MirrorLeg & { readonly weight: number })[]
  readonly weights: number
}

export class MirrorPolicy {
  readonly #mirrors: readonly CompiledMirror[]
  readonly #rng: Rng

  constructor(specs: readonly MirrorSpec[], rng: Rng) {
    this.#mirrors = specs.map(({ percent, keepsHost, splits }) => ({
      percent,
      legs: splits.map((split) => legOf(split, keepsHost)),
      weights: splits.reduce((sum, split) => sum + split.weight, 0),
    }))
    this.#rng = rng
  }

  /** @returns undefined when the request is not copied */
  draw(): readonly MirrorLeg[] | undefined {
    let drawn: MirrorLeg[] | undefined
    for (const { percent, legs, weights } of this.#mirrors) {
      if (this.#rng.float() * 100 >= percent) continue
      const leg = drawnLeg(legs, this.#rng.float() * weights)
      if (leg === undefined) continue
      drawn ??= []
      drawn.push(leg)
    }
    return drawn
  }
}

/** @param at below the sum of the weights */
function drawnLeg(legs: CompiledMirror['legs'], at: number): MirrorLeg | undefined {
  let left = at
  for (const leg of legs) {
    left -= leg.weight
    if (left < 0) return leg
  }
  return legs.at(-1)
}

function legOf(split: SplitSpec, keepsHost: boolean): CompiledMirror['legs'][number] {
  const { clusterId, failover, weight, requestHeaders } = split
  return { clusterId, failover, weight, keepsHost, request: HeadEdits.of(requestHeaders) }
}
