/**
 * The replicated state machine as Raft drives it: bytes, images in pieces, observers (server/state-machine.ts).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeCommand } from '../../../core/catalog/codec.ts'
import { StateStore } from '../../../core/catalog/state-store.ts'
import { unrecordedMetrics } from '../../../core/metrics/metrics.ts'
import { ManualClock } from '../../../runtime/clock/manual-clock.ts'
import { type AppliedCommand, StateMachine } from '../../../server/state-machine.ts'
import { Driver, imageText, kvWrite } from '../core/catalog/store-fixture.ts'

async function* arriving(
  chunks: readonly Uint8Array[],
  onChunk?: () => void,
): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) {
    onChunk?.()
    yield chunk
  }
}

function large(): Driver {
  const driver = new Driver()
  const value = 'x'.repeat(1000)
  for (let i = 0; i < 1000; i++) {
    driver.ok(driver.kv({ verb: 'set', entry: kvWrite(`k${i}`, value) }))
  }
  return driver
}

const UNWATCHED = { clock: new ManualClock(), metrics: unrecordedMetrics }

describe('the state machine', () => {
  it('shows a request that comes twice to the observers once', () => {
    const machine = new StateMachine(new StateStore({ datacenter: 'dc1' }), UNWATCHED)
    const seen: AppliedCommand[] = []
    machine.observe((applied) => seen.push(applied))
    const bytes = encodeCommand({ kind: 'noop' }, { origin: 'a', boot: 'b', seq: 1 })
    machine.apply(1, bytes)
    assert.equal(machine.apply(2, bytes).replayOf, 1)
    assert.deepEqual(
      seen.map(({ index }) => index),
      [1],
    )
  })

  it('restores an image between other work, and readers see the old state until the end', async () => {
    const source = large()
    const store = new StateStore({ datacenter: 'dc1' })
    const driver = new Driver(store)
    driver.ok(driver.kv({ verb: 'set', entry: kvWrite('old', 'v') }))
    const machine = new StateMachine(store, UNWATCHED)
    let turns = 0
    let isDone = false
    const count = (): void => {
      if (isDone) return
      turns += 1
      assert.notEqual(store.read('kv.get', { key: 'old' }).value, null)
      setImmediate(count)
    }
    setImmediate(count)
    const image = Buffer.concat([...source.store.snapshot().image()])
    await machine.restore(arriving([image]))
    isDone = true
    assert.ok(image.length > 1024 * 1024 && turns >= 8, `${turns} turns`)
    assert.equal(store.read('kv.get', { key: 'old' }).value, null)
    assert.equal(imageText(store), source.image())
  })

  it('keeps the old state when the image is damaged or its source fails', async () => {
    const source = large()
    const store = new StateStore({ datacenter: 'dc1' })
    const driver = new Driver(store)
    driver.ok(driver.kv({ verb: 'set', entry: kvWrite('old', 'v') }))
    const before = driver.image()
    const machine = new StateMachine(store, UNWATCHED)
    const chunks = [...source.store.snapshot().image()]
    await assert.rejects(machine.restore(arriving(chunks.slice(0, -1))), {
      code: 'STORAGE_CORRUPT',
    })
    let left = 3
    const failing = arriving(chunks, () => {
      if (--left === 0) throw new Error('the disk went away')
    })
    await assert.rejects(machine.restore(failing), { message: 'the disk went away' })
    assert.equal(driver.image(), before)
  })
})
