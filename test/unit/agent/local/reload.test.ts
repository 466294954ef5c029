/**
 * Definitions of configuration files in local state: at start, on a reload, and when they are refused.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  checkRegistrationFromBody,
  definitionsFromConfig,
  serviceRegistrationFromBody,
} from '../../../../agent/local/definitions.ts'
import { LocalState, type LocalStateOptions } from '../../../../agent/local/local-state.ts'
import type { LocalChange } from '../../../../agent/local/types.ts'
import { silentLogger } from '../../../../core/log.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'

const OPTIONS: LocalStateOptions = {
  nodeName: 'vm-a',
  nodeId: '6f1a4c0e-51d6-7f5b-2a44-0d6a0b6f2b11',
  nodeMeta: { rack: 'r7' },
  sidecarPorts: { min: 21_000, max: 21_255 },
  scripts: { enableScripts: false, enableLocalScripts: false },
  outputMaxSize: 4096,
  discardOutput: false,
  definitions: { services: [], checks: [] },
}

async function started(options: Partial<LocalStateOptions> = {}) {
  const clock = new ManualClock()
  const state = new LocalState({ ...OPTIONS, ...options }, { clock, log: silentLogger })
  await state.start()
  return { clock, state }
}

async function register(state: LocalState, body: object, replaceExistingChecks = false) {
  await state.registerService(serviceRegistrationFromBody(body), {
    source: 'api',
    replaceExistingChecks,
  })
}

async function addCheck(state: LocalState, body: object) {
  await state.registerCheck(checkRegistrationFromBody(body).spec, 'api', '')
}

const checkIds = (state: LocalState): readonly string[] => [...state.checks().keys()].sort()

function statusOf(state: LocalState, id: string): readonly (string | undefined)[] {
  const check = state.checks().get(id)?.check
  return [check?.status, check?.output]
}

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
