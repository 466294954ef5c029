/**
 * Anti-entropy between a real local state and a real state store, in one process and virtual time.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  checkRegistrationFromBody,
  serviceRegistrationFromBody,
} from '../../../../agent/local/definitions.ts'
import { LocalState } from '../../../../agent/local/local-state.ts'
import { StaticMembership } from '../../../../agent/members/static-membership.ts'
import { AntiEntropy } from '../../../../agent/sync/anti-entropy.ts'
import type { Command } from '../../../../core/catalog/commands.ts'
import { StateStore } from '../../../../core/catalog/state-store.ts'
import type { CheckDefinition, ServiceDefinition } from '../../../../core/catalog/types.ts'
import { type ErrorCode, FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import type { Member, Membership } from '../../../../core/membership.ts'
import { seededRng } from '../../../../core/rng.ts'
import type { ReadReply } from '../../../../core/rpc/reads.ts'
import type { ServerApi } from '../../../../core/rpc/server-api.ts'
import { catalogViewOf } from '../../../../core/sync/node-view.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'

const NODE = 'vm-a'
const NODE_ID = '6f1a4c0e-51d6-7f5b-2a44-0d6a0b6f2b11'

/** The servers' side: a store, and the means to refuse. */
class Catalog {
  readonly store = new StateStore({ datacenter: 'dc1' })
  readonly commands: Command[] = []
  reads = 0
  failure: ErrorCode | undefined
  /** Fails only commands that this is true of. */
  failing: (command: Command) => boolean = () => true
  #index = 0

  apply(command: Command): void {
    const result = this.store.apply(++this.#index, command)
    if (!result.ok) {
      const message = 'message' in result ? result.message : 'transaction failed'
      throw new FairleadError(result.code === 'TXN_FAILED' ? 'REJECTED' : result.code, message)
    }
  }

  readonly api: Pick<ServerApi, 'read' | 'write'> = {
    read: async (name, request) => {
      await Promise.resolve()
      this.reads++
      if (this.failure === 'NO_LEADER') throw new FairleadError('NO_LEADER', 'No cluster leader')
      const { value, index } = this.store.read(name, request)
      return { value, index, knownLeader: true, lastContactMs: 0 }
    },
    write: async (command) => {
      await Promise.resolve()
      if (this.failure !== undefined && this.failing(command)) {
        throw new FairleadError(this.failure, 'refused by the test')
      }
      this.commands.push(command)
      this.apply(command)
      return { ok: true, index: this.#index, value: true }
    },
  }

  node(): ReadReply<'catalog.node'> {
    return this.store.read('catalog.node', { node: NODE }).value
  }

  /** Ids of services and checks, apart from those of the servers. */
  ids(): readonly string[] {
    const found = this.node()
    const services = (found?.services ?? []).map(({ id }) => id)
    const checks = (found?.checks ?? []).map(({ checkId }) => checkId)
    return [...services, ...checks].sort()
  }
}

class FakeMembership implements Membership {
  current: readonly Member[]
  readonly #listeners = new Set<(members: readonly Member[]) => void>()

  constructor() {
    this.current = new StaticMembership({
      nodeName: NODE,
      nodeId: NODE_ID,
      datacenter: 'dc1',
      address: '10.0.0.5',
      port: 8301,
      build: '1.21.4:0',
    }).members()
  }

  self(): Member {
    return this.current[0] as Member
  }

  members(): readonly Member[] {
    return this.current
  }

  onChange(listener: (members: readonly Member[]) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  set(members: readonly Member[]): void {
    this.current = members
    for (const listener of this.#listeners) listener(members)
  }
}

async function world(
  options: {
    readonly checkUpdateIntervalMs?: number
    readonly before?: (l: LocalState) => Promise<void>
    readonly catalog?: Catalog
  } = {},
) {
  const clock = new ManualClock()
  const catalog = options.catalog ?? new Catalog()
  const membership = new FakeMembership()
  const local = new LocalState(
    {
      nodeName: NODE,
      nodeId: NODE_ID,
      nodeMeta: { rack: 'r7' },
      sidecarPorts: { min: 21_000, max: 21_255 },
      scripts: { enableScripts: false, enableLocalScripts: false },
      outputMaxSize: 4096,
      discardOutput: false,
      definitions: { services: [], checks: [] },
    },
    { clock, log: silentLogger },
  )
  await local.start()
  await options.before?.(local)
  const sync = new AntiEntropy(
    {
      nodeAddress: '10.0.0.5',
      nodeTaggedAddresses: { lan: '10.0.0.5', lan_ipv4: '10.0.0.5' },
      checkUpdateIntervalMs: options.checkUpdateIntervalMs ?? 0,
    },
    { clock, rng: seededRng(7), log: silentLogger, local, servers: catalog.api, membership },
  )
  await sync.start()
  await sync.syncChanges()
  return { clock, catalog, local, sync, membership }
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

function remoteService(id: string, fields: Partial<ServiceDefinition> = {}): ServiceDefinition {
  return { ...serviceRegistrationFromBody({ Name: id }).service, ...fields }
}

function remoteCheck(checkId: string, fields: Partial<CheckDefinition> = {}): CheckDefinition {
  return {
    checkId,
    name: checkId,
    status: 'passing',
    notes: '',
    output: '',
    serviceId: '',
    serviceName: '',
    serviceTags: [],
    type: '',
    interval: '',
    timeout: '',
    exposedPort: 0,
    definition: {},
    ...fields,
  }
}

function remoteRegister(
  catalog: Catalog,
  what: { readonly service?: ServiceDefinition; readonly checks?: readonly CheckDefinition[] },
): void {
  catalog.apply({
    kind: 'register',
    request: {
      id: NODE_ID,
      node: NODE,
      address: '10.9.9.9',
      taggedAddresses: null,
      meta: null,
      skipNodeUpdate: true,
      ...(what.service === undefined ? {} : { service: what.service }),
      checks: what.checks ?? [],
    },
  })
}

/** Fails unless the catalog holds what the agent holds. */
function assertAgree(local: LocalState, catalog: Catalog): void {
  const view = catalogViewOf(catalog.node())
  assert.deepEqual(view.node, {
    id: NODE_ID,
    node: NODE,
    address: '10.0.0.5',
    taggedAddresses: { lan: '10.0.0.5', lan_ipv4: '10.0.0.5' },
    meta: local.nodeMeta(),
  })
  view.services.delete('consul')
  view.checks.delete('serfHealth')
  const services = new Map([...local.services()].map(([id, entry]) => [id, entry.service]))
  const checks = new Map([...local.checks()].map(([id, entry]) => [id, entry.check]))
  assert.deepEqual(sorted(ownOnly(view.services)), sorted(ownOnly(services)))
  assert.deepEqual(sorted(view.checks), sorted(checks))
}

/** Without the addresses that the servers add. */
function ownOnly(
  services: ReadonlyMap<string, ServiceDefinition>,
): ReadonlyMap<string, ServiceDefinition> {
  const own = new Map<string, ServiceDefinition>()
  for (const [id, service] of services) {
    const tagged = Object.entries(service.taggedAddresses)
    const kept = tagged.filter(([name]) => !name.startsWith('consul-'))
    own.set(id, { ...service, taggedAddresses: Object.fromEntries(kept) })
  }
  return own
}

function sorted<T>(map: ReadonlyMap<string, T>): readonly [string, T][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1))
}

describe('a registration', () => {
  it('is in the catalog when its promise resolves, checks included, in one command', async () => {
    const { local, catalog, sync } = await world()
    catalog.commands.length = 0
    await register(local, { Name: 'web', Port: 80, Checks: [{ TTL: '10s' }, { TTL: '10s' }] })
    assert.deepEqual(catalog.ids(), ['service:web:1', 'service:web:2', 'web'])
    assert.equal(catalog.commands.length, 1)
    await local.deregisterService('web')
    assert.deepEqual(catalog.ids(), [])
    assert.equal(catalog.commands.length, 2, 'the checks go with their service')
    await register(local, { Name: 'web', Port: 80, Checks: [{ TTL: '10s' }, { TTL: '10s' }] })
    assert.deepEqual(catalog.ids(), ['service:web:1', 'service:web:2', 'web'])
    await sync.stop()
  })

  it('resolves also when the servers cannot be reached, and is synced later', async () => {
    const { local, catalog, sync, clock } = await world()
    catalog.failure = 'NO_LEADER'
    await register(local, { Name: 'web' })
    assert.deepEqual(catalog.ids(), [])
    catalog.failure = undefined
    clock.advance(14_999)
    await sync.syncChanges()
    clock.advance(15_001)
    await sync.syncChanges()
    assert.deepEqual(catalog.ids(), ['web'])
    await sync.stop()
  })

  it('takes along what failed before it', async () => {
    const { local, catalog, sync } = await world()
    catalog.failure = 'BUSY'
    await addCheck(local, { Name: 'c', TTL: '1h' })
    await register(local, { Name: 'web' })
    catalog.failure = undefined
    await register(local, { Name: 'other' })
    assert.deepEqual(catalog.ids(), ['c', 'other', 'web'])
    await sync.stop()
  })

  it('made before the servers were first reached is synced, and so is its end', async () => {
    const catalog = new Catalog()
    catalog.failure = 'NO_LEADER'
    const { local, sync } = await world({ catalog })
    remoteRegister(catalog, { service: remoteService('old') })
    await register(local, { Name: 'old' })
    await register(local, { Name: 'web' })
    await local.deregisterService('old')
    catalog.failure = undefined
    await register(local, { Name: 'late' })
    assert.deepEqual(catalog.ids(), ['late', 'web'])
    await sync.stop()
  })
})

describe('a full sync', () => {
  it('registers the node with its meta and runs every minute', async () => {
    const { local, catalog, sync, clock } = await world()
    assertAgree(local, catalog)
    const reads = catalog.reads
    remoteRegister(catalog, { service: remoteService('foreign') })
    clock.advance(59_999)
    await sync.syncChanges()
    assert.equal(catalog.reads, reads)
    clock.advance(60_001)
    await sync.syncChanges()
    assert.equal(catalog.reads, reads + 1)
    assertAgree(local, catalog)
    await sync.stop()
  })

  it('writes nothing when all agrees', async () => {
    const { local, catalog, sync } = await world()
    await register(local, {
      Name: 'web',
      Port: 1,
      Address: '10.0.0.7',
      Check: { TTL: '10s' },
      Connect: { SidecarService: {} },
    })
    await sync.syncAll()
    const written = catalog.commands.length
    await sync.syncAll()
    assert.equal(catalog.commands.length, written)
    assert.ok(
      local.services().get('web-sidecar-proxy')?.service.taggedAddresses['consul-virtual'],
      'the virtual address of the servers is taken over',
    )
    assertAgree(local, catalog)
    await sync.stop()
  })

  it('never touches what the servers own', async () => {
    const { catalog, sync } = await world()
    remoteRegister(catalog, {
      service: remoteService('consul'),
      checks: [remoteCheck('serfHealth'), remoteCheck('foreign')],
    })
    await sync.syncAll()
    assert.deepEqual(catalog.ids(), ['consul', 'serfHealth'])
    await sync.stop()
  })

  it('brings back what others removed or changed', async () => {
    const { local, catalog, sync } = await world()
    await register(local, { Name: 'web', Check: { TTL: '10s' } })
    catalog.apply({ kind: 'deregister', request: { node: NODE } })
    await sync.syncAll()
    assertAgree(local, catalog)
    remoteRegister(catalog, {
      service: remoteService('web', { port: 9 }),
      checks: [remoteCheck('service:web', { serviceId: 'web' })],
    })
    await sync.syncAll()
    assertAgree(local, catalog)
    await sync.stop()
  })

  it('takes over tags of the catalog only where that was allowed', async () => {
    const { local, catalog, sync } = await world()
    for (const [name, allowed] of [
      ['open', true],
      ['closed', false],
    ] as const) {
      await register(local, { Name: name, Tags: ['mine'], EnableTagOverride: allowed })
      const service = remoteService(name, { tags: ['theirs'], enableTagOverride: allowed })
      remoteRegister(catalog, { service })
    }
    await sync.syncAll()
    assert.deepEqual(local.services().get('open')?.service.tags, ['theirs'])
    assert.deepEqual(local.services().get('closed')?.service.tags, ['mine'])
    assertAgree(local, catalog)
    await register(local, { Name: 'open', Tags: ['newer'], EnableTagOverride: true })
    assert.deepEqual(
      catalog.node()?.services.find(({ id }) => id === 'open')?.tags,
      ['newer'],
      'registering again is the newer word',
    )
    await sync.stop()
  })

  it('comes soon after a server joined', async () => {
    const { catalog, sync, clock, membership } = await world()
    const reads = catalog.reads
    membership.set([
      ...membership.current,
      { name: 's1', address: '10.0.0.9', port: 8301, tags: { role: 'consul' }, status: 'alive' },
    ])
    clock.advance(3_000)
    await sync.syncChanges()
    assert.equal(catalog.reads, reads + 1)
    await sync.stop()
  })
})

describe('check results', () => {
  it('are sent at once when the status changes', async () => {
    const { local, catalog, sync } = await world({ checkUpdateIntervalMs: 300_000 })
    await addCheck(local, { Name: 'c', TTL: '1h' })
    local.reportCheck('c', 'passing', 'out 1')
    await sync.syncChanges()
    const check = catalog.node()?.checks.find(({ checkId }) => checkId === 'c')
    assert.deepEqual([check?.status, check?.output], ['passing', 'out 1'])
    await sync.stop()
  })

  it('wait for half to one and a half update intervals when only the output changes', async () => {
    const { local, catalog, sync, clock } = await world({ checkUpdateIntervalMs: 40_000 })
    await addCheck(local, { Name: 'c', TTL: '1h' })
    const output = () => catalog.node()?.checks.find(({ checkId }) => checkId === 'c')?.output
    local.reportCheck('c', 'critical', 'out 1')
    clock.advance(19_999)
    await sync.syncChanges()
    assert.equal(output(), '')
    await sync.syncAll()
    assert.equal(output(), '', 'nor does a full sync send it')
    local.reportCheck('c', 'critical', 'out 2')
    clock.advance(40_001)
    await sync.syncChanges()
    assert.equal(output(), 'out 2')
    await sync.stop()
  })

  it('are sent one by one without an update interval', async () => {
    const { local, catalog, sync } = await world()
    await addCheck(local, { Name: 'c', TTL: '1h' })
    local.reportCheck('c', 'critical', 'out')
    await sync.syncChanges()
    assert.equal(catalog.node()?.checks.find(({ checkId }) => checkId === 'c')?.output, 'out')
    await sync.stop()
  })
})

describe('refusals', () => {
  it('by access control are not repeated before the next full sync', async () => {
    const { local, catalog, sync, clock } = await world()
    catalog.failure = 'PERMISSION_DENIED'
    await register(local, { Name: 'web' })
    catalog.failure = undefined
    await register(local, { Name: 'other' })
    assert.deepEqual(catalog.ids(), ['other'])
    clock.advance(120_000)
    await sync.syncChanges()
    assert.deepEqual(catalog.ids(), ['other', 'web'])
    await sync.stop()
  })

  it('of one change do not hold up the others', async () => {
    const catalog = new Catalog()
    catalog.failure = 'REJECTED'
    catalog.failing = (command) =>
      command.kind === 'register' && command.request.service?.id === 'bad'
    const { local, sync } = await world({
      catalog,
      before: async (state) => {
        for (const name of ['bad', 'good']) await register(state, { Name: name })
      },
    })
    assert.deepEqual(catalog.ids(), ['good'])
    assert.equal(local.services().size, 2)
    await sync.stop()
  })

  it('of the node keep this host from writing under the name of another', async () => {
    const catalog = new Catalog()
    const other = '11111111-2222-3333-4444-555555555555'
    catalog.apply({
      kind: 'register',
      request: {
        id: other,
        node: NODE,
        address: '10.0.0.6',
        taggedAddresses: null,
        meta: null,
        skipNodeUpdate: false,
        service: remoteService('theirs'),
        checks: [remoteCheck('serfHealth')],
      },
    })
    const { local, sync } = await world({ catalog })
    await register(local, { Name: 'ours' })
    assert.equal(catalog.node()?.node.id, other)
    assert.deepEqual(catalog.ids(), ['serfHealth', 'theirs'])
    await sync.stop()
  })
})

describe('stopping', () => {
  it('leaves no timer and syncs no more', async () => {
    const { local, catalog, sync, clock } = await world()
    await sync.stop()
    assert.equal(clock.armed, 0)
    const written = catalog.commands.length
    await register(local, { Name: 'web' })
    assert.equal(catalog.commands.length, written)
  })
})

describe('whatever happened on either side', () => {
  const ids = fc.constantFrom('a', 'b', 'c')
  const tags = fc.array(fc.constantFrom('x', 'y'), { maxLength: 2 })
  const statuses = fc.constantFrom('passing', 'warning', 'critical')
  const step = fc.oneof(
    fc.record({
      act: fc.constant('register' as const),
      id: ids,
      tags,
      port: fc.integer({ min: 1, max: 3 }),
      checks: fc.nat(2),
      sidecar: fc.boolean(),
      override: fc.boolean(),
    }),
    fc.record({ act: fc.constant('deregister' as const), id: ids }),
    fc.record({ act: fc.constant('check' as const), id: ids, status: statuses }),
    fc.record({ act: fc.constant('uncheck' as const), id: ids }),
    fc.record({ act: fc.constant('maintain' as const), id: ids, enabled: fc.boolean() }),
    fc.record({ act: fc.constant('remote-service' as const), id: ids, tags }),
    fc.record({ act: fc.constant('remote-check' as const), id: ids, status: statuses }),
    fc.record({ act: fc.constant('remote-remove-service' as const), id: ids }),
    fc.record({ act: fc.constant('remote-remove-check' as const), id: ids }),
    fc.record({ act: fc.constant('remote-remove-node' as const) }),
    fc.record({ act: fc.constant('fail' as const), failing: fc.boolean() }),
    fc.record({ act: fc.constant('full' as const) }),
  )
  type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

  async function perform(step: Step, w: Awaited<ReturnType<typeof world>>): Promise<void> {
    const { local, catalog, sync } = w
    switch (step.act) {
      case 'register':
        return register(local, {
          Name: step.id,
          Tags: step.tags,
          Port: step.port,
          EnableTagOverride: step.override,
          Checks: Array(step.checks).fill({ TTL: '1h' }),
          ...(step.sidecar ? { Connect: { SidecarService: {} } } : {}),
        })
      case 'deregister':
        return local.services().has(step.id) ? local.deregisterService(step.id) : undefined
      case 'check':
        if (!local.checks().has(step.id)) {
          return addCheck(local, { Name: step.id, TTL: '1h', Status: step.status })
        }
        return local.reportCheck(step.id, step.status as 'passing', step.status)
      case 'uncheck':
        return local.checks().has(step.id) ? local.deregisterCheck(step.id) : undefined
      case 'maintain':
        return local.services().has(step.id)
          ? local.setServiceMaintenance(step.id, step.enabled, '')
          : undefined
      case 'remote-service':
        return remoteRegister(catalog, { service: remoteService(step.id, { tags: step.tags }) })
      case 'remote-check':
        return remoteRegister(catalog, {
          checks: [remoteCheck(step.id, { status: step.status as 'passing' })],
        })
      case 'remote-remove-service':
        return catalog.apply({
          kind: 'deregister',
          request: { node: NODE, serviceId: step.id },
        })
      case 'remote-remove-check':
        return catalog.apply({ kind: 'deregister', request: { node: NODE, checkId: step.id } })
      case 'remote-remove-node':
        return catalog.apply({ kind: 'deregister', request: { node: NODE } })
      case 'fail':
        catalog.failure = step.failing ? 'NO_LEADER' : undefined
        return undefined
      case 'full':
        return sync.syncAll()
    }
  }

  it('a full sync makes the catalog equal to the local state', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(step, fc.boolean()), { minLength: 1, maxLength: 25 }),
        async (steps) => {
          const w = await world()
          // Steps that are not waited for overlap with running syncs.
          const running: Promise<void>[] = []
          for (const [each, waits] of steps) {
            const done = perform(each, w)
            if (waits) await done
            else running.push(done)
          }
          await Promise.allSettled(running)
          w.catalog.failure = undefined
          await w.sync.syncAll()
          await w.sync.syncChanges()
          assertAgree(w.local, w.catalog)
          await w.sync.stop()
          await w.local.stop()
          assert.equal(w.clock.armed, 0)
        },
      ),
      { numRuns: 150 },
    )
  })
})
