/**
 * Alias checks: their texts, on the own node and on another, and that aliases of aliases come to rest.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { aliasResult } from '../../../../agent/checks/alias-status.ts'
import { CheckRunners } from '../../../../agent/checks/check-runners.ts'
import {
  checkRegistrationFromBody,
  serviceRegistrationFromBody,
} from '../../../../agent/local/definitions.ts'
import { LocalState } from '../../../../agent/local/local-state.ts'
import type { CheckDefinition, CheckStatus } from '../../../../core/catalog/types.ts'
import { silentLogger } from '../../../../core/log.ts'
import { seededRng } from '../../../../core/rng.ts'
import type { ReadReply } from '../../../../core/rpc/reads.ts'
import type { ReadOptions, ReadResult, ServerApi } from '../../../../core/rpc/server-api.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'

type NodeReply = ReadReply<'catalog.node'>

/** Answers blocking reads of one remote node from what the test sets. */
class RemoteNode {
  readonly asked: (number | undefined)[] = []
  #index = 0
  #value: NodeReply | Error = null
  #wake: (() => void)[] = []

  set(value: NodeReply | Error): void {
    this.#value = value
    this.#index++
    for (const wake of this.#wake.splice(0)) wake()
  }

  async read(options: ReadOptions | undefined): Promise<ReadResult<'catalog.node'>> {
    this.asked.push(options?.minIndex)
    while ((options?.minIndex ?? 0) >= this.#index) {
      await new Promise<void>((resolve, reject) => {
        this.#wake.push(resolve)
        options?.signal?.addEventListener('abort', () => reject(options.signal?.reason))
      })
    }
    if (this.#value instanceof Error) throw this.#value
    return { value: this.#value, index: this.#index, knownLeader: true, lastContactMs: 0 }
  }
}

async function world() {
  const clock = new ManualClock()
  const local = new LocalState(
    {
      nodeName: 'vm-a',
      nodeId: 'id',
      nodeMeta: {},
      sidecarPorts: { min: 21_000, max: 21_255 },
      scripts: { enableScripts: false, enableLocalScripts: false },
      outputMaxSize: 4096,
      discardOutput: false,
      definitions: { services: [], checks: [] },
    },
    { clock, log: silentLogger },
  )
  await local.start()
  const remote = new RemoteNode()
  const servers = {
    read: (_name: string, _request: unknown, options?: ReadOptions) => remote.read(options),
  } as unknown as Pick<ServerApi, 'read'>
  const runners = new CheckRunners(
    { outputMaxSize: 4096 },
    { clock, rng: seededRng(1), log: silentLogger, local, servers },
  )
  await runners.start()
  return { clock, local, remote, runners }
}

async function register(local: LocalState, body: object): Promise<void> {
  await local.registerService(serviceRegistrationFromBody(body), {
    source: 'api',
    replaceExistingChecks: false,
  })
}

async function addCheck(local: LocalState, body: object): Promise<void> {
  await local.registerCheck(checkRegistrationFromBody(body).spec, 'api', '')
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

async function found(local: LocalState, id: string): Promise<readonly (string | undefined)[]> {
  await settle()
  const check = local.checks().get(id)?.check
  return [check?.status, check?.output]
}

function check(name: string, status: CheckStatus, more: Partial<CheckDefinition> = {}) {
  return {
    checkId: name,
    name,
    status,
    notes: '',
    output: `${name} output`,
    serviceId: '',
    serviceName: '',
    serviceTags: [],
    type: '',
    interval: '',
    timeout: '',
    exposedPort: 0,
    definition: {},
    ...more,
  } satisfies CheckDefinition
}

describe('the result of an alias', () => {
  const target = { serviceId: 'web', node: 'vm-b' }

  it('is the worst of what it follows, with its texts', () => {
    assert.deepEqual(aliasResult(target, true, []), {
      status: 'passing',
      output: 'No checks found.',
    })
    assert.deepEqual(aliasResult(target, true, [check('a', 'passing')]), {
      status: 'passing',
      output: 'All checks passing.',
    })
    const mixed = [check('a', 'passing'), check('b', 'warning'), check('c', 'critical')]
    assert.deepEqual(aliasResult(target, true, mixed), {
      status: 'critical',
      output: 'Aliased check "c" failing: c output',
    })
    assert.deepEqual(aliasResult(target, true, mixed.slice(0, 2)), {
      status: 'warning',
      output: 'Aliased check "b" failing: b output',
    })
    assert.deepEqual(aliasResult(target, false, []), {
      status: 'critical',
      output: 'Service web could not be found on node vm-b',
    })
  })
})

describe('an alias on the own node', () => {
  it('follows the service and the checks of the node', async () => {
    const { local, runners } = await world()
    await addCheck(local, { Name: 'alias', AliasService: 'web' })
    assert.deepEqual(await found(local, 'alias'), [
      'critical',
      'Service web could not be found on node vm-a',
    ])
    await register(local, { Name: 'web', Check: { TTL: '1h' } })
    await local.updateTtl('service:web', 'passing', '')
    assert.deepEqual(await found(local, 'alias'), ['passing', 'All checks passing.'])
    await local.setNodeMaintenance(true, '')
    assert.deepEqual(await found(local, 'alias'), [
      'critical',
      'Aliased check "Node Maintenance Mode" failing: ',
    ])
    await local.setNodeMaintenance(false, '')
    await local.updateTtl('service:web', 'warning', 'slow')
    assert.deepEqual(await found(local, 'alias'), [
      'warning',
      `Aliased check "Service 'web' check" failing: slow`,
    ])
    await runners.stop()
    await local.updateTtl('service:web', 'passing', '')
    assert.equal((await found(local, 'alias'))[0], 'warning', 'nothing runs after stop')
  })

  it('makes a sidecar as healthy as its service, before anybody could hear otherwise', async () => {
    const { local, runners } = await world()
    const alias = 'service:web-sidecar-proxy:2'
    const atTheEndOfTheTurn: (string | undefined)[] = []
    local.onChange(({ kind, id }) => {
      if (kind !== 'service' || id !== 'web-sidecar-proxy') return
      // Anti-entropy, which waits for a change as this does, is no sooner.
      queueMicrotask(() => atTheEndOfTheTurn.push(local.checks().get(alias)?.check.status))
    })
    await register(local, {
      Name: 'web',
      Port: 1,
      Check: { TTL: '1h', Status: 'passing' },
      Connect: { SidecarService: {} },
    })
    assert.deepEqual(atTheEndOfTheTurn, ['passing'])
    assert.deepEqual((await found(local, alias))[0], 'passing')
    await local.updateTtl('service:web', 'critical', '')
    assert.deepEqual((await found(local, alias))[0], 'critical')
    await runners.stop()
  })

  it('and one that follows it back come to rest and recover', async () => {
    const { local, runners } = await world()
    await register(local, {
      Name: 'a',
      Checks: [
        { TTL: '1h', CheckID: 'real' },
        { AliasService: 'b', CheckID: 'a-follows-b' },
      ],
    })
    await register(local, { Name: 'b', Check: { AliasService: 'a', CheckID: 'b-follows-a' } })
    for (const status of ['critical', 'passing', 'critical', 'passing'] as const) {
      await local.updateTtl('real', status, 'x')
      assert.equal((await found(local, 'a-follows-b'))[0], status)
      assert.equal((await found(local, 'b-follows-a'))[0], status)
    }
    await runners.stop()
  })

  it('of the node itself does not count itself', async () => {
    const { local, runners } = await world()
    await register(local, { Name: 'web' })
    await addCheck(local, { Name: 'alias', AliasService: 'web' })
    assert.deepEqual(await found(local, 'alias'), ['passing', 'No checks found.'])
    await runners.stop()
  })
})

describe('an alias on another node', () => {
  const remoteNode = (checks: readonly CheckDefinition[]): NodeReply => {
    const indexed = { node: 'vm-b', createIndex: 1, modifyIndex: 1 }
    return {
      node: {
        ...indexed,
        id: '',
        address: '10.0.0.6',
        datacenter: 'dc1',
        taggedAddresses: null,
        meta: null,
      },
      services: [{ ...serviceRegistrationFromBody({ Name: 'web' }).service, ...indexed }],
      checks: checks.map((each) => ({ ...each, ...indexed })),
    }
  }

  it('follows the catalog by blocking reads', async () => {
    const { local, remote, runners } = await world()
    await addCheck(local, { Name: 'alias', AliasNode: 'vm-b', AliasService: 'web' })
    remote.set(null)
    assert.deepEqual(await found(local, 'alias'), [
      'critical',
      'Service web could not be found on node vm-b',
    ])
    const others = check('other', 'critical', { serviceId: 'other' })
    remote.set(remoteNode([check('node', 'passing'), others]))
    assert.deepEqual(await found(local, 'alias'), ['passing', 'All checks passing.'])
    remote.set(remoteNode([check('own', 'warning', { serviceId: 'web' }), others]))
    assert.deepEqual(await found(local, 'alias'), [
      'warning',
      'Aliased check "own" failing: own output',
    ])
    assert.deepEqual(remote.asked, [0, 1, 2, 3])
    await runners.stop()
  })

  it('keeps its last result while the servers cannot be asked', async () => {
    const { clock, local, remote, runners } = await world()
    await addCheck(local, { Name: 'alias', AliasNode: 'vm-b', AliasService: 'web' })
    remote.set(remoteNode([]))
    assert.equal((await found(local, 'alias'))[0], 'passing')
    remote.set(new Error('no servers'))
    assert.equal((await found(local, 'alias'))[0], 'passing')
    remote.set(remoteNode([check('node', 'critical')]))
    clock.advance(60_000)
    assert.equal((await found(local, 'alias'))[0], 'critical')
    await runners.stop()
    assert.equal(clock.armed, 0)
  })
})
