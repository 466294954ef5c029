/**
 * Autopilot's settings in the store (autopilot-config.ts).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { StateStore } from '../../../../core/catalog/state-store.ts'
import { AUTOPILOT, Driver } from './store-fixture.ts'

describe('the settings of autopilot', () => {
  it('are nothing until written, then one record with indexes', () => {
    const driver = new Driver()
    assert.equal(driver.read('autopilot.config', {}), null)
    driver.ok({ kind: 'autopilot.config.set', config: AUTOPILOT })
    driver.ok({ kind: 'autopilot.config.set', config: { ...AUTOPILOT, maxTrailingLogs: 10 } })
    driver.ok({ kind: 'autopilot.config.set', config: { ...AUTOPILOT, maxTrailingLogs: 10 } })
    const expected = { ...AUTOPILOT, maxTrailingLogs: 10, createIndex: 1, modifyIndex: 2 }
    assert.deepEqual(driver.read('autopilot.config', {}), expected)
    assert.equal(driver.indexOf('autopilot.config', {}), 2)
    const restored = new StateStore({ datacenter: 'dc1' })
    restored.restore(driver.store.snapshot().image())
    assert.deepEqual(restored.read('autopilot.config', {}).value, expected)
    assert.equal(restored.read('autopilot.config', {}).index, 2)
  })

  it('are written only at the index that was asked for', () => {
    const driver = new Driver()
    const set = (maxTrailingLogs: number, cas: number) =>
      driver.ok({ kind: 'autopilot.config.set', config: { ...AUTOPILOT, maxTrailingLogs }, cas })
    assert.equal(set(1, 7), false)
    assert.equal(set(1, 0), true)
    assert.equal(set(2, 0), false)
    assert.equal(set(2, 2), true)
    assert.equal(driver.read('autopilot.config', {})?.maxTrailingLogs, 2)
  })
})
