/**
 * Go duration strings: the normal forms of http-api.md section 3, and what is refused.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  durationFault,
  formatDuration,
  formatDurationMs,
  parseDuration,
  parseDurationMs,
} from '../../../core/duration.ts'

test('prints the normal form that Go prints', () => {
  const vectors: [number, string][] = [
    [0, '0s'],
    [1, '1ns'],
    [250_000, '250µs'],
    [1_500_000_000, '1.5s'],
    [60e9, '1m0s'],
    [90e9, '1m30s'],
    [3600e9, '1h0m0s'],
    [72 * 3600e9, '72h0m0s'],
    [-5e6, '-5ms'],
    [3_661_000_000_001, '1h1m1.000000001s'],
  ]
  for (const [ns, text] of vectors) assert.equal(formatDuration(ns), text)
  assert.equal(formatDurationMs(15_000), '15s')
})

test('reads what people write', () => {
  const vectors: [string, number][] = [
    ['0', 0],
    ['10s', 10e9],
    ['1h2m3.5s', 3_723_500_000_000],
    ['60000ms', 60e9],
    ['.5s', 0.5e9],
    ['1us', 1000],
    ['1µs', 1000],
    ['+2m', 120e9],
    ['-2m', -120e9],
  ]
  for (const [text, ns] of vectors) assert.equal(parseDuration(text), ns, text)
  assert.equal(parseDurationMs('1.5s'), 1500)
})

test('refuses what is no duration', () => {
  for (const text of ['', '10', 's', '.', '.s', '1 s', '1d', '--1s', '1s!', `${'9'.repeat(70)}s`]) {
    assert.equal(parseDuration(text), undefined, text)
  }
})

test('reads back what it prints', () => {
  fc.assert(
    fc.property(fc.integer({ min: -1e15, max: 1e15 }), (ns) => {
      assert.equal(parseDuration(formatDuration(ns)), ns === 0 ? 0 : ns)
    }),
  )
})

test('never throws', () => {
  fc.assert(fc.property(fc.string(), (text) => void parseDuration(text)))
})

test('says what is wrong as Go does', () => {
  for (const [text, fault] of [
    ['', 'time: invalid duration ""'],
    ['soon', 'time: invalid duration "soon"'],
    ['10', 'time: missing unit in duration "10"'],
    ['-1.5', 'time: missing unit in duration "-1.5"'],
    ['5x', 'time: unknown unit "x" in duration "5x"'],
    ['1h5 m', 'time: unknown unit " m" in duration "1h5 m"'],
    ['1h.', 'time: invalid duration "1h."'],
    ['1hh', 'time: unknown unit "hh" in duration "1hh"'],
    ['a"b', 'time: invalid duration "a\\"b"'],
  ] as const) {
    assert.equal(parseDuration(text), undefined, text)
    assert.equal(durationFault(text), fault)
  }
})
