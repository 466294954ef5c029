/**
 * Lines wait for the banner, in order, and not for ever.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { holdLines } from '../../../../cli/agent/held-sink.ts'

function target() {
  const lines: string[] = []
  return {
    lines,
    write: (line: string) => void lines.push(line),
    takeDropped: () => 0,
    flush: async () => {},
  }
}

describe('a held sink', () => {
  it('writes nothing before it is released, then everything in order', () => {
    const to = target()
    const sink = holdLines(to)
    sink.write('a')
    sink.write('b')
    assert.deepEqual(to.lines, [])
    sink.release()
    sink.release()
    sink.write('c')
    assert.deepEqual(to.lines, ['a', 'b', 'c'])
  })

  it('releases by itself when too much is held, and before a flush', async () => {
    const full = target()
    const sink = holdLines(full)
    for (let i = 0; i <= 1_000; i++) sink.write(String(i))
    assert.equal(full.lines.length, 1_001)
    const flushed = target()
    const other = holdLines(flushed)
    other.write('a')
    await other.flush(10)
    assert.deepEqual(flushed.lines, ['a'])
  })
})
