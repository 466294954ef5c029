/**
 * User events: what somebody wants all members to hear, soon, once and in no order (gossip.md 11.4).
 *
 * Guarantees: each (time, name, payload) is told at most once, and never one from before the floor (G12); what is no
 * news is not passed on, so that without new events the queues run empty (G11). A newcomer is not told what was said
 * before it came; it remembers it all the same, so that members that remember alike need exchange nothing.
 * Bounds: those of RecentWindow and of the queue; an event that comes late by a window is dropped and counted.
 */

import type { LamportTime, UserEvent } from './messages.ts'
import type { Pool } from './pool.ts'
import { RecentWindow } from './recent-window.ts'
import type { NameHash } from './state-digest.ts'

export class EventRules {
  readonly #pool: Pool
  readonly #seen = new RecentWindow<UserEvent>()
  /** Events of earlier times are not told. */
  #floor: LamportTime
  #isNewcomer: boolean

  /** @param catchesUp this member remembers a former run: what was said since then is told */
  constructor(pool: Pool, catchesUp: boolean) {
    this.#pool = pool
    this.#floor = pool.eventClock.time
    this.#isNewcomer = !catchesUp
  }

  get digest(): NameHash {
    return this.#seen.digest
  }

  fire(name: string, payload: Uint8Array): void {
    this.onEvent({ time: this.#pool.eventClock.time, name, payload })
  }

  /** Of this member or heard from another: passed on when it is news. */
  onEvent(event: UserEvent): void {
    if (this.#admit(event)) this.#pool.broadcastEvent({ kind: 'user-event', ...event })
  }

  /** They came over a stream; others hear them the same way, so they are not passed on. */
  onMerged(events: readonly UserEvent[]): void {
    for (const event of events) this.#admit(event)
  }

  /** First contact of this member, which was alone, with a pool that has come to `time`. */
  onFirstJoin(time: LamportTime): void {
    if (this.#isNewcomer) this.#floor = Math.max(this.#floor, time)
    this.#isNewcomer = false
  }

  witness(time: LamportTime): void {
    if (time > 0) this.#pool.eventClock.witness(time - 1)
    this.#seen.moveTo(this.#pool.eventClock.time)
  }

  recent(): readonly UserEvent[] {
    return this.#seen.values()
  }

  /** Those that are not among `theirs`. */
  recentExcept(theirs: readonly UserEvent[]): readonly UserEvent[] {
    const known = new Set(theirs.map((event) => `${event.time} ${keyOf(event)}`))
    return this.recent().filter((event) => !known.has(`${event.time} ${keyOf(event)}`))
  }

  /** @returns whether it is news */
  #admit(event: UserEvent): boolean {
    const { eventClock, counters } = this.#pool
    eventClock.witness(event.time)
    const outcome = this.#seen.admit(eventClock.time, event.time, keyOf(event), event)
    if (outcome === 'old') counters.eventsTooOld++
    if (outcome !== 'new') return false
    if (event.time >= this.#floor) this.#pool.emit({ kind: 'user-event', event })
    return true
  }
}

/** One character for each byte: two events have one key only if they are the same. */
function keyOf({ name, payload }: UserEvent): string {
  return `${name}\0${String.fromCharCode(...payload)}`
}
