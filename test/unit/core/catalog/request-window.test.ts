/**
 * The window of applied requests: against a naive model, its bounds, its frozen versions (request-window.ts).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Outcome } from '../../../../core/catalog/commands.ts'
import {
  ANSWER_SIZE_MAX,
  type Answer,
  GAPS_MAX,
  type OriginRecord,
  REQUEST_TTL_MS,
  REQUESTS_PER_ORIGIN,
  RequestWindow,
} from '../../../../core/catalog/request-window.ts'

const DONE: Outcome = { ok: true, value: true }
const MINUTE = 60_000

/** Everything that was ever applied, by origin, with the rules of forgetting written the plain way. */
class NaiveWindow {
  readonly origins = new Map<string, { seenAt: number; applied: Set<number>; answers: Answer[] }>()
  #seenAt = 0

  find(origin: string, seq: number): { readonly answer: Answer | null } | null {
    const found = this.origins.get(origin)
    if (found === undefined || !found.applied.has(seq)) return null
    return { answer: found.answers.find((answer) => answer.seq === seq) ?? null }
  }

  record(origin: string, answer: Answer): void {
    if (this.#seenAt === 0) this.#beginTime(answer.at)
    if (Math.floor(answer.at / MINUTE) !== Math.floor(this.#seenAt / MINUTE)) this.#sweep(answer.at)
    this.#seenAt = answer.at
    const found = this.origins.get(origin) ?? { seenAt: 0, applied: new Set(), answers: [] }
    this.origins.set(origin, found)
    found.seenAt = answer.at
    found.applied.add(answer.seq)
    found.answers.push(answer)
    found.answers = found.answers.slice(-REQUESTS_PER_ORIGIN)
  }

  #beginTime(now: number): void {
    for (const found of this.origins.values()) {
      found.seenAt = now
      found.answers = found.answers.map((answer) => ({ ...answer, at: now }))
    }
  }

  #sweep(now: number): void {
    for (const [key, found] of [...this.origins]) {
      if (found.seenAt <= now - REQUEST_TTL_MS) this.origins.delete(key)
      else found.answers = found.answers.filter((answer) => answer.at > now - REQUEST_TTL_MS)
    }
  }
}

function recordsOf(window: RequestWindow): readonly OriginRecord[] {
  return [...window.records()]
}

function reloaded(window: RequestWindow): RequestWindow {
  const copy = new RequestWindow()
  for (const record of recordsOf(window)) copy.load(record)
  return copy
}

/** The next request of one of three origins: mostly the next number, sometimes an old or a far one. */
const step = fc.record({
  origin: fc.constantFrom('a', 'b', 'c'),
  jump: fc.oneof(
    { weight: 8, arbitrary: fc.constant(1) },
    { weight: 2, arbitrary: fc.integer({ min: -6, max: 5 }) },
  ),
  waitMs: fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: 0, max: 5000 }) },
    { weight: 1, arbitrary: fc.integer({ min: MINUTE, max: 12 * MINUTE }) },
  ),
  after: fc.constantFrom('nothing', 'nothing', 'freeze', 'reload'),
})

describe('the window of requests', () => {
  it('knows what a plain list of everything knows, frozen and reloaded in between', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 120, size: 'max' }),
        fc.nat(20),
        (steps, unstamped) => {
          let window = new RequestWindow()
          const model = new NaiveWindow()
          const last = new Map<string, number>()
          const frozen: { readonly window: RequestWindow; readonly text: string }[] = []
          let stamp = 1_700_000_000_000
          for (const [i, { origin, jump, waitMs, after }] of steps.entries()) {
            stamp += waitMs
            // The first commands of a cluster may come before any that carries a stamp.
            const now = i < unstamped ? 0 : stamp
            const seq = Math.max(1, (last.get(origin) ?? 0) + jump)
            last.set(origin, seq)
            const id = { origin, boot: 'x', seq }
            const known = model.find(origin, seq)
            assert.deepEqual(window.find(id), known)
            if (known === null) {
              const result: Outcome = { ok: true, value: i }
              window.record(id, i + 1, now, result)
              model.record(origin, { seq, index: i + 1, at: now, result, sizeBytes: 16 })
            }
            if (after === 'freeze') {
              frozen.push({ window: window.freeze(), text: JSON.stringify(recordsOf(window)) })
            }
            if (after === 'reload') window = reloaded(window)
          }
          for (const { window: old, text } of frozen) {
            assert.equal(JSON.stringify(recordsOf(old)), text)
          }
          for (const [origin, { applied }] of model.origins) {
            for (const seq of applied) {
              const found = window.find({ origin, boot: 'x', seq })
              assert.deepEqual(found, model.find(origin, seq))
            }
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  it('keeps the answers of the last 1,024 and knows of older ones that they were applied', () => {
    const window = new RequestWindow()
    const id = (seq: number) => ({ origin: 'a', boot: 'x', seq })
    for (let seq = 1; seq <= 3000; seq++) window.record(id(seq), seq, 1, DONE)
    assert.equal(window.find(id(3001)), null)
    assert.equal(window.find(id(3000 - 1023))?.answer?.index, 3000 - 1023)
    assert.deepEqual(window.find(id(3000 - 1024)), { answer: null })
    assert.deepEqual(window.find(id(1)), { answer: null })
    assert.equal(window.find({ origin: 'a', boot: 'y', seq: 1 }), null)
    assert.equal(window.answerCount, REQUESTS_PER_ORIGIN)
  })

  it('remembers what was applied before the first stamp of the cluster', () => {
    const window = new RequestWindow()
    const early = { origin: 'a', boot: 'x', seq: 1 }
    const first = 1_700_000_000_000
    window.record(early, 4, 0, DONE)
    const frozen = window.freeze()
    window.record({ origin: 'b', boot: 'x', seq: 1 }, 5, first, DONE)
    assert.equal(window.find(early)?.answer?.index, 4)
    assert.equal(recordsOf(frozen)[0]?.answers[0]?.at, 0, 'a frozen window stays as it was')
    window.record({ origin: 'b', boot: 'x', seq: 2 }, 6, first + REQUEST_TTL_MS - 1, DONE)
    assert.equal(window.find(early)?.answer?.index, 4)
    window.record({ origin: 'b', boot: 'x', seq: 3 }, 7, first + REQUEST_TTL_MS + MINUTE, DONE)
    assert.equal(window.find(early), null)
  })

  it('executes a late comer, however far behind it is', () => {
    const window = new RequestWindow()
    for (let seq = 2; seq <= 5000; seq++) {
      window.record({ origin: 'a', boot: 'x', seq }, seq, 1, DONE)
    }
    assert.equal(window.find({ origin: 'a', boot: 'x', seq: 1 }), null)
    window.record({ origin: 'a', boot: 'x', seq: 1 }, 6000, 1, DONE)
    assert.equal(window.find({ origin: 'a', boot: 'x', seq: 1 })?.answer?.index, 6000)
    assert.deepEqual(recordsOf(window)[0]?.runs, [1, 5000])
  })

  it('bounds the gaps: beyond them the lowest number not seen counts as applied', () => {
    const window = new RequestWindow()
    for (let i = 0; i <= GAPS_MAX; i++) {
      window.record({ origin: 'a', boot: 'x', seq: 1 + 2 * i }, i + 1, 1, DONE)
    }
    assert.deepEqual(window.find({ origin: 'a', boot: 'x', seq: 2 }), { answer: null })
    assert.equal(window.find({ origin: 'a', boot: 'x', seq: 4 }), null)
    assert.equal(recordsOf(window)[0]?.runs.length, 2 * GAPS_MAX)
  })

  it('remembers a large answer without its text', () => {
    const window = new RequestWindow()
    const message = 'x'.repeat(ANSWER_SIZE_MAX + 1)
    window.record({ origin: 'a', boot: 'x', seq: 1 }, 7, 1, {
      ok: false,
      code: 'REJECTED',
      message,
    })
    const found = window.find({ origin: 'a', boot: 'x', seq: 1 })
    assert.deepEqual(found?.answer, { seq: 1, index: 7, at: 1, result: null, sizeBytes: 0 })
  })

  it('bounds origins, answers and bytes', () => {
    const few = new RequestWindow({ originsMax: 2, answersMax: 3, answerBytesMax: 40 })
    const record = (origin: string, seq: number, index: number, at = 1) =>
      few.record({ origin, boot: 'x', seq }, index, at, DONE)
    record('a', 1, 1)
    record('b', 1, 2)
    record('a', 2, 3)
    assert.equal(few.find({ origin: 'a', boot: 'x', seq: 2 })?.answer?.result, null, 'bytes')
    record('a', 3, 4)
    assert.deepEqual(few.find({ origin: 'a', boot: 'x', seq: 3 }), { answer: null }, 'answers')
    record('c', 1, 5)
    assert.equal(few.find({ origin: 'b', boot: 'x', seq: 1 }), null, 'the longest unused went')
    assert.notEqual(few.find({ origin: 'a', boot: 'x', seq: 1 }), null)
    assert.equal(few.originCount, 2)
    record('c', 2, 6, 1 + REQUEST_TTL_MS)
    assert.equal(few.originCount, 1, 'unused for ten minutes')
    assert.equal(few.answerCount, 1)
  })
})
