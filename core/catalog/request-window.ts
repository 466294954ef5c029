/**
 * Which requests were applied, and what came of them: makes a repeated write harmless (raft.md 16.2). Pure.
 *
 * Guarantees: a request that was applied is never taken for a new one while its origin is remembered,
 * however far its number lies behind; the answers of the last REQUESTS_PER_ORIGIN of each origin are kept
 * for REQUEST_TTL_MS of leader-stamped time, which begins with the first stamp of the cluster: what was
 * applied before counts as applied then. Part of the replicated state: the same calls give the same contents
 * on every server. `freeze` costs O(1); the first writes after it copy what they touch.
 * Bounds: ORIGINS_MAX (the one unused for longest goes), ANSWERS_MAX and ANSWER_BYTES_MAX over all origins
 * (what comes beyond is remembered without its answer), GAPS_MAX runs of numbers for each origin (the
 * lowest gap then counts as applied: its late comers are refused, never executed twice).
 */

import type { Outcome } from './commands.ts'
import type { RequestId } from './request-id.ts'

export const REQUESTS_PER_ORIGIN = 1024
export const REQUEST_TTL_MS = 600_000
export const ORIGINS_MAX = 16_384
export const ANSWERS_MAX = 262_144
export const ANSWER_BYTES_MAX = 32 * 1024 * 1024
/** A larger answer is not kept, only that there was one. */
export const ANSWER_SIZE_MAX = 4096
export const GAPS_MAX = 1024
const SWEEP_EVERY_MS = 60_000

export interface Answer {
  readonly seq: number
  /** Raft index at which the request was applied. */
  readonly index: number
  /** Leader-stamped time of that; 0 before the cluster's first stamp. */
  readonly at: number
  /** Null when it was too large to be kept. */
  readonly result: Outcome | null
  readonly sizeBytes: number
}

/** One origin's requests, as the image has them. */
export interface OriginRecord {
  readonly origin: string
  readonly boot: string
  readonly lastIndex: number
  readonly seenAt: number
  /** First and last number of each run of applied ones, ascending: `[1, 80, 82, 90]`. */
  readonly runs: readonly number[]
  /** In the order in which they were applied. */
  readonly answers: readonly Answer[]
}

interface Origin {
  readonly origin: string
  readonly boot: string
  lastIndex: number
  seenAt: number
  readonly runs: number[]
  /** The first `dropped` are forgotten already. */
  answers: Answer[]
  dropped: number
  /** Who may change it: a window of another generation copies it first. */
  readonly generation: number
}

/** What is known of a request; null for one that is new. */
export type Found = { readonly answer: Answer | null } | null

export interface RequestBounds {
  readonly originsMax: number
  readonly answersMax: number
  readonly answerBytesMax: number
}

const BOUNDS: RequestBounds = {
  originsMax: ORIGINS_MAX,
  answersMax: ANSWERS_MAX,
  answerBytesMax: ANSWER_BYTES_MAX,
}

export class RequestWindow {
  readonly #bounds: RequestBounds
  #origins = new Map<string, Origin>()
  #isShared = false
  #generation = 0
  #answerCount = 0
  #answerBytes = 0
  /** Stamped time of the last `record`. */
  #seenAt = 0

  constructor(bounds: RequestBounds = BOUNDS) {
    this.#bounds = bounds
  }

  get originCount(): number {
    return this.#origins.size
  }

  get answerCount(): number {
    return this.#answerCount
  }

  find(id: RequestId): Found {
    const origin = this.#origins.get(keyOf(id))
    if (origin === undefined || !isApplied(origin.runs, id.seq)) return null
    const { answers, dropped } = origin
    for (let i = answers.length - 1; i >= dropped; i--) {
      const answer = answers[i] as Answer
      if (answer.seq === id.seq) return { answer }
    }
    return { answer: null }
  }

  /**
   * Remembers that a new request was applied.
   *
   * @param now leader-stamped time; never less than before
   */
  record(id: RequestId, index: number, now: number, result: Outcome): void {
    this.#own()
    if (this.#seenAt === 0 && now > 0) this.#beginTime(now)
    else if (Math.floor(now / SWEEP_EVERY_MS) !== Math.floor(this.#seenAt / SWEEP_EVERY_MS)) {
      this.#sweep(now)
    }
    this.#seenAt = now
    const origin = this.#originOf(id)
    origin.lastIndex = index
    origin.seenAt = now
    addToRuns(origin.runs, id.seq)
    const isFull = origin.answers.length - origin.dropped >= REQUESTS_PER_ORIGIN
    if (isFull) this.#dropFirst(origin)
    if (this.#answerCount >= this.#bounds.answersMax) return
    const sizeBytes = sizeOfResult(result)
    const isKept =
      sizeBytes <= ANSWER_SIZE_MAX && this.#answerBytes + sizeBytes <= this.#bounds.answerBytesMax
    this.#add(origin, {
      seq: id.seq,
      index,
      at: now,
      result: isKept ? result : null,
      sizeBytes: isKept ? sizeBytes : 0,
    })
  }

  /** This version, for ever. */
  freeze(): RequestWindow {
    const frozen = new RequestWindow(this.#bounds)
    frozen.#origins = this.#origins
    frozen.#isShared = true
    frozen.#generation = this.#generation + 1
    frozen.#answerCount = this.#answerCount
    frozen.#answerBytes = this.#answerBytes
    frozen.#seenAt = this.#seenAt
    this.#isShared = true
    this.#generation += 2
    return frozen
  }

  /** Sorted by origin and boot. */
  *records(): Generator<OriginRecord, void, undefined> {
    for (const key of [...this.#origins.keys()].sort()) {
      const found = this.#origins.get(key)
      if (found === undefined) continue
      const { origin, boot, lastIndex, seenAt, runs } = found
      const answers = found.answers.slice(found.dropped)
      yield { origin, boot, lastIndex, seenAt, runs: runs.slice(), answers }
    }
  }

  /** Takes what `records` gave; for building a window from an image. */
  load(record: OriginRecord): void {
    this.#own()
    const origin: Origin = {
      ...record,
      runs: record.runs.slice(),
      answers: [],
      dropped: 0,
      generation: this.#generation,
    }
    this.#origins.set(keyOf(record), origin)
    this.#seenAt = Math.max(this.#seenAt, record.seenAt)
    for (const answer of record.answers) this.#add(origin, answer)
  }

  #own(): void {
    if (!this.#isShared) return
    this.#origins = new Map(this.#origins)
    this.#isShared = false
  }

  #originOf(id: RequestId): Origin {
    const key = keyOf(id)
    const found = this.#origins.get(key)
    if (found?.generation === this.#generation) return found
    const { origin, boot } = id
    const made: Origin =
      found === undefined
        ? {
            origin,
            boot,
            lastIndex: 0,
            seenAt: 0,
            runs: [],
            answers: [],
            dropped: 0,
            generation: this.#generation,
          }
        : {
            ...found,
            runs: found.runs.slice(),
            answers: found.answers.slice(found.dropped),
            dropped: 0,
            generation: this.#generation,
          }
    if (found === undefined && this.#origins.size >= this.#bounds.originsMax) this.#evictOrigin()
    this.#origins.set(key, made)
    return made
  }

  #evictOrigin(): void {
    let oldest: Origin | undefined
    for (const origin of this.#origins.values()) {
      if (oldest === undefined || origin.lastIndex < oldest.lastIndex) oldest = origin
    }
    if (oldest !== undefined) this.#forget(oldest)
  }

  /**
   * The first stamp of a cluster: what came before it carries time zero, though it was applied just now, and
   * would be over its time at once.
   */
  #beginTime(now: number): void {
    for (const found of [...this.#origins.values()]) {
      const origin = this.#originOf({ ...found, seq: 0 })
      origin.seenAt = now
      origin.answers = origin.answers.map((answer) => ({ ...answer, at: now }))
    }
  }

  /** Drops what is over its time; looked at once a minute of stamped time. */
  #sweep(now: number): void {
    const tooOld = now - REQUEST_TTL_MS
    for (const found of [...this.#origins.values()]) {
      if (found.seenAt <= tooOld) this.#forget(found)
      else if ((found.answers[found.dropped]?.at ?? now) <= tooOld) {
        const origin = this.#originOf({ ...found, seq: 0 })
        while ((origin.answers[origin.dropped]?.at ?? now) <= tooOld) this.#dropFirst(origin)
      }
    }
  }

  #forget(origin: Origin): void {
    for (let i = origin.dropped; i < origin.answers.length; i++) {
      this.#answerCount -= 1
      this.#answerBytes -= (origin.answers[i] as Answer).sizeBytes
    }
    this.#origins.delete(keyOf(origin))
  }

  #add(origin: Origin, answer: Answer): void {
    origin.answers.push(answer)
    this.#answerCount += 1
    this.#answerBytes += answer.sizeBytes
  }

  #dropFirst(origin: Origin): void {
    const answer = origin.answers[origin.dropped] as Answer
    this.#answerCount -= 1
    this.#answerBytes -= answer.sizeBytes
    origin.dropped += 1
    if (origin.dropped < REQUESTS_PER_ORIGIN) return
    origin.answers = origin.answers.slice(origin.dropped)
    origin.dropped = 0
  }
}

function keyOf({ origin, boot }: Pick<RequestId, 'origin' | 'boot'>): string {
  return `${origin}\0${boot}`
}

function isApplied(runs: readonly number[], seq: number): boolean {
  const last = runs.length - 1
  if (last < 0 || seq > (runs[last] as number)) return false
  const at = runAt(runs, seq)
  return at >= 0 && seq <= (runs[at + 1] as number)
}

/** Place of the last run that begins at or before `seq`, -1 when there is none. */
function runAt(runs: readonly number[], seq: number): number {
  let low = 0
  let high = runs.length / 2
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((runs[middle * 2] as number) <= seq) low = middle + 1
    else high = middle
  }
  return (low - 1) * 2
}

function addToRuns(runs: number[], seq: number): void {
  const last = runs.length - 1
  if (last > 0 && seq === (runs[last] as number) + 1) {
    runs[last] = seq
    return
  }
  const at = runAt(runs, seq)
  const next = at + 2
  if (at >= 0 && (runs[at + 1] as number) >= seq) return
  const joinsLeft = at >= 0 && (runs[at + 1] as number) + 1 === seq
  const joinsRight = next < runs.length && (runs[next] as number) - 1 === seq
  if (joinsLeft && joinsRight) runs.splice(at + 1, 2)
  else if (joinsLeft) runs[at + 1] = seq
  else if (joinsRight) runs[next] = seq
  else runs.splice(next, 0, seq, seq)
  if (runs.length > 2 * GAPS_MAX) runs.splice(1, 2)
}

const SMALL = 16

/** About the bytes of its JSON; stops counting once it is too large. */
export function sizeOfResult(result: Outcome): number {
  if (result.ok) {
    const { value } = result
    if (typeof value !== 'object') return typeof value === 'string' ? SMALL + value.length : SMALL
    return sizeOfData(value, ANSWER_SIZE_MAX)
  }
  return sizeOfData(result, ANSWER_SIZE_MAX)
}

function sizeOfData(data: unknown, limit: number): number {
  if (typeof data === 'string') return 2 + data.length
  if (typeof data !== 'object' || data === null) return 8
  if (data instanceof Uint8Array) return SMALL + Math.ceil((data.length * 4) / 3)
  let size = 2
  for (const [key, value] of Object.entries(data)) {
    size += key.length + sizeOfData(value, limit - size)
    if (size > limit) return size
  }
  return size
}
