/**
 * Queries: questions to all members, or to those that filters select, and their answers (gossip.md 11.5).
 *
 * A query spreads like an event, and is passed on also by whom it is not for; acks and answers go straight to who asked,
 * as packets, and by way of other members too where that is wanted. They go to where that member is known to be, never to
 * an address inside a message. Guarantees: a member hears of each query once, who asked of each ack and answer once; a
 * query closes at its deadline, and what comes later is dropped.
 * Bounds: OPEN_MAX own queries; ASKED_MAX questions whose deadline has not passed, beyond which further ones are passed on
 * and not answered; those of RecentWindow.
 */

import { FilterError } from '../filter/errors.ts'
import { compileRegex } from '../filter/regex.ts'
import { type Instant, instant } from '../time.ts'
import { queryTimeoutMs } from './formulas.ts'
import type { MemberRecord } from './member-table.ts'
import type { LamportTime, Query, QueryFilters, QueryResponse, RelayMessage } from './messages.ts'
import type { Pool } from './pool.ts'
import { QUERY_SIZE_MAX, querySize, responseSize } from './query-codec.ts'
import { RecentWindow } from './recent-window.ts'
import type { CallId, NodeAddress, QueryRef, QueryWish } from './types.ts'

const OPEN_MAX = 256
const ASKED_MAX = 1024

interface OpenQuery {
  readonly call: CallId
  readonly acked: Set<string>
  readonly answered: Set<string>
}

interface Question {
  readonly query: Query
  readonly deadline: Instant
}

export class QueryRules {
  readonly #pool: Pool
  readonly #seen = new RecentWindow<null>()
  /** Earlier ones were answered by a former run, or are old. */
  readonly #floor: LamportTime
  readonly #open = new Map<string, OpenQuery>()
  readonly #asked = new Map<string, Question>()

  constructor(pool: Pool) {
    this.#pool = pool
    this.#floor = pool.queryClock.time
  }

  ask(call: CallId, wish: QueryWish): void {
    const { queryClock, self, table, timing, rng } = this.#pool
    const timeoutMs = wish.timeoutMs ?? queryTimeoutMs(timing.gossipIntervalMs, table.liveCount)
    const { timeoutMs: _, ...rest } = wish
    const query = { ...rest, time: queryClock.time, id: rng.u32(), origin: self.name, timeoutMs }
    const size = querySize(query)
    if (size > QUERY_SIZE_MAX) {
      this.#close(call, `${size} bytes are over the limit of ${QUERY_SIZE_MAX}`)
      return
    }
    if (this.#open.size >= OPEN_MAX) {
      this.#close(call, 'too many queries are open')
      return
    }
    const key = keyOf(query)
    this.#open.set(key, { call, acked: new Set(), answered: new Set() })
    this.#pool.after(timeoutMs, () => {
      if (this.#open.delete(key)) this.#close(call, null)
    })
    this.onQuery(query)
  }

  /** Who asked has heard enough. */
  cancel(call: CallId): void {
    for (const [key, open] of this.#open) if (open.call === call) this.#open.delete(key)
  }

  /** Of this member or heard from another. */
  onQuery(query: Query): void {
    const { queryClock, now } = this.#pool
    queryClock.witness(query.time)
    if (this.#seen.admit(queryClock.time, query.time, String(query.id), null) !== 'new') return
    this.#pool.broadcastQuery({ kind: 'query', ...query })
    if (query.time < this.#floor || !this.#isMeant(query.filters)) return
    if (this.#asked.size >= ASKED_MAX) return
    const key = keyOf(query)
    this.#asked.set(key, { query, deadline: instant(now + query.timeoutMs) })
    this.#pool.after(query.timeoutMs, () => this.#asked.delete(key))
    if (query.wantsAck) this.#respond(query, true, new Uint8Array(0))
    const { time, id, name, payload, origin } = query
    this.#pool.emit({ kind: 'query', ref: { time, id }, name, payload, origin })
  }

  /** This host's answer; one that comes after the deadline, a second one or one that is too large is dropped. */
  answer(ref: QueryRef, payload: Uint8Array): void {
    const key = keyOf(ref)
    const question = this.#asked.get(key)
    this.#asked.delete(key)
    if (question === undefined || question.deadline <= this.#pool.now) return
    this.#respond(question.query, false, payload)
  }

  onResponse(response: QueryResponse): void {
    const open = this.#open.get(keyOf(response))
    if (open === undefined) return
    const { from, isAck, payload } = response
    const heard = isAck ? open.acked : open.answered
    // Relayed copies come too, and names of nobody may be forged without end.
    if (heard.has(from) || this.#pool.table.get(from) === undefined) return
    heard.add(from)
    this.#pool.emit({ kind: 'query-answer', id: open.call, from, isAck, payload })
  }

  /** For another: passed on to a member that is known, and to no one else. */
  onRelay({ target, response }: Omit<RelayMessage, 'kind'>): void {
    const { table, self } = this.#pool
    const record = table.get(target)
    if (record === undefined || !record.isLive) return
    if (record === self) this.onResponse(response)
    else this.#pool.sendAlone(addressOf(record), { kind: 'query-response', ...response })
  }

  #respond({ time, id, origin, relayFactor }: Query, isAck: boolean, payload: Uint8Array): void {
    const { self, table, counters } = this.#pool
    const response = { time, id, from: self.name, isAck, payload }
    const asker = table.get(origin)
    if (asker === undefined || responseSize(response) > QUERY_SIZE_MAX) {
      counters.answersDropped++
      return
    }
    if (asker === self) {
      this.onResponse(response)
      return
    }
    this.#pool.sendAlone(addressOf(asker), { kind: 'query-response', ...response })
    for (const member of this.#relays(asker, relayFactor)) {
      this.#pool.sendAlone(addressOf(member), { kind: 'relay', target: origin, response })
    }
  }

  /** None where there are too few to choose from. */
  #relays(asker: MemberRecord, factor: number): readonly MemberRecord[] {
    const { self, table } = this.#pool
    if (factor === 0 || table.liveCount < factor + 1) return []
    const isOther = (member: MemberRecord): boolean => member !== self && member !== asker
    return table.random(factor, (member) => isOther(member) && member.state === 'alive')
  }

  #isMeant({ nodes, tags }: QueryFilters): boolean {
    const { self } = this.#pool
    if (nodes.length > 0 && !nodes.includes(self.name)) return false
    const own = self.view().tags
    try {
      return tags.every(({ tag, pattern }) => compileRegex(pattern)(own[tag] ?? ''))
    } catch (thrown) {
      if (thrown instanceof FilterError) return false
      throw thrown
    }
  }

  #close(call: CallId, problem: string | null): void {
    this.#pool.emit({ kind: 'query-closed', id: call, problem })
  }
}

function addressOf({ address, port }: NodeAddress): NodeAddress {
  return { address, port }
}

function keyOf({ time, id }: QueryRef): string {
  return `${time} ${id}`
}
