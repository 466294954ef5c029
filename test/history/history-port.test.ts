/**
 * The history port as a program: lines in, one verdict out, and words for what is wrong.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'node:test'

const PORT = join(import.meta.dirname, '..', 'ports', 'history.ts')

function port(args: readonly string[], events: readonly unknown[] | string) {
  const input =
    typeof events === 'string' ? events : events.map((event) => JSON.stringify(event)).join('\n')
  const { status, stdout, stderr } = spawnSync(process.execPath, [PORT, ...args], {
    input,
    encoding: 'utf8',
  })
  return { status, stderr, verdict: stdout === '' ? null : JSON.parse(stdout) }
}

const WRITE_ONE = [
  { process: 0, type: 'invoke', f: 'write', value: 1 },
  { process: 0, type: 'ok', f: 'write', value: 1 },
  { process: 1, type: 'invoke', f: 'read' },
]

describe('the history port', () => {
  it('passes a good history', () => {
    const events = [...WRITE_ONE, { process: 1, type: 'ok', f: 'read', value: 1 }]
    const { status, verdict } = port(['--model', 'register'], events)
    assert.equal(status, 0)
    assert.equal(verdict.verdict, 'ok')
    assert.equal(verdict.operations, 2)
    assert.equal(verdict.partitions, 1)
    assert.equal(typeof verdict.millis, 'number')
  })

  it('shows what is impossible in a bad one', () => {
    const events = [...WRITE_ONE, { process: 1, type: 'ok', f: 'read', value: null }]
    const { status, verdict } = port(['--model', 'register'], events)
    assert.equal(status, 1)
    assert.equal(verdict.verdict, 'violation')
    assert.equal(verdict.counterexample.impossible.process, '1')
  })

  it('checks every model', () => {
    const histories: Record<string, readonly [string, unknown, unknown]> = {
      kv: ['put', 'v', true],
      kvappend: ['append', 'v', null],
      lock: ['acquire', 'me', true],
      list: ['txn', [['append', 'x', 1]], [['append', 'x', 1]]],
    }
    for (const [model, [f, given, result]] of Object.entries(histories)) {
      const events = [
        { process: 'a', type: 'invoke', f, key: 'x', value: given },
        { process: 'a', type: 'ok', f, key: 'x', value: result },
      ]
      assert.equal(port(['--model', model], events).verdict?.verdict, 'ok', model)
    }
  })

  it('says what is wrong with the call or with a line', () => {
    const noModel = port(['--model', 'queue'], [])
    assert.equal(noModel.status, 2)
    assert.match(noModel.stderr, /register, kv, kvappend, lock, list/)
    assert.match(port(['--model', 'kv'], 'nonsense').stderr, /line 1 is no JSON/)
    const strange = port(['--model', 'kv'], [{ process: 1, type: 'done', f: 'get' }])
    assert.match(strange.stderr, /line 1: "type" is invoke, ok, fail or info/)
    assert.equal(port(['--modl', 'kv'], []).status, 2)
  })
})
