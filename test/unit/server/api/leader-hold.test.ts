/**
 * How long a request is held without a leader, and which ones are.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ErrorCode, FairleadError } from '../../../../core/errors.ts'
import { WAITERS_MAX } from '../../../../server/api/blocking-read.ts'
import { HOLDERS_MAX, LeaderHold } from '../../../../server/api/leader-hold.ts'
import { pass, RaftAndStore, set, settle } from '../raft-and-store.ts'

const HOLD_MS = 7000

test('a write made before there is a leader goes through as soon as there is one', async () => {
  await using base = new RaftAndStore()
  const hold = new LeaderHold({ holdMs: HOLD_MS }, base)
  const written = hold.run(() => base.writer.write(set('a', '1')))
  await settle()
  await base.start()
  assert.equal((await written).ok, true)
  assert.equal(base.store.read('kv.get', { key: 'a' }).found, true)
  hold.close()
})

test('without a leader it gives up after the hold, with the text that clients know', async () => {
  await using base = new RaftAndStore()
  const hold = new LeaderHold({ holdMs: HOLD_MS }, base)
  let attempts = 0
  const written = hold.run(async () => {
    attempts += 1
    return base.raft.readIndex()
  })
  const refused = assert.rejects(written, { code: 'NO_LEADER', message: 'No cluster leader' })
  await pass(base.clock, HOLD_MS - 10, 100)
  assert.ok(attempts > 3, `only ${attempts} attempts`)
  await pass(base.clock, 600, 100)
  await refused
  assert.equal(base.clock.armed, 0)
})

test('what may have been applied, or broke a rule, is never repeated', async () => {
  await using base = await new RaftAndStore().start()
  const hold = new LeaderHold({ holdMs: HOLD_MS }, base)
  for (const code of ['OUTCOME_UNKNOWN', 'REJECTED', 'TOO_LARGE'] as const) {
    let attempts = 0
    await assert.rejects(
      hold.run(async () => {
        attempts += 1
        throw new FairleadError(code, 'no')
      }),
      { code },
    )
    assert.equal(attempts, 1)
  }
})

/** Fails with each code in turn, then answers. */
function failing(...codes: readonly ErrorCode[]): () => Promise<string> {
  const left = [...codes]
  return async () => {
    const code = left.shift()
    if (code === undefined) return 'done'
    throw new FairleadError(code, `failed with ${code}`)
  }
}

test('what does no harm when repeated is repeated after an unknown outcome', async () => {
  await using base = await new RaftAndStore().start()
  const hold = new LeaderHold({ holdMs: HOLD_MS }, base)
  const attempt = failing('OUTCOME_UNKNOWN', 'NO_LEADER', 'OUTCOME_UNKNOWN')
  const written = hold.run(attempt, { isRepeatable: true })
  await pass(base.clock, 1000, 50)
  assert.equal(await written, 'done')
  hold.close()
})

test('once an outcome was unknown, only a verdict on the request itself says otherwise', async () => {
  await using base = await new RaftAndStore().start()
  const hold = new LeaderHold({ holdMs: HOLD_MS }, base)
  const codeAfter = async (...codes: readonly ErrorCode[]): Promise<string> => {
    const written = hold.run(failing(...codes), { isRepeatable: true })
    const code = written.then(String, (error: FairleadError) => error.code)
    await pass(base.clock, HOLD_MS + 600, 100)
    return await code
  }
  const noLeader = Array.from({ length: 1000 }, (): ErrorCode => 'NO_LEADER')
  assert.equal(await codeAfter('OUTCOME_UNKNOWN', ...noLeader), 'OUTCOME_UNKNOWN')
  assert.equal(await codeAfter('OUTCOME_UNKNOWN', 'STORAGE_FAILED'), 'OUTCOME_UNKNOWN')
  assert.equal(await codeAfter('OUTCOME_UNKNOWN', 'REJECTED'), 'REJECTED')
  assert.equal(await codeAfter('NO_LEADER', 'STORAGE_FAILED'), 'STORAGE_FAILED')
  hold.close()
})

test('a shutdown during an unknown outcome leaves it unknown', async () => {
  await using base = await new RaftAndStore().start()
  const hold = new LeaderHold({ holdMs: HOLD_MS }, base)
  const refused = assert.rejects(
    hold.run(failing('OUTCOME_UNKNOWN', 'BUSY'), { isRepeatable: true }),
    { code: 'OUTCOME_UNKNOWN' },
  )
  await settle()
  hold.close()
  await refused
})

test('an abort and a shutdown end the hold', async () => {
  await using base = new RaftAndStore()
  const hold = new LeaderHold({ holdMs: HOLD_MS }, base)
  const controller = new AbortController()
  const aborted = assert.rejects(
    hold.run(() => base.raft.readIndex(), { signal: controller.signal }),
    /enough/,
  )
  const closed = assert.rejects(
    hold.run(() => base.raft.readIndex()),
    { code: 'SHUTTING_DOWN' },
  )
  await settle()
  controller.abort(new Error('enough'))
  await aborted
  hold.close()
  await closed
  await assert.rejects(
    hold.run(() => base.raft.readIndex()),
    { code: 'SHUTTING_DOWN' },
  )
  assert.equal(base.clock.armed, 0)
})

test('holds as many as there can be blocked reads, and asks less often for each the more there are', async () => {
  assert.ok(HOLDERS_MAX > WAITERS_MAX)
  const attemptsOf = async (count: number): Promise<number> => {
    await using base = new RaftAndStore()
    const hold = new LeaderHold({ holdMs: HOLD_MS }, base)
    let attempts = 0
    const reads = Array.from({ length: count }, () =>
      hold.run(async () => {
        attempts += 1
        throw new FairleadError('NO_LEADER', 'none')
      }),
    )
    const ended = Promise.allSettled(reads)
    await pass(base.clock, 3000, 100)
    hold.close()
    await ended
    return attempts / count
  }
  const few = await attemptsOf(10)
  const many = await attemptsOf(12_000)
  assert.ok(many > 1 && many < few * 0.7, `${few} attempts for each of few, ${many} of many`)
})
