/**
 * Reload touches only what differs.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { definitionsFromConfig } from '../../../../agent/local/definitions.ts'
import { LocalState } from '../../../../agent/local/local-state.ts'
import { DefinitionReload } from '../../../../cli/agent/reload.ts'
import { silentLogger } from '../../../../core/log.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'

function definitions(services: readonly unknown[], checkDefinitions: readonly unknown[] = []) {
  const result = definitionsFromConfig({ services, checkDefinitions })
  assert.ok(result.ok, JSON.stringify(result))
  return result.value
}

async function running(first: ReturnType<typeof definitions>) {
  const local = new LocalState(
    {
      nodeName: 'vm-a',
      nodeId: '11111111-2222-3333-4444-555555555555',
      nodeMeta: {},
      sidecarPorts: { min: 21_000, max: 21_255 },
      scripts: { enableScripts: false, enableLocalScripts: false },
      outputMaxSize: 4_096,
      discardOutput: false,
      definitions: first,
    },
    { clock: new ManualClock(), log: silentLogger },
  )
  await local.start()
  const changes: string[] = []
  local.onChange((change) => {
    changes.push(`${change.removed ? '-' : '+'}${change.id}`)
  })
  return { local, changes, reload: new DefinitionReload(local, first) }
}

describe('reload', () => {
  it('leaves what stayed the same alone', async () => {
    const same = { name: 'same', port: 1, check: { ttl: '10s' } }
    const { local, changes, reload } = await running(definitions([same, { name: 'gone', port: 2 }]))
    await local.updateTtl('service:same', 'passing', 'well')
    changes.length = 0
    await reload.apply(definitions([same, { name: 'new', port: 3 }]))
    assert.deepEqual(
      changes.filter((change) => change.includes('same')),
      [],
    )
    assert.deepEqual([...local.services().keys()].sort(), ['new', 'same'])
    assert.equal(local.checks().get('service:same')?.check.status, 'passing')
    await local.stop()
  })

  it('changes, adds and removes checks', async () => {
    const { local, reload } = await running(definitions([], [{ name: 'a', ttl: '1m' }]))
    await reload.apply(definitions([], [{ name: 'b', ttl: '1m' }]))
    assert.deepEqual([...local.checks().keys()], ['b'])
    await reload.apply(definitions([], [{ name: 'b', ttl: '2m' }]))
    assert.equal(local.checks().get('b')?.spec?.ttlMs, 120_000)
    await reload.apply(definitions([]))
    assert.equal(local.checks().size, 0)
    await local.stop()
  })
})
