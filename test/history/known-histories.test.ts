/**
 * Histories that people can read, good and bad, one for each thing that a checker must not overlook.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkCycles } from './dependency-cycles.ts'
import { kvCodec } from './kv-codec.ts'
import { kvModel } from './kv-model.ts'
import { checkLinearizability } from './linearizability.ts'
import { listCodec } from './list-model.ts'
import { checkCounter, checkSet } from './lost-writes.ts'
import { type EventCodec, HistoryError, type HistoryEvent, operationsOf } from './operations.ts'
import { registerCodec, registerModel } from './register-model.ts'
import type { SequentialModel } from './sequential-model.ts'

type Line = readonly [process: string, type: HistoryEvent['type'], f: string, value?: unknown]

function events(lines: readonly Line[], key = 'x'): HistoryEvent[] {
  return lines.map(([process, type, f, value]) => ({ process, type, f, key, value }))
}

function verdictOf<S, I, O>(
  lines: readonly Line[],
  model: SequentialModel<S, I, O>,
  codec: EventCodec<I, O>,
): string {
  return checkLinearizability(operationsOf(events(lines), codec), model).verdict
}

const register = (lines: readonly Line[]): string => verdictOf(lines, registerModel, registerCodec)
const kv = (lines: readonly Line[]): string => verdictOf(lines, kvModel, kvCodec())

describe('histories of a register', () => {
  it('may order operations that overlap', () => {
    const lines: Line[] = [
      ['a', 'invoke', 'write', 1],
      ['b', 'invoke', 'read'],
      ['b', 'ok', 'read', 1],
      ['a', 'ok', 'write'],
    ]
    assert.equal(register(lines), 'ok')
  })

  it('may not read what was overwritten before the read began', () => {
    const lines: Line[] = [
      ['a', 'invoke', 'write', 1],
      ['a', 'ok', 'write'],
      ['a', 'invoke', 'write', 2],
      ['a', 'ok', 'write'],
      ['b', 'invoke', 'read'],
      ['b', 'ok', 'read', 1],
    ]
    assert.equal(register(lines), 'violation')
  })

  it('may not see a new value and then the old one', () => {
    const lines: Line[] = [
      ['a', 'invoke', 'write', 1],
      ['b', 'invoke', 'read'],
      ['b', 'ok', 'read', 1],
      ['b', 'invoke', 'read'],
      ['b', 'ok', 'read', null],
      ['a', 'ok', 'write'],
    ]
    assert.equal(register(lines), 'violation')
  })

  it('may see a write of unknown outcome late, and only once it has begun', () => {
    const late: Line[] = [
      ['a', 'invoke', 'write', 1],
      ['a', 'info', 'write'],
      ['b', 'invoke', 'read'],
      ['b', 'ok', 'read', null],
      ['b', 'invoke', 'read'],
      ['b', 'ok', 'read', 1],
    ]
    assert.equal(register(late), 'ok')
    const before: Line[] = [
      ['b', 'invoke', 'read'],
      ['b', 'ok', 'read', 1],
      ['a', 'invoke', 'write', 1],
      ['a', 'info', 'write'],
    ]
    assert.equal(register(before), 'violation')
  })

  it('never sees a write that failed', () => {
    const lines: Line[] = [
      ['a', 'invoke', 'write', 1],
      ['a', 'fail', 'write'],
      ['b', 'invoke', 'read'],
      ['b', 'ok', 'read', 1],
    ]
    assert.equal(register(lines), 'violation')
  })

  it('does not let two clients win the same comparison', () => {
    const lines: Line[] = [
      ['a', 'invoke', 'cas', [null, 1]],
      ['b', 'invoke', 'cas', [null, 2]],
      ['a', 'ok', 'cas', true],
      ['b', 'ok', 'cas', true],
    ]
    assert.equal(register(lines), 'violation')
  })

  it('says where a violation is', () => {
    const lines: Line[] = [
      ['a', 'invoke', 'write', 1],
      ['a', 'ok', 'write'],
      ['b', 'invoke', 'read'],
      ['b', 'ok', 'read', null],
    ]
    const report = checkLinearizability(operationsOf(events(lines), registerCodec), registerModel)
    assert.equal(report.counterexample?.impossible.process, 'b')
    assert.equal(report.counterexample?.explained.length, 1)
  })

  it('gives up at its limits instead of guessing', () => {
    const lines: Line[] = Array.from({ length: 12 }, (_, i): Line[] => [
      [`p${i}`, 'invoke', 'write', i],
      [`q${i}`, 'invoke', 'read'],
    ]).flat()
    const ends: Line[] = Array.from({ length: 12 }, (_, i): Line => [`q${i}`, 'ok', 'read', 99])
    const operations = operationsOf(events([...lines, ...ends]), registerCodec)
    const limits = { stepsMax: 1_000_000, bytesMax: 64 * 1024 }
    assert.equal(checkLinearizability(operations, registerModel, limits).verdict, 'unknown')
  })
})

describe('histories of keys', () => {
  it('explain an index by the change that has it', () => {
    const good: Line[] = [
      ['a', 'invoke', 'put', 'one'],
      ['a', 'info', 'put'],
      ['b', 'invoke', 'get'],
      ['b', 'ok', 'get', { value: 'one', modifyIndex: 7 }],
      ['b', 'invoke', 'cas', { value: 'two', index: 7 }],
      ['b', 'ok', 'cas', true],
    ]
    assert.equal(kv(good), 'ok')
    const lied = good.slice(0, 4)
    lied.push(['b', 'invoke', 'get'], ['b', 'ok', 'get', { value: 'one', modifyIndex: 8 }])
    assert.equal(kv(lied), 'violation')
  })

  it('refuse a comparison that went through with an old index', () => {
    const lines: Line[] = [
      ['a', 'invoke', 'put', 'one'],
      ['a', 'ok', 'put', { done: true, index: 3 }],
      ['a', 'invoke', 'put', 'two'],
      ['a', 'ok', 'put', { done: true, index: 4 }],
      ['b', 'invoke', 'cas', { value: 'three', index: 3 }],
      ['b', 'ok', 'cas', true],
    ]
    assert.equal(kv(lines), 'violation')
  })

  it('refuse a lock that two sessions hold', () => {
    const lock = (process: string, session: string, done: boolean): Line[] => [
      [process, 'invoke', 'acquire', { value: process, session }],
      [process, 'ok', 'acquire', done],
    ]
    const sessions: Line[] = ['s1', 's2'].flatMap((session): Line[] => [
      ['a', 'invoke', 'session-create', session],
      ['a', 'ok', 'session-create'],
    ])
    assert.equal(kv([...sessions, ...lock('a', 's1', true), ...lock('b', 's2', false)]), 'ok')
    assert.equal(kv([...sessions, ...lock('a', 's1', true), ...lock('b', 's2', true)]), 'violation')
    const ended: Line[] = [
      ['c', 'invoke', 'session-destroy', 's1'],
      ['c', 'ok', 'session-destroy'],
    ]
    const takenOver = [...sessions, ...lock('a', 's1', true), ...ended, ...lock('b', 's2', true)]
    assert.equal(kv(takenOver), 'ok')
  })

  it('refuse half a transaction', () => {
    const swap = [
      { f: 'put', key: 'x', value: 'new' },
      { f: 'put', key: 'y', value: 'new' },
    ]
    const lines: HistoryEvent[] = [
      { process: 'a', type: 'invoke', f: 'txn', value: swap },
      { process: 'b', type: 'invoke', f: 'get', key: 'x' },
      { process: 'b', type: 'ok', f: 'get', value: 'new' },
      { process: 'b', type: 'invoke', f: 'get', key: 'y' },
      { process: 'b', type: 'ok', f: 'get', value: null },
      { process: 'a', type: 'ok', f: 'txn', value: [] },
    ]
    const operations = operationsOf(lines, kvCodec())
    assert.equal(checkLinearizability(operations, kvModel).verdict, 'violation')
  })
})

describe('histories of lists', () => {
  const check = (transactions: readonly unknown[][][]) => {
    const lines = transactions.flatMap((ops, i): Line[] => [
      [`p${i}`, 'invoke', 'txn', ops.map(([f, key, v]) => [f, key, f === 'r' ? null : v])],
      [`p${i}`, 'ok', 'txn', ops],
    ])
    return checkCycles(operationsOf(events(lines), listCodec))
  }
  const both = (transactions: readonly unknown[][][]) => {
    const invokes = transactions.map((ops, i): Line => {
      return [`p${i}`, 'invoke', 'txn', ops.map(([f, key, v]) => [f, key, f === 'r' ? null : v])]
    })
    const ends = transactions.map((ops, i): Line => [`p${i}`, 'ok', 'txn', ops])
    return checkCycles(operationsOf(events([...invokes, ...ends]), listCodec))
  }

  it('may have any order among transactions that overlap', () => {
    const report = both([[['append', 'x', 1]], [['r', 'x', []]], [['r', 'x', [1]]]])
    assert.equal(report.verdict, 'ok')
  })

  it('know write skew by its circle', () => {
    const report = both([
      [
        ['r', 'x', []],
        ['append', 'y', 1],
      ],
      [
        ['r', 'y', []],
        ['append', 'x', 1],
      ],
      [
        ['r', 'x', [1]],
        ['r', 'y', [1]],
      ],
    ])
    assert.match(JSON.stringify(report), /in a circle/)
  })

  it('know a lost append, a strange value and a fork', () => {
    assert.equal(check([[['append', 'x', 1]], [['r', 'x', []]]]).verdict, 'violation')
    assert.equal(check([[['r', 'x', [9]]]]).verdict, 'violation')
    const fork = both([
      [['append', 'x', 1]],
      [['append', 'x', 2]],
      [['r', 'x', [1]]],
      [['r', 'x', [2, 1]]],
    ])
    assert.match(JSON.stringify(fork), /no beginning/)
  })
})

describe('sets and counters', () => {
  it('tell lost, strange, doubled and recovered elements apart', () => {
    const attempts = [
      { element: 'a', outcome: 'ok' },
      { element: 'b', outcome: 'ok' },
      { element: 'c', outcome: 'unknown' },
      { element: 'd', outcome: 'fail' },
    ] as const
    const report = checkSet(attempts, ['a', 'a', 'c', 'd', 'e'])
    assert.deepEqual(report, {
      verdict: 'violation',
      lost: ['b'],
      unexpected: ['d', 'e'],
      doubled: ['a'],
      recovered: ['c'],
    })
    assert.equal(checkSet(attempts, ['b', 'a']).verdict, 'ok')
  })

  it('count a retried request once', () => {
    const attempts = [
      { requestId: 'a', outcome: 'unknown' },
      { requestId: 'a', outcome: 'ok' },
      { requestId: 'b', outcome: 'unknown' },
    ] as const
    assert.equal(checkCounter(attempts, 2, () => true).verdict, 'ok')
    assert.equal(checkCounter(attempts, 1, (id) => id === 'a').verdict, 'ok')
    assert.equal(checkCounter(attempts, 3, () => true).verdict, 'violation')
  })
})

describe('the form of a history', () => {
  it('is refused when a process overlaps itself or comes back from an unknown outcome', () => {
    const overlap: Line[] = [
      ['a', 'invoke', 'write', 1],
      ['a', 'invoke', 'write', 2],
    ]
    assert.throws(() => operationsOf(events(overlap), registerCodec), HistoryError)
    const back: Line[] = [
      ['a', 'invoke', 'write', 1],
      ['a', 'info', 'write'],
      ['a', 'invoke', 'read'],
    ]
    assert.throws(() => operationsOf(events(back), registerCodec), /under a new name/)
    const stray: Line[] = [['a', 'ok', 'write', 1]]
    assert.throws(() => operationsOf(events(stray), registerCodec), /has no open "write"/)
  })
})
