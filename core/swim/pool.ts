/**
 * What the parts of the core share: this turn's time and effects, the table, the queues, the counters.
 *
 * Has no rules of its own. Guarantees: a packet it fills never exceeds the budget nor PARTS_MAX parts; what is queued
 * wakes the gossip tick.
 */

import { isInNetwork } from '../ip-network.ts'
import type { Rng } from '../rng.ts'
import { type Instant, instant } from '../time.ts'
import { BroadcastQueue } from './broadcast-queue.ts'
import { retransmitLimit } from './formulas.ts'
import { LamportClock } from './lamport-clock.ts'
import { LocalHealth } from './local-health.ts'
import type { MemberRecord, Members } from './member-table.ts'
import type { PacketMessage } from './messages.ts'
import {
  COMPOUND_OVERHEAD,
  encodeCompound,
  encodeMessage,
  PART_OVERHEAD,
  PARTS_MAX,
} from './packet-codec.ts'
import { type SwimTimer, TimerQueue } from './timer-queue.ts'
import type { GossipTiming } from './timing.ts'
import {
  type CallId,
  type MemberChange,
  type NodeAddress,
  PROTOCOL_VERSIONS,
  type SwimCounters,
  type SwimEffect,
  type SwimNotice,
  type SwimOptions,
} from './types.ts'

/** Messages that wait in one queue, at least; twice the members where that is more. */
export const QUEUE_DEPTH_MIN = 4096

export class Pool {
  readonly timing: GossipTiming
  readonly rng: Rng
  readonly timers = new TimerQueue()
  readonly table: Members
  readonly self: MemberRecord
  readonly clock: LamportClock
  readonly eventClock: LamportClock
  readonly queryClock: LamportClock
  readonly health: LocalHealth
  /** News of members: alive, suspect, dead. */
  readonly updates = new BroadcastQueue()
  /** What members and operators intend: join, leave. */
  readonly intents = new BroadcastQueue()
  /** The newest notice of the catalog. */
  readonly notices = new BroadcastQueue()
  readonly queries = new BroadcastQueue()
  readonly events = new BroadcastQueue()
  /** All of them: what comes first has the first claim on a packet. */
  readonly #queues = [this.updates, this.intents, this.notices, this.queries, this.events]
  readonly counters: SwimCounters = {
    packetsMalformed: 0,
    partsMalformed: 0,
    partsUnknown: 0,
    broadcastsDropped: 0,
    probesFailed: 0,
    refutations: 0,
    conflicts: 0,
    exchangesRefused: 0,
    intentsDropped: 0,
    accusationsIgnored: 0,
    coordinatesRefused: 0,
    eventsTooOld: 0,
    answersDropped: 0,
    addressesRefused: 0,
    flaps: 0,
    aliveHeard: 0,
    suspectHeard: 0,
    deadHeard: 0,
  }
  readonly #packetBytesMax: number
  readonly #allowedNetworks: SwimOptions['allowedNetworks']
  now: Instant
  /** This member has begun to leave: it no longer defends itself. */
  isLeaving = false
  /** Called when a queue that may have been empty has something; set by the part that gossips. */
  onQueued: () => void = () => {}
  #effects: SwimEffect[] = []
  #callId: CallId = 0
  #seq: number
  #eventCount = 0

  constructor(options: SwimOptions, rng: Rng, now: Instant, table: Members) {
    this.timing = options.timing
    this.rng = rng
    this.now = now
    this.table = table
    this.clock = new LamportClock(options.lamportTime)
    // From 1 on: the time 0 stands for none in what operators see.
    this.eventClock = new LamportClock(Math.max(1, options.eventTime))
    this.queryClock = new LamportClock(Math.max(1, options.queryTime))
    this.health = new LocalHealth(options.timing.awarenessMaxMultiplier)
    this.#packetBytesMax = options.packetBytesMax
    this.#allowedNetworks = options.allowedNetworks
    // Not from 0: answers to a previous run of this member must not match.
    this.#seq = rng.fork('seq').u32()
    const { name, id, address, port, meta } = options
    const facts = { name, id, address, port, meta, versions: PROTOCOL_VERSIONS }
    const self = this.table.insert(facts, now)
    if (self === null) throw new RangeError('an empty table is never full')
    this.self = self
  }

  /** Whether a member may be there. */
  isAllowed({ address }: NodeAddress): boolean {
    return this.#allowedNetworks?.some((network) => isInNetwork(network, address)) ?? true
  }

  emit(effect: SwimEffect): void {
    this.#effects.push(effect)
  }

  notice(notice: SwimNotice): void {
    this.emit({ kind: 'notice', notice })
  }

  changed(record: MemberRecord, change: MemberChange): void {
    this.emit({ kind: 'member', change, name: record.name })
  }

  takeEffects(): readonly SwimEffect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  after(ms: number, run: () => void): SwimTimer {
    return this.timers.at(instant(this.now + ms), run)
  }

  nextSeq(): number {
    this.#seq = (this.#seq + 1) >>> 0
    return this.#seq
  }

  nextCallId(): CallId {
    this.#callId++
    return this.#callId
  }

  /** Queues news of a member; replaces what was queued about it. */
  broadcast(record: MemberRecord, message: PacketMessage, onDone?: () => void): void {
    this.#queue(this.updates, record.name, message, onDone)
  }

  broadcastIntent(name: string, message: PacketMessage, onDone?: () => void): void {
    this.#queue(this.intents, name, message, onDone)
  }

  /** Replaces the one that waits. */
  broadcastNotice(message: PacketMessage): void {
    this.#queue(this.notices, 'catalog', message, undefined)
  }

  broadcastQuery(message: PacketMessage): void {
    this.#queue(this.queries, `${this.#eventCount++}`, message, undefined)
  }

  /** Waits beside the others: no event stands for another. */
  broadcastEvent(message: PacketMessage): void {
    this.#queue(this.events, `${this.#eventCount++}`, message, undefined)
  }

  /** Sends messages, with as much of the queued news as fits. */
  send(to: NodeAddress, messages: readonly PacketMessage[]): void {
    const parts = this.#fill(messages.map(encodeMessage))
    if (parts.length > 0) this.emit({ kind: 'packet', to, bytes: encodeCompound(parts) })
  }

  /**
   * Sends one message and no news: answers to a query would else spend the copies by which that query is to spread,
   * and on members that know it.
   */
  sendAlone(to: NodeAddress, message: PacketMessage): void {
    this.emit({ kind: 'packet', to, bytes: encodeCompound([encodeMessage(message)]) })
  }

  /** Sends a packet's worth of queued news. @returns false when nothing was queued */
  sendNews(to: NodeAddress): boolean {
    const parts = this.#fill([])
    if (parts.length === 0) return false
    this.emit({ kind: 'packet', to, bytes: encodeCompound(parts) })
    return true
  }

  get hasNews(): boolean {
    return this.#queues.some((queue) => queue.length > 0)
  }

  /** Messages that wait to be passed on. */
  get newsCount(): number {
    return this.#queues.reduce((sum, queue) => sum + queue.length, 0)
  }

  /** There is nobody to tell. */
  clearNews(): void {
    for (const queue of this.#queues) queue.clear()
  }

  #queue(
    queue: BroadcastQueue,
    subject: string,
    message: PacketMessage,
    onDone: (() => void) | undefined,
  ): void {
    const before = queue.dropped
    queue.add(subject, encodeMessage(message), {
      depthMax: Math.max(QUEUE_DEPTH_MIN, 2 * this.table.size),
      ...(onDone === undefined ? {} : { onDone }),
    })
    this.counters.broadcastsDropped += queue.dropped - before
    this.onQueued()
  }

  #fill(parts: Uint8Array[]): Uint8Array[] {
    // Copies go to the dead too: with half of a pool dead, limits by the living alone leave some without news.
    const limit = retransmitLimit(this.timing.retransmitMult, this.table.knownCount)
    let budget = this.#packetBytesMax - COMPOUND_OVERHEAD
    for (const part of parts) budget -= PART_OVERHEAD + part.length
    for (const queue of this.#queues) {
      for (const bytes of queue.take(budget, PARTS_MAX - parts.length, limit)) {
        parts.push(bytes)
        budget -= PART_OVERHEAD + bytes.length
      }
    }
    return parts
  }
}
