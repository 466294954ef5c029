/**
 * Definitions of configuration files in local state: at start, on a reload, and when they are refused.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { definitionsFromConfig } from '../../../../agent/local/definitions.ts'
import type { LocalChange } from '../../../../agent/local/types.ts'

import { addCheck, checkIds, register, started, statusOf } from './started-state.ts'

describe('definitions of files', () => {
  const configured = (services: readonly unknown[], checkDefinitions: readonly unknown[] = []) => {
    const result = definitionsFromConfig({ services, checkDefinitions })
    assert.ok(result.ok)
    return result.value
  }

  it('are registered at start, with every refusal named', async () => {
    const { state } = await started({
      definitions: configured(
        [{ name: 'web', check: { ttl: '10s' } }],
        [{ name: 'extra', ttl: '1m', service_id: 'web' }],
      ),
    })
    assert.equal(state.services().get('web')?.source, 'config')
    assert.deepEqual(checkIds(state), ['extra', 'service:web'])
    await assert.rejects(
      started({
        definitions: configured(
          [{ name: 'a', check: { args: ['x'], interval: '1s' } }],
          [{ name: 'b', ttl: '1s', service_id: 'gone' }],
        ),
      }),
      {
        code: 'INVALID_CONFIG',
        message:
          /^service "a": Scripts are disabled[^\n]*\ncheck "b": ServiceID "gone" does not exist$/,
      },
    )
  })

  it('are replaced by a reload without a check flapping', async () => {
    const { state } = await started({
      definitions: configured(
        [{ name: 'web', checks: [{ ttl: '10s' }, { ttl: '10s' }] }, { name: 'old' }],
        [{ name: 'extra', ttl: '1m', service_id: 'web' }],
      ),
    })
    await register(state, { Name: 'api-made' })
    await addCheck(state, { Name: 'api-check', TTL: '1m', ServiceID: 'web' })
    await state.updateTtl('service:web:1', 'passing', 'fine')
    await state.updateTtl('extra', 'passing', 'fine')
    const seen: LocalChange[] = []
    state.onChange((change) => seen.push(change))
    await state.reload(
      configured(
        [{ name: 'web', checks: [{ ttl: '10s', id: 'service:web:1' }] }, { name: 'new' }],
        [{ name: 'extra', ttl: '1m', service_id: 'web' }],
      ),
    )
    assert.deepEqual([...state.services().keys()].sort(), ['api-made', 'new', 'web'])
    assert.deepEqual(checkIds(state), ['api-check', 'extra', 'service:web:1'])
    assert.deepEqual(statusOf(state, 'service:web:1'), ['passing', 'fine'])
    assert.deepEqual(statusOf(state, 'extra'), ['passing', 'fine'])
    assert.deepEqual(
      seen.map((change) => `${change.id} ${change.removed}`),
      ['old true', 'service:web:2 true', 'new false'],
    )
  })

  it('are left alone where they say what they said', async () => {
    const same = { name: 'same', port: 1, enable_tag_override: true, check: { ttl: '10s' } }
    const extra = { name: 'extra', ttl: '10s', service_id: 'same' }
    const { state, clock } = await started({ definitions: configured([same], [extra]) })
    await state.updateTtl('service:same', 'passing', 'well')
    await state.updateTtl('extra', 'passing', 'well')
    state.adoptFromCatalog('same', { tags: ['of the catalog'] })
    clock.advance(6_000)
    const seen: LocalChange[] = []
    state.onChange((change) => seen.push(change))
    await state.reload(configured([same, { name: 'new' }], [extra]))
    assert.deepEqual(
      seen.map(({ id }) => id),
      ['new'],
    )
    assert.deepEqual(state.services().get('same')?.service.tags, ['of the catalog'])
    // The time of a check that must report goes on.
    clock.advance(6_000)
    for (const id of ['service:same', 'extra']) assert.equal(statusOf(state, id)[0], 'critical', id)
  })

  it('that change keep what is beside them, and lose what they no longer say', async () => {
    const extra = { name: 'extra', ttl: '1m', service_id: 'web' }
    const { state } = await started({
      definitions: configured(
        [{ name: 'web', port: 1, connect: { sidecar_service: {} } }],
        [extra],
      ),
    })
    await addCheck(state, { Name: 'api-check', TTL: '1m', ServiceID: 'web' })
    await state.reload(configured([{ name: 'web', port: 2 }], [{ ...extra, ttl: '2m' }]))
    assert.deepEqual([...state.services().keys()], ['web'])
    assert.deepEqual(checkIds(state), ['api-check', 'extra'])
    assert.equal(state.checks().get('extra')?.spec?.ttlMs, 120_000)
  })

  it('come back when they were deregistered meanwhile', async () => {
    const definitions = configured([{ name: 'web' }], [{ name: 'extra', ttl: '1m' }])
    const { state } = await started({ definitions })
    await state.deregisterService('web')
    await state.deregisterCheck('extra')
    await state.reload(definitions)
    assert.deepEqual([...state.services().keys()], ['web'])
    assert.deepEqual(checkIds(state), ['extra'])
  })

  it('of a check whose service goes are refused', async () => {
    const extra = { name: 'extra', ttl: '1m', service_id: 'web' }
    const { state } = await started({ definitions: configured([{ name: 'web' }], [extra]) })
    await assert.rejects(state.reload(configured([], [extra])), {
      code: 'INVALID_CONFIG',
      message: 'check "extra": ServiceID "web" does not exist',
    })
    assert.deepEqual([...state.services().keys()], ['web'])
    assert.deepEqual(checkIds(state), ['extra'])
  })

  it('that are refused leave everything as it was', async () => {
    const { state } = await started({ definitions: configured([{ name: 'web' }]) })
    await assert.rejects(
      state.reload(
        configured([{ name: 'x' }, { name: 'y', check: { args: ['a'], interval: '1s' } }]),
      ),
      { code: 'INVALID_CONFIG' },
    )
    assert.deepEqual([...state.services().keys()], ['web'])
  })
})
