/**
 * Rot in a snapshot is healed by a new one; rot in the log is told.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Logger, silentLogger } from '../../../../core/log.ts'
import type { Finding } from '../../../../runtime/storage/scrubber.ts'
import { RotWatch } from '../../../../server/raft/rot-watch.ts'

function rig(takeSnapshot: () => Promise<unknown>) {
  const errors: string[] = []
  const log: Logger = { ...silentLogger, error: (message) => errors.push(message) }
  const watch = new RotWatch({ log, takeSnapshot })
  let find: (finding: Finding) => void = () => assert.fail('it listens')
  watch.start({
    start: (onFinding) => {
      find = onFinding
    },
  })
  return { watch, errors, find: (finding: Finding) => find(finding) }
}

describe('rot on disk', () => {
  it('of snapshots makes one new snapshot at a time', async () => {
    let taken = 0
    const { watch, find, errors } = rig(async () => taken++)
    find({ where: 'snapshot', reason: 'block 3' })
    find({ where: 'snapshot', reason: 'block 9' })
    await watch.settled()
    assert.equal(taken, 1)
    find({ where: 'snapshot', reason: 'again' })
    await watch.settled()
    assert.equal(taken, 2)
    assert.equal(errors.length, 3)
  })

  it('of the log is told, and changes nothing', async () => {
    const { watch, find, errors } = rig(() => assert.fail('no snapshot heals a log'))
    find({ where: 'log', reason: 'entry 4' })
    await watch.settled()
    assert.match(errors[0] ?? '', /log has rotted/)
  })

  it('that cannot be healed is told', async () => {
    const { watch, find, errors } = rig(() => Promise.reject(new Error('disk full')))
    find({ where: 'snapshot', reason: 'block 3' })
    await watch.settled()
    assert.match(errors[1] ?? '', /no new snapshot/)
  })
})
