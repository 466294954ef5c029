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
