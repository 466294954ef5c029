/**
 * One member of a simulated pool, with what the world writes down about it.
 */

import type { SwimCore } from '../../../core/swim/swim-core.ts'
import type { JoinOutcome, NodeAddress, SwimEffect } from '../../../core/swim/types.ts'

export class SimMember {
  readonly name: string
  readonly address: NodeAddress
  readonly id: string
  core: SwimCore
  isRunning = true
  /** Until then it handles nothing: stopped, or too busy. */
  pausedUntil = 0
  /** Until then its timers run and nothing that it sends, or that is sent to it, gets anywhere. */
  heldUntil = 0
  wakeScheduledFor: number | null = null
  hasLeft = false
  readonly joins = new Map<number, (outcome: JoinOutcome) => void>()
  /** What this one last saw of each member: (incarnation, state), for G2. */
  readonly seen = new Map<string, { readonly incarnation: number; readonly rank: number }>()
  /** User events that were told, as `<time> <name> <payload>`; of all runs. */
  readonly heard: string[] = []
  /** Names of queries that were for it; each is answered by its name. */
  readonly asked: string[] = []
  /** To its own queries: `ack <member>`, `answer <member>`. */
  readonly answers: string[] = []
  /** Why each of its own queries ended: null at its deadline. */
  readonly closed: (string | null)[] = []
  bytesSent = 0
  packetsSent = 0

  constructor(name: string, id: string, address: NodeAddress, core: SwimCore) {
    this.name = name
    this.id = id
    this.address = address
    this.core = core
  }

  /** Events and queries as they reached it. */
  note(
    effect: Extract<SwimEffect, { kind: 'query' | 'query-answer' | 'query-closed' | 'user-event' }>,
  ): void {
    switch (effect.kind) {
      case 'query':
        this.asked.push(effect.name)
        return
      case 'query-answer':
        this.answers.push(`${effect.isAck ? 'ack' : 'answer'} ${effect.from}`)
        return
      case 'query-closed':
        this.closed.push(effect.problem)
        return
      case 'user-event': {
        const { time, name, payload } = effect.event
        this.heard.push(`${time} ${name} ${Buffer.from(payload).toString()}`)
        return
      }
    }
  }
}

/** Of the member that came as the n-th. */
export function addressAt(index: number): NodeAddress {
  return {
    address: `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`,
    port: 8301,
  }
}
