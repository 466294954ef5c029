/**
 * When waiting writes go to the log (Raft specification 5.5).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Gathering } from '../../../../server/raft/gathering.ts'

describe('Gathering', () => {
  it('submits a lone write at once', () => {
    const gathering = new Gathering()
    assert.equal(gathering.judge(0, 0), 'nothing')
    assert.equal(gathering.judge(1, 0), 'submit')
    assert.equal(gathering.judge(1, 1), 'submit', 'as much waits as is under way')
  })

  it('lets a few wait for a batch that is under way, and go once it is done', () => {
    const gathering = new Gathering()
    assert.equal(gathering.judge(10, 0), 'submit')
    assert.equal(gathering.judge(9, 10), 'wait')
    assert.equal(gathering.judge(10, 10), 'submit')
    assert.equal(gathering.judge(3, 20), 'wait')
    assert.notEqual(gathering.judge(3, 0), 'wait')
  })

  it('takes rounds while they bring more of what was lately under way', () => {
    const gathering = new Gathering()
    assert.equal(gathering.judge(32, 0), 'submit')
    assert.equal(gathering.judge(5, 0), 'another-round')
    assert.equal(gathering.judge(12, 0), 'another-round')
    assert.equal(gathering.judge(12, 0), 'submit', 'the last round brought nothing')
    assert.equal(gathering.judge(5, 0), 'another-round')
    assert.equal(gathering.judge(30, 0), 'submit', 'nearly all are here')
  })

  it('takes at most four rounds', () => {
    const gathering = new Gathering()
    gathering.judge(1_000, 0)
    const verdicts = [1, 2, 3, 4, 5].map((waiting) => gathering.judge(waiting, 0))
    assert.deepEqual(verdicts, [...Array(4).fill('another-round'), 'submit'])
  })

  it('forgets a peak that does not come again', () => {
    const gathering = new Gathering()
    gathering.judge(100, 0)
    let rounds = 0
    for (let i = 0; i < 50; i++) {
      while (gathering.judge(1, 0) === 'another-round') rounds++
    }
    assert.ok(rounds > 0 && rounds < 50, `${rounds} rounds`)
    assert.equal(gathering.judge(1, 0), 'submit')
  })
})
