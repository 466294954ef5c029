/**
 * Membership by gossip as a pure object: SWIM with Lifeguard and Serf's statuses (gossip.md 1 to 9, 11).
 *
 * No clock, socket, file, promise or chance of its own. Duties of the shell, in this order for each `handle`:
 *  1. Perform the effects in order; a lost packet is the network's right, so a failed send is no error.
 *  2. Answer each `exchange` by exactly one `exchanged`, by its deadline; send each `reply` on its stream.
 *  3. Call `handle({ kind: 'wake' })` at `wakeAt` at the latest; a late call delays what is due, and nothing else.
 *  4. Hand over bytes whole: a datagram's body, a stream's message within STREAM_SIZE_MAX. They are not retained.
 * Guarantees: never throws for what comes from outside; G1 to G12 of gossip.md 16 for what is its own part.
 * Does not do: labels, checksums, encryption (the shell's seal).
 * Bounds: MEMBERS_MAX members, QUEUE_DEPTH_MIN queued messages, those of its parts.
 */

import { assert, assertNever } from '../assert.ts'
import type { Coordinate } from '../coordinates/coordinate.ts'
import type { Rng } from '../rng.ts'
import type { Instant } from '../time.ts'
import { CoordinateRules } from './coordinate-rules.ts'
import { Departure } from './departure.ts'
import { USER_EVENT_SIZE_MAX, userEventSize } from './event-codec.ts'
import { EventRules } from './event-rules.ts'
import { isMemberName } from './fields.ts'
import { Gossiper } from './gossiper.ts'
import { MemberRules } from './member-rules.ts'
import { type Members, MemberTable } from './member-table.ts'
import type { LamportTime, PacketMessage } from './messages.ts'
import { NoticeRules } from './notice-rules.ts'
import { decodeCompound } from './packet-codec.ts'
import { Pool } from './pool.ts'
import { Prober } from './prober.ts'
import { QueryRules } from './query-rules.ts'
import { StateSync } from './state-sync.ts'
import { StatusRules } from './status-rules.ts'
import { META_SIZE_MAX } from './tags.ts'
import type {
  MemberView,
  NodeAddress,
  SwimCounters,
  SwimEffect,
  SwimInput,
  SwimOptions,
  SwimState,
} from './types.ts'

export interface QueueLengths {
  readonly updates: number
  readonly intents: number
  readonly queries: number
  readonly events: number
}

export class SwimCore {
  readonly #pool: Pool
  readonly #rules: MemberRules
  readonly #status: StatusRules
  readonly #prober: Prober
  readonly #sync: StateSync
  readonly #departure: Departure
  readonly #notices: NoticeRules
  readonly #coordinates: CoordinateRules
  readonly #events: EventRules
  readonly #queries: QueryRules

  /** @param options `name` must satisfy isMemberName */
  constructor(
    options: SwimOptions,
    rng: Rng,
    now: Instant,
    table: Members = new MemberTable(rng.fork('table')),
  ) {
    assert(isMemberName(options.name), 'the name of a member is fit for the wire')
    assert(options.meta.length <= META_SIZE_MAX, 'tags are within their bound')
    this.#pool = new Pool(options, rng, now, table)
    this.#status = new StatusRules(this.#pool)
    this.#rules = new MemberRules(this.#pool, this.#status)
    this.#coordinates = new CoordinateRules(options.hasCoordinate, this.#pool)
    this.#events = new EventRules(this.#pool, options.catchesUp)
    this.#queries = new QueryRules(this.#pool)
    this.#notices = new NoticeRules(this.#pool)
    this.#sync = new StateSync(this.#pool, {
      rules: this.#rules,
      status: this.#status,
      events: this.#events,
      notices: this.#notices,
    })
    this.#prober = new Prober(this.#pool, {
      rules: this.#rules,
      onRoundTrip: (target, rttMs, payload) =>
        this.#coordinates.onRoundTrip(target, rttMs, payload),
      pingOverStream: (target, deadline, onAnswer) => this.#sync.ping(target, deadline, onAnswer),
    })
    this.#departure = new Departure(this.#pool, this.#rules, this.#status)
    new Gossiper(this.#pool)
    this.#rules.bootstrap(options.incarnation)
  }

  /** When something is due; null while there is nothing to wait for. */
  get wakeAt(): Instant | null {
    return this.#pool.timers.next
  }

  handle(now: Instant, input: SwimInput): readonly SwimEffect[] {
    this.#pool.now = now
    this.#pool.timers.runDue(now)
    this.#dispatch(input)
    // What an input makes due at once belongs to this turn.
    this.#pool.timers.runDue(now)
    if (this.#pool.table.size > 1) {
      this.#prober.begin()
      this.#sync.begin()
    }
    return this.#pool.takeEffects()
  }

  self(): MemberView {
    return this.#pool.self.view()
  }

  member(name: string): MemberView | undefined {
    return this.#pool.table.get(name)?.view()
  }

  /** All that operators may see: also those who failed or left, until they are reaped. */
  members(): MemberView[] {
    return Array.from(this.#pool.table.records(), (record) => record.view())
  }

  /** Where this member stands in the network; null where it does not care. */
  get coordinate(): Coordinate | null {
    return this.#coordinates.own
  }

  get lamportTime(): LamportTime {
    return this.#pool.clock.time
  }

  get eventTime(): LamportTime {
    return this.#pool.eventClock.time
  }

  get queryTime(): LamportTime {
    return this.#pool.queryClock.time
  }

  /** 0 is healthy. */
  get healthScore(): number {
    return this.#pool.health.score
  }

  get counters(): Readonly<SwimCounters> {
    return this.#pool.counters
  }

  /** Messages that wait to be passed on. */
  get queueLength(): number {
    return this.#pool.newsCount
  }

  /** The same by kind. */
  get queueLengths(): QueueLengths {
    const { updates, intents, queries, events } = this.#pool
    return {
      updates: updates.length,
      intents: intents.length,
      queries: queries.length,
      events: events.length,
    }
  }

  /** Members in each state, this one included. Walks the table. */
  stateCounts(): Readonly<Record<SwimState, number>> {
    const counts = { alive: 0, suspect: 0, dead: 0, left: 0 }
    for (const { state } of this.#pool.table.records()) counts[state]++
    return counts
  }

  #dispatch(input: SwimInput): void {
    switch (input.kind) {
      case 'wake':
        return
      case 'packet':
        this.#onPacket(input.from, input.bytes)
        return
      case 'unsendable':
        this.#prober.onUnsendable(input.to, input.isOurs)
        return
      case 'request': {
        const bytes = this.#sync.onRequest(input.bytes, input.from)
        this.#pool.emit({ kind: 'reply', id: input.id, bytes })
        return
      }
      case 'exchanged':
        this.#sync.onExchanged(input.id, input.outcome)
        return
      case 'join':
        this.#sync.join(input.to, (outcome) => {
          this.#pool.emit({ kind: 'joined', id: input.id, outcome })
        })
        return
      case 'leave':
        this.#departure.begin()
        return
      case 'force-leave':
        this.#status.forceLeave(input.name, input.prune)
        return
      case 'set-meta':
        this.#rules.setMeta(input.meta)
        return
      case 'catalog-notice':
        this.#notices.onNotice(input.notice)
        return
      case 'fire':
        assert(userEventSize(input) <= USER_EVENT_SIZE_MAX, 'an event is within its bound')
        this.#events.fire(input.name, input.payload)
        return
      case 'ask':
        this.#queries.ask(input.id, input.wish)
        return
      case 'cancel-ask':
        this.#queries.cancel(input.id)
        return
      case 'answer':
        this.#queries.answer(input.ref, input.payload)
        return
      default:
        assertNever(input)
    }
  }

  #onPacket(from: NodeAddress, bytes: Uint8Array): void {
    const { messages, malformed, unknown } = decodeCompound(bytes)
    const { counters } = this.#pool
    counters.partsMalformed += malformed
    counters.partsUnknown += unknown
    if (messages.length === 0 && malformed > 0) counters.packetsMalformed++
    // News first, so that the ack of a ping carries the answer to an accusation beside it.
    for (const message of messages) this.#onNews(message, from)
    for (const message of messages) this.#onProbe(message, from)
  }

  #onNews(message: PacketMessage, from: NodeAddress): void {
    switch (message.kind) {
      case 'alive':
        this.#pool.counters.aliveHeard++
        this.#rules.onAlive(message, from.address)
        return
      case 'suspect':
        this.#pool.counters.suspectHeard++
        this.#rules.onSuspect(message, { isRelayed: false })
        return
      case 'dead':
        this.#pool.counters.deadHeard++
        this.#rules.onDead(message)
        return
      case 'join-intent':
      case 'leave-intent':
        this.#status.onIntent(message)
        return
      case 'query': {
        const { kind: _, ...query } = message
        this.#queries.onQuery(query)
        return
      }
      case 'query-response':
        this.#queries.onResponse(message)
        return
      case 'relay':
        this.#queries.onRelay(message)
        return
      case 'user-event': {
        const { time, name, payload } = message
        this.#events.onEvent({ time, name, payload })
        return
      }
      case 'catalog-notice':
        this.#notices.onNotice(message)
        return
      case 'ping':
      case 'indirect-ping':
      case 'ack':
      case 'nack':
        return
      default:
        assertNever(message)
    }
  }

  #onProbe(message: PacketMessage, from: NodeAddress): void {
    switch (message.kind) {
      case 'ping':
        // Meant for another that had this address before: no answer, so that it is found dead.
        if (message.target !== this.#pool.self.name) return
        this.#pool.send(from, [
          { kind: 'ack', seq: message.seq, payload: this.#coordinates.payload },
        ])
        return
      case 'indirect-ping':
        this.#prober.onIndirectPing(message, from)
        return
      case 'ack':
        this.#prober.onAck(message)
        return
      case 'nack':
        this.#prober.onNack(message)
        return
      case 'alive':
      case 'suspect':
      case 'dead':
      case 'join-intent':
      case 'leave-intent':
      case 'user-event':
      case 'query':
      case 'query-response':
      case 'relay':
      case 'catalog-notice':
        return
      default:
        assertNever(message)
    }
  }
}
