/**
 * Whole tables compared over streams: on joining, and from time to time to repair what gossip lost (gossip.md 8, 9).
 *
 * Joining exchanges everything. The newest notice of the catalog goes along. Later exchanges send a digest first, and rows only of the buckets that differ, and user
 * events only where the two remember different ones. A dead or
 * suspected row from another counts as a suspicion, so that a wrong view cannot kill who lives.
 * Guarantees: a refused newcomer changes nothing here. Bounds: one own comparison at a time; CALLS_MAX open calls.
 */

import { assertNever } from '../assert.ts'
import type { Instant } from '../time.ts'
import { instant } from '../time.ts'
import type { EventRules } from './event-rules.ts'
import { pushPullIntervalMs } from './formulas.ts'
import type { MemberRules } from './member-rules.ts'
import type { MemberRecord } from './member-table.ts'
import type {
  DifferencesMessage,
  MemberRow,
  StateMessage,
  StreamHeader,
  StreamMessage,
  UserEvent,
} from './messages.ts'
import type { NoticeRules } from './notice-rules.ts'
import type { Pool } from './pool.ts'
import type { StatusRules } from './status-rules.ts'
import { decodeStreamMessage, encodeStreamMessage } from './stream-codec.ts'
import type { CallId, ExchangeOutcome, JoinOutcome, NodeAddress } from './types.ts'
import { WireError } from './wire.ts'

const CALLS_MAX = 1024
/** News spreads to nearly all of any pool in less (gossip.md 7.3). */
const FRESH_MS = 10_000
const NO_PAYLOAD = new Uint8Array(0)

type Call =
  | { readonly kind: 'ping'; readonly seq: number; readonly onAnswer: () => void }
  | { readonly kind: 'join'; readonly onOutcome: (outcome: JoinOutcome) => void }
  | { readonly kind: 'digest' | 'rows'; readonly to: NodeAddress }

export class StateSync {
  readonly #pool: Pool
  readonly #rules: MemberRules
  readonly #status: StatusRules
  readonly #events: EventRules
  readonly #notices: NoticeRules
  readonly #calls = new Map<CallId, Call & { readonly peer: NodeAddress }>()
  #isArmed = false
  #isReconnectArmed = false
  #isReapArmed = false

  constructor(
    pool: Pool,
    parts: {
      readonly rules: MemberRules
      readonly status: StatusRules
      readonly events: EventRules
      readonly notices: NoticeRules
    },
  ) {
    this.#pool = pool
    this.#rules = parts.rules
    this.#status = parts.status
    this.#events = parts.events
    this.#notices = parts.notices
  }

  /** There may be somebody to compare with, to reconnect or to reap. */
  begin(): void {
    const { timing, rng } = this.#pool
    if (!this.#isArmed) {
      this.#isArmed = true
      this.#pool.after(rng.float() * this.#intervalMs(), () => this.#compare())
    }
    if (!this.#isReconnectArmed) {
      this.#isReconnectArmed = true
      this.#pool.after(timing.reconnectIntervalMs, () => this.#reconnect())
    }
    if (!this.#isReapArmed) {
      this.#isReapArmed = true
      this.#pool.after(timing.reapIntervalMs, () => this.#reap())
    }
  }

  join(to: NodeAddress, onOutcome: (outcome: JoinOutcome) => void): void {
    const state = this.#state([...this.#pool.table.records()], this.#events.recent(), true)
    this.#call(to, state, this.#tcpDeadline(), { kind: 'join', onOutcome })
  }

  ping(target: MemberRecord, deadline: Instant, onAnswer: () => void): void {
    const seq = this.#pool.nextSeq()
    const message = { kind: 'ping', seq, target: target.name } as const
    this.#call(target, message, deadline, { kind: 'ping', seq, onAnswer })
  }

  onExchanged(id: CallId, outcome: ExchangeOutcome): void {
    const call = this.#calls.get(id)
    this.#calls.delete(id)
    if (call === undefined) return
    if (outcome.kind === 'failed') {
      if (call.kind === 'join') call.onOutcome(outcome)
      return
    }
    const reply = decode(outcome.bytes)
    if (reply === null) {
      this.#pool.counters.packetsMalformed++
      if (call.kind === 'join') call.onOutcome(failed('the answer is not of the gossip protocol'))
      return
    }
    switch (call.kind) {
      case 'ping':
        if (reply.kind === 'ack' && reply.seq === call.seq) call.onAnswer()
        return
      case 'join':
        call.onOutcome(this.#onJoinReply(reply, call.peer))
        return
      case 'digest':
        this.#onDifferences(reply, call.to)
        return
      case 'rows':
        return
      default:
        assertNever(call)
    }
  }

  /** @returns the answer */
  onRequest(bytes: Uint8Array, from: NodeAddress): Uint8Array {
    const message = decode(bytes)
    if (message === null) {
      this.#pool.counters.packetsMalformed++
      return encodeStreamMessage(refusal('the request is not of the gossip protocol'))
    }
    return encodeStreamMessage(this.#answer(message, from))
  }

  #answer(message: StreamMessage, from: NodeAddress): StreamMessage {
    const { self } = this.#pool
    switch (message.kind) {
      case 'ping':
        return message.target === self.name
          ? { kind: 'ack', seq: message.seq, payload: NO_PAYLOAD }
          : refusal(`this is "${self.name}"`)
      case 'digest': {
        this.#witness(message)
        const buckets = this.#pool.table.differences(message.digest)
        const rows = this.#pool.table.inBuckets(buckets).map((r) => this.#rowOf(r))
        const events = this.#remembersAlike(message) ? [] : this.#events.recent()
        return { kind: 'differences', ...this.#header(), buckets, rows, events }
      }
      case 'state': {
        const objection = this.#objectionTo(message)
        if (objection !== null) {
          this.#pool.counters.exchangesRefused++
          this.#pool.notice({ kind: 'merge-refused', from, reason: objection })
          return refusal(objection)
        }
        this.#meet(message)
        this.#merge(message)
        if (!message.isJoin) return this.#state([], [], false)
        return this.#state([...this.#pool.table.records()], this.#events.recent(), false)
      }
      case 'ack':
      case 'differences':
      case 'refusal':
        return refusal('an answer was sent as a request')
      default:
        return assertNever(message)
    }
  }

  #objectionTo(message: StateMessage): string | null {
    if (this.#pool.isLeaving && message.isJoin) return `"${this.#pool.self.name}" is leaving`
    const versions = this.#versionObjection(message.rows)
    if (versions !== null || !message.isJoin) return versions
    const newcomer = message.rows.find((row) => row.name === message.from)
    return newcomer === undefined ? null : this.#rules.objectionTo(newcomer)
  }

  /** All members together must have a version in common, which each of them speaks (8). */
  #versionObjection(rows: readonly MemberRow[]): string | null {
    let min = 0
    let max = 255
    const live = [...this.#pool.table.records()].filter((record) => record.isLive)
    const theirs = rows.filter((row) => row.state === 'alive')
    for (const { versions } of [...live, ...theirs]) {
      min = Math.max(min, versions.min)
      max = Math.min(max, versions.max)
    }
    for (const { name, versions } of [...live, ...theirs]) {
      if (versions.current < min || versions.current > max) {
        return `member "${name}" speaks gossip protocol ${versions.current}; all others need ${min} to ${max}`
      }
    }
    return null
  }

  #onJoinReply(reply: StreamMessage, peer: NodeAddress): JoinOutcome {
    if (reply.kind === 'refusal') return failed(reply.reason)
    if (reply.kind !== 'state') return failed('the answer is not of the gossip protocol')
    const { self } = this.#pool
    const namesake = reply.rows.find((row) => row.name === self.name)
    if (reply.from === self.name && namesake?.id === self.id) return { kind: 'self' }
    const objection = this.#versionObjection(reply.rows)
    if (objection !== null) {
      this.#pool.notice({ kind: 'merge-refused', from: peer, reason: objection })
      return failed(objection)
    }
    // Who comes alone has nobody to tell what a whole pool has known for a while.
    const isAlone = this.#pool.table.liveCount === 1
    this.#meet(reply)
    this.#merge(reply, isAlone)
    this.#status.announceJoin()
    return { kind: 'joined' }
  }

  #onDifferences(reply: StreamMessage, to: NodeAddress): void {
    if (reply.kind !== 'differences') return
    const objection = this.#versionObjection(reply.rows)
    if (objection !== null) {
      this.#pool.counters.exchangesRefused++
      this.#pool.notice({ kind: 'merge-refused', from: to, reason: objection })
      return
    }
    this.#witness(reply)
    const isAlike = this.#remembersAlike(reply)
    if (reply.buckets.length === 0 && isAlike) return
    const mine = this.#pool.table.inBuckets(reply.buckets)
    const events = isAlike ? [] : this.#events.recentExcept(reply.events)
    const state = this.#state(mine, events, false)
    this.#merge(reply)
    const isNews = state.rows.length > 0 || state.events.length > 0
    if (isNews) this.#call(to, state, this.#tcpDeadline(), { kind: 'rows', to })
  }

  /** Two find each other, whoever of them asked. */
  #meet({ eventTime }: StateMessage): void {
    if (this.#pool.table.liveCount === 1) this.#events.onFirstJoin(eventTime)
  }

  #merge(message: StateMessage | DifferencesMessage, isKnown = false): void {
    this.#witness(message)
    this.#events.onMerged(message.events)
    for (const row of message.rows) {
      this.#mergeState(row, message.from, isKnown && !row.isFresh)
    }
    // Those who left first: a word of joining must not be overtaken by an older one of leaving.
    for (const row of message.rows) if (row.hasLeft) this.#mergeLeft(row)
    for (const { name, statusTime: time, hasLeft } of message.rows) {
      if (!hasLeft) this.#status.onMergedIntent({ kind: 'join-intent', time, name })
    }
  }

  #mergeLeft({ name, incarnation, statusTime }: MemberRow): void {
    const known = this.#pool.table.get(name)
    if (known === undefined) return
    if (known.isLive && known.incarnation > incarnation) return // it has come back since
    this.#status.onMergedLeft(known, statusTime)
  }

  #mergeState(row: MemberRow, from: string, isKnown: boolean): void {
    const { name, incarnation } = row
    switch (row.state) {
      case 'alive': {
        const { id, address, port, meta, versions } = row
        const alive = { name, id, address, port, meta, versions, incarnation }
        this.#rules.onAlive({ kind: 'alive', ...alive }, from, isKnown)
        return
      }
      case 'left':
        this.#rules.onDead({ kind: 'dead', name, incarnation, from: name })
        return
      case 'dead':
      case 'suspect':
        this.#rules.onSuspect({ kind: 'suspect', name, incarnation, from }, { isRelayed: true })
        return
      default:
        assertNever(row.state)
    }
  }

  #compare(): void {
    const { table, self } = this.#pool
    const [peer] = table.random(1, (record) => record.state === 'alive' && record !== self)
    if (peer === undefined) {
      this.#isArmed = false
      return
    }
    this.#pool.after(this.#intervalMs(), () => this.#compare())
    if (this.#pool.isLeaving) return
    const to = { address: peer.address, port: peer.port }
    const digest = { kind: 'digest', ...this.#header(), digest: table.digest() } as const
    this.#call(to, digest, this.#tcpDeadline(), { kind: 'digest', to })
  }

  /** All members together try each failed one about once an interval. */
  #reconnect(): void {
    const { table, timing, rng, isLeaving } = this.#pool
    this.#pool.after(timing.reconnectIntervalMs, () => this.#reconnect())
    const failed = [...table.records()].filter((record) => record.status === 'failed')
    const target = rng.pick(failed)
    if (target === undefined || isLeaving) return
    if (rng.float() < failed.length / table.liveCount) this.join(target, () => {})
  }

  #reap(): void {
    this.#pool.after(this.#pool.timing.reapIntervalMs, () => this.#reap())
    this.#status.reap()
  }

  #call(to: NodeAddress, message: StreamMessage, deadline: Instant, call: Call): void {
    const peer = { address: to.address, port: to.port }
    if (this.#calls.size >= CALLS_MAX) {
      if (call.kind === 'join') call.onOutcome(failed('too many exchanges are open'))
      return
    }
    const id = this.#pool.nextCallId()
    this.#calls.set(id, { ...call, peer })
    const bytes = encodeStreamMessage(message)
    this.#pool.emit({ kind: 'exchange', id, to: peer, bytes, deadline })
  }

  #state(
    records: readonly MemberRecord[],
    events: readonly UserEvent[],
    isJoin: boolean,
  ): StateMessage {
    const rows = records.map((r) => this.#rowOf(r))
    return { kind: 'state', ...this.#header(), isJoin, rows, events }
  }

  #rowOf(record: MemberRecord): MemberRow {
    const { name, id, address, port, meta, versions, incarnation, state, statusTime } = record
    const facts = { name, id, address, port, meta, versions, incarnation, state, statusTime }
    const isFresh = this.#pool.now - record.stateSince < FRESH_MS
    return { ...facts, hasLeft: record.hasLeft, isFresh }
  }

  #header(): StreamHeader {
    const { self, clock, eventClock, queryClock } = this.#pool
    const notice = this.#notices.newest
    return {
      from: self.name,
      lamportTime: clock.time,
      eventTime: eventClock.time,
      queryTime: queryClock.time,
      eventDigest: this.#events.digest,
      ...(notice === undefined ? {} : { notice }),
    }
  }

  #witness({ lamportTime, eventTime, queryTime, notice }: StreamHeader): void {
    if (lamportTime > 0) this.#pool.clock.witness(lamportTime - 1)
    if (queryTime > 0) this.#pool.queryClock.witness(queryTime - 1)
    this.#events.witness(eventTime)
    if (notice !== undefined) this.#notices.onMerged(notice)
  }

  /** After `#witness`: only windows that end at one time can be alike. */
  #remembersAlike({ eventDigest: { high, low } }: StreamHeader): boolean {
    const mine = this.#events.digest
    return mine.high === high && mine.low === low
  }

  #intervalMs(): number {
    return pushPullIntervalMs(this.#pool.timing.pushPullIntervalMs, this.#pool.table.liveCount)
  }

  #tcpDeadline(): Instant {
    return instant(this.#pool.now + this.#pool.timing.tcpTimeoutMs)
  }
}

function decode(bytes: Uint8Array): StreamMessage | null {
  try {
    return decodeStreamMessage(bytes)
  } catch (error) {
    if (error instanceof WireError) return null
    throw error
  }
}

function refusal(reason: string): StreamMessage {
  return { kind: 'refusal', reason }
}

function failed(reason: string): JoinOutcome {
  return { kind: 'failed', reason }
}
