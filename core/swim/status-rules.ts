/**
 * What operators see of a member: alive, leaving, left, failed (gossip.md 11.3, 9).
 *
 * Follows what member-rules.ts finds, and intents: words of members and operators, ordered by a Lamport clock.
 * Guarantees: the time of a member's last word never goes back; an intent is passed on at most once, so that
 * without new input the queues run empty (G11); who left by its own word is never seen as failed (G9).
 * Bounds: INTENTS_MAX words about members not known yet, each kept for RECENT_INTENT_MS.
 */

import { parseDurationMs } from '../duration.ts'
import type { MemberStatus } from '../membership.ts'
import { pushPullIntervalMs } from './formulas.ts'
import type { MemberRecord } from './member-table.ts'
import type { JoinIntent, LamportTime, LeaveIntent } from './messages.ts'
import type { Pool } from './pool.ts'
import { RECONNECT_TIMEOUT_TAG } from './tags.ts'
import type { GossipTiming } from './timing.ts'

/** Less would forget who is only restarting. */
const RECONNECT_TIMEOUT_MIN_MS = 60_000
const INTENTS_MAX = 1024
const RECENT_INTENT_MS = 5 * 60_000
/** Push-pull intervals for which a change of one who is dead is still compared. */
const COMPARE_INTERVALS = 3
/** Who is back sooner after failing is not well, or is taken for failed without being so. */
const FLAP_MS = 60_000

interface RecentIntent {
  readonly kind: 'join' | 'leave'
  readonly time: LamportTime
  readonly prune: boolean
  readonly expiresAt: number
}

export class StatusRules {
  readonly #pool: Pool
  /** In order of arrival: the first expires first. */
  readonly #recent = new Map<string, RecentIntent>()

  constructor(pool: Pool) {
    this.#pool = pool
  }

  /** A member was not there, or dead, and is alive. */
  onJoin(record: MemberRecord): void {
    const recent = this.#recent.get(record.name)
    this.#recent.delete(record.name)
    record.isPruned = false
    const { now, counters } = this.#pool
    if (record.status === 'failed' && now - record.statusSince < FLAP_MS) counters.flaps++
    this.#become(record, 'alive')
    if (recent !== undefined && recent.expiresAt > this.#pool.now) {
      this.#pool.table.setStatusTime(record, Math.max(record.statusTime, recent.time))
      if (recent.kind === 'leave') {
        record.isPruned = recent.prune
        this.#become(record, 'leaving')
      }
    }
    this.#pool.changed(record, 'join')
  }

  /** A member is dead. @param byItself it said so */
  onLeave(record: MemberRecord, byItself: boolean): void {
    if (byItself || record.status === 'leaving') {
      this.#left(record)
    } else if (record.status === 'alive') {
      this.#become(record, 'failed')
      this.#pool.changed(record, 'fail')
    }
  }

  /** Heard from another: passed on when it is news. */
  onIntent(intent: JoinIntent | LeaveIntent): void {
    if (this.#apply(intent)) this.#pool.broadcastIntent(intent.name, intent)
  }

  /** A word that came with a whole state: others hear it the same way, so it is not passed on. */
  onMergedIntent(intent: JoinIntent | LeaveIntent): void {
    if (this.#pool.table.get(intent.name) !== undefined) this.#apply(intent)
  }

  /** Another table says that a member has left, by its last word of `time` or after it. */
  onMergedLeft(record: MemberRecord, time: LamportTime): void {
    if (record.status === 'left') {
      if (time > record.statusTime) this.#pool.table.setStatusTime(record, time)
      return
    }
    const { name, statusTime } = record
    // A leave that came without a word of its own is later than the last word.
    const after = time === statusTime ? time + 1 : time
    this.onMergedIntent({ kind: 'leave-intent', time: after, name, prune: false })
  }

  /** This member says that it is here. */
  announceJoin(): void {
    const { clock, self, table } = this.#pool
    const time = clock.increment()
    table.setStatusTime(self, Math.max(self.statusTime, time))
    this.#pool.broadcastIntent(self.name, { kind: 'join-intent', time, name: self.name })
  }

  /** This member says that it will leave. */
  announceLeave(onDone: () => void): void {
    const { clock, self, table } = this.#pool
    const time = clock.increment()
    table.setStatusTime(self, time)
    this.#become(self, 'leaving')
    this.#pool.changed(self, 'leaving')
    const intent = { kind: 'leave-intent', time, name: self.name, prune: false } as const
    this.#pool.broadcastIntent(self.name, intent, onDone)
  }

  /** An operator says that a member has left; one that is alive will object. */
  forceLeave(name: string, prune: boolean): void {
    const time = this.#pool.clock.increment()
    const intent = { kind: 'leave-intent', time, name, prune } as const
    this.#apply(intent)
    this.#pool.broadcastIntent(name, intent)
  }

  /** Takes those from the list who failed or left long ago. */
  reap(): void {
    const { table, timing, now } = this.#pool
    for (const record of [...table.records()]) {
      const age = now - record.statusSince
      const isOver =
        (record.status === 'failed' && age > reconnectTimeoutOf(record, timing)) ||
        (record.status === 'left' && age > timing.tombstoneTimeoutMs)
      if (isOver && record !== this.#pool.self) this.#erase(record)
    }
  }

  /** @returns whether it is news */
  #apply(intent: JoinIntent | LeaveIntent): boolean {
    const { clock, table } = this.#pool
    clock.witness(intent.time)
    const record = table.get(intent.name)
    if (record === undefined) return this.#remember(intent)
    const isDoubt =
      record === this.#pool.self && intent.kind === 'leave-intent' && !this.#pool.isLeaving
    // At the same time as its own word, others may have believed either: it speaks again.
    if (isDoubt && intent.time === record.statusTime) this.announceJoin()
    if (intent.time < record.statusTime) return false
    if (intent.time === record.statusTime && !isEvenWord(intent, record)) return false
    if (intent.kind === 'join-intent') {
      table.setStatusTime(record, intent.time)
      if (record.status === 'leaving' && !(record === this.#pool.self)) {
        this.#become(record, 'alive')
        this.#pool.changed(record, 'update')
      }
      return true
    }
    if (isDoubt) {
      this.announceJoin()
      return false
    }
    table.setStatusTime(record, intent.time)
    if (record === this.#pool.self) return true
    record.isPruned ||= intent.prune
    if (record.status === 'alive') {
      this.#become(record, 'leaving')
      this.#pool.changed(record, 'leaving')
    } else if (record.status === 'failed') {
      this.#left(record)
    } else if (record.status === 'left' && record.isPruned) {
      this.#erase(record)
    }
    return true
  }

  #remember(intent: JoinIntent | LeaveIntent): boolean {
    const { name, time } = intent
    const known = this.#recent.get(name)
    const { now } = this.#pool
    if (known !== undefined && known.expiresAt > now && known.time >= time) return false
    const isLeave = intent.kind === 'leave-intent'
    this.#keep(name, { kind: isLeave ? 'leave' : 'join', time, prune: isLeave && intent.prune })
    return true
  }

  #keep(name: string, word: Omit<RecentIntent, 'expiresAt'>): void {
    const { now, counters } = this.#pool
    this.#recent.delete(name)
    this.#recent.set(name, { ...word, expiresAt: now + RECENT_INTENT_MS })
    for (const [oldest, { expiresAt }] of this.#recent) {
      if (expiresAt > now && this.#recent.size <= INTENTS_MAX) break
      this.#recent.delete(oldest)
      if (expiresAt > now) counters.intentsDropped++
    }
  }

  #left(record: MemberRecord): void {
    this.#become(record, 'left')
    this.#pool.changed(record, 'leave')
    if (record.isPruned) this.#erase(record)
  }

  #erase(record: MemberRecord): void {
    record.suspicion?.timer.cancel()
    record.forgetTimer?.cancel()
    record.digestTimer?.cancel()
    this.#pool.table.remove(record)
    // Older words about it, still under way, must not pass for news of a stranger.
    const { name, statusTime: time } = record
    this.#keep(name, { kind: 'join', time, prune: false })
    this.#pool.changed(record, 'reap')
  }

  #become(record: MemberRecord, status: MemberStatus): void {
    const { table, now } = this.#pool
    table.setStatus(record, status, now)
    if (!record.isLive) this.#compareForAWhile(record)
  }

  /** Long enough that each member has compared its table with another's once or twice. */
  #compareForAWhile(record: MemberRecord): void {
    const { table, timing } = this.#pool
    const intervalMs = pushPullIntervalMs(timing.pushPullIntervalMs, table.liveCount)
    table.setDigested(record, true)
    record.digestTimer?.cancel()
    record.digestTimer = this.#pool.after(COMPARE_INTERVALS * intervalMs, () => {
      table.setDigested(record, false)
    })
  }
}

/** What it asked for itself, within reason, or what is configured here. */
function reconnectTimeoutOf({ tags }: MemberRecord, { reconnectTimeoutMs }: GossipTiming): number {
  const asked = tags[RECONNECT_TIMEOUT_TAG]
  const ms = asked === undefined ? undefined : parseDurationMs(asked)
  return ms === undefined ? reconnectTimeoutMs : Math.max(ms, RECONNECT_TIMEOUT_MIN_MS)
}

/**
 * Of a join and a leave of one time the join holds, in whichever order they come: an operator's leave may have been made
 * before the join was heard of, and members that believed the one and the other would never agree.
 */
function isEvenWord(intent: JoinIntent | LeaveIntent, { status }: MemberRecord): boolean {
  return intent.kind === 'join-intent' && status === 'leaving'
}
