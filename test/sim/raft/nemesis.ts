/**
 * What goes wrong, and when: one act after the other, drawn from the faults that the run has.
 *
 * Each act has a number and a generator of its own, so that an act that is left out changes nothing about the
 * others: that is how failing runs are made smaller. The acts themselves are in process-faults.ts,
 * network-faults.ts and disk-faults.ts; they stay within the fault model unless the run says otherwise.
 */

import type { Rng } from '../../../core/rng.ts'
import { diskFaults } from './disk-faults.ts'
import type { ModelNetwork } from './model-network.ts'
import { networkFaults } from './network-faults.ts'
import { processFaults } from './process-faults.ts'
import type { SimServer } from './sim-server.ts'
import type { WorldContext } from './world-context.ts'

export interface NemesisDeps {
  readonly context: WorldContext
  readonly network: ModelNetwork
  readonly rng: Rng
  /** In the cluster, up or not. */
  readonly servers: () => readonly SimServer[]
  readonly leader: () => SimServer | undefined
  /** Whether the act of this number takes place. */
  readonly isWanted: (act: number) => boolean
}

/** What an act needs besides chance. */
export interface FaultDeps extends Omit<NemesisDeps, 'rng' | 'isWanted'> {
  /** Faults have ended: nothing more is begun, and servers are started by others. */
  readonly isOver: () => boolean
}

/** One thing that goes wrong; whatever follows of it later draws from the same generator. */
export type Act = (rng: Rng) => void

export class Nemesis {
  readonly #deps: NemesisDeps
  readonly #acts: readonly Act[]
  #isOver = false
  #done = 0

  constructor(deps: NemesisDeps) {
    this.#deps = deps
    const { context, network, servers, leader } = deps
    const faultDeps: FaultDeps = { context, network, servers, leader, isOver: () => this.#isOver }
    this.#acts = [
      ...processFaults(faultDeps),
      ...networkFaults(faultDeps),
      ...diskFaults(faultDeps),
    ]
  }

  /** Acts drawn so far, those left out among them. */
  get acts(): number {
    return this.#done
  }

  start(): void {
    if (this.#deps.context.swarm.nemesisMean > 0) this.#next()
  }

  stop(): void {
    this.#isOver = true
  }

  #next(): void {
    const { context, rng, isWanted } = this.#deps
    context.events.after(context.swarm.nemesisMean * 2 * rng.float(), () => {
      if (this.#isOver) return
      const act = rng.pick(this.#acts)
      const number = this.#done++
      if (isWanted(number)) act?.(rng.fork(`act ${number}`))
      this.#next()
    })
  }
}
