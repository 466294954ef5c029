/**
 * Runners follow local state; services that stay critical are reaped. Virtual time.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CheckRunners } from '../../../../agent/checks/check-runners.ts'
import { CriticalReaper } from '../../../../agent/checks/critical-reaper.ts'
import { hostProbe } from '../../../../agent/checks/host-probe.ts'
import { probeOf } from '../../../../agent/checks/probe-of.ts'
import {
  checkRegistrationFromBody,
  serviceRegistrationFromBody,
} from '../../../../agent/local/definitions.ts'
import { LocalState } from '../../../../agent/local/local-state.ts'
import { type Logger, silentLogger } from '../../../../core/log.ts'
import { seededRng } from '../../../../core/rng.ts'
import type { ServerApi } from '../../../../core/rpc/server-api.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'

async function world(log: Logger = silentLogger) {
  const clock = new ManualClock()
  const local = new LocalState(
    {
      nodeName: 'vm-a',
      nodeId: 'id',
      nodeMeta: {},
      sidecarPorts: { min: 21_000, max: 21_255 },
      scripts: { enableScripts: true, enableLocalScripts: true },
      outputMaxSize: 4096,
      discardOutput: false,
      definitions: { services: [], checks: [] },
    },
    { clock, log: silentLogger },
  )
  await local.start()
  const servers: Pick<ServerApi, 'read'> = {
    read: async () => assert.fail('no remote alias in these tests'),
  }
  const runners = new CheckRunners(
    { outputMaxSize: 4096 },
    { clock, rng: seededRng(1), log, local, servers },
  )
  const reaper = new CriticalReaper({ clock, log: silentLogger, local })
  return { clock, local, runners, reaper }
}

async function register(local: LocalState, body: object, replaceExistingChecks = false) {
  await local.registerService(serviceRegistrationFromBody(body), {
    source: 'api',
    replaceExistingChecks,
  })
}

async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve()
}

const TCP = { TCP: '127.0.0.1:1', Interval: '10s' }

describe('runners', () => {
  it('exist for every check that must be run, and for no other', async () => {
    const { clock, local, runners } = await world()
    await register(local, { Name: 'web', Checks: [TCP, { TTL: '1h' }] })
    await local.setNodeMaintenance(true, '')
    await runners.start()
    assert.equal(runners.size, 1)
    await register(local, { Name: 'db', Check: TCP })
    assert.equal(runners.size, 2)
    await local.deregisterService('db')
    assert.equal(runners.size, 1)
    await runners.stop()
    await local.stop()
    assert.equal(runners.size, 0)
    assert.equal(clock.armed, 0)
  })

  it('go on undisturbed when a registration is repeated, and are replaced when it changes', async () => {
    let begun = 0
    // Each new runner of such a check warns once.
    const log: Logger = { ...silentLogger, warn: () => begun++ }
    const { local, runners } = await world(log)
    await runners.start()
    const check = { TCP: '127.0.0.1:1', Interval: '500ms' }
    await register(local, { Name: 'web', Check: check })
    await register(local, { Name: 'web', Check: { ...check }, Tags: ['changed'] })
    assert.equal(begun, 1)
    await register(local, { Name: 'web', Check: { ...check, Timeout: '1s' } })
    assert.equal(begun, 2)
    await register(local, { Name: 'web', Check: { TTL: '1h', CheckID: 'service:web' } })
    assert.equal(runners.size, 0)
    await runners.stop()
    await local.stop()
  })

  it('raise short times with a warning', async () => {
    const warnings: string[] = []
    const log: Logger = { ...silentLogger, warn: (message) => warnings.push(message) }
    const { local, runners } = await world(log)
    await runners.start()
    await register(local, {
      Name: 'web',
      Check: { TCP: 'h:1', Interval: '100ms', DeregisterCriticalServiceAfter: '10s' },
    })
    assert.deepEqual(warnings, [
      'check interval raised to its minimum',
      'deregistration of a critical service raised to its minimum time',
    ])
    await runners.stop()
  })

  it('give network checks ten seconds and scripts thirty unless told otherwise', () => {
    const context = { outputMaxSize: 4096, clock: new ManualClock() }
    const timeout = (fields: object) =>
      probeOf(checkRegistrationFromBody({ Name: 'c', Interval: '1m', ...fields }).spec, context)
        ?.timeoutMs
    for (const fields of [
      { HTTP: 'http://h' },
      { TCP: 'h:1' },
      { UDP: 'h:1' },
      { GRPC: 'h:1' },
      { H2PING: 'h:1' },
    ]) {
      assert.equal(timeout(fields), 10_000)
    }
    assert.equal(timeout({ Args: ['true'] }), 30_000)
    assert.equal(timeout({ Host: { Resource: 'cpu' } }), 30_000)
    assert.equal(timeout({ TCP: 'h:1', Timeout: '2s' }), 2_000)
  })
})

describe('the reaper', () => {
  it('removes a service once its check was critical for long enough', async () => {
    const { clock, local, reaper } = await world()
    await reaper.start()
    await register(local, {
      Name: 'web',
      Port: 1,
      Check: { TTL: '1h', DeregisterCriticalServiceAfter: '90s' },
      Connect: { SidecarService: {} },
    })
    await register(local, { Name: 'kept', Check: { TTL: '1h' } })
    clock.advance(60_000)
    await settle()
    await local.updateTtl('service:web', 'passing', '')
    clock.advance(15_000)
    await local.updateTtl('service:web', 'critical', '')
    clock.advance(75_000)
    await settle()
    assert.equal(local.services().has('web'), true)
    clock.advance(30_000)
    await settle()
    assert.deepEqual([...local.services().keys()], ['kept'])
    await reaper.stop()
    await local.stop()
    assert.equal(clock.armed, 0)
  })

  it('waits at least a minute and leaves node checks alone', async () => {
    const { clock, local, reaper } = await world()
    await reaper.start()
    await register(local, {
      Name: 'web',
      Check: { TTL: '1h', DeregisterCriticalServiceAfter: '1s' },
    })
    const node = { Name: 'node', TTL: '1h', DeregisterCriticalServiceAfter: '1s' }
    await local.registerCheck(checkRegistrationFromBody(node).spec, 'api', '')
    clock.advance(30_000)
    await settle()
    assert.equal(local.services().has('web'), true)
    clock.advance(30_000)
    await settle()
    assert.equal(local.services().has('web'), false)
    clock.advance(300_000)
    await settle()
    assert.equal(local.checks().has('node'), true)
    await reaper.stop()
  })
})

describe('a host check', () => {
  const spec = { resource: 'disk', path: '/var', warningPercent: 80, criticalPercent: 95 } as const
  const never = new AbortController().signal

  it('compares use with its thresholds', async () => {
    for (const [usedPercent, status, text] of [
      [79.94, 'passing', 'disk /: 79.9% used'],
      [80, 'warning', 'disk /: 80.0% used, warning from 80%'],
      [95, 'critical', 'disk /: 95.0% used, critical from 95%'],
    ] as const) {
      const probe = hostProbe(spec, async () => ({ usedPercent, of: 'disk /' }))
      assert.deepEqual(await probe(never), { status, output: text })
    }
  })

  it('reads this host', async () => {
    for (const resource of ['cpu', 'memory', 'disk'] as const) {
      const all = { resource, path: '/', warningPercent: 100, criticalPercent: 100 }
      const { output } = await hostProbe(all)(never)
      assert.match(output, /^(cpu|memory|disk \/\S*): \d+\.\d% used/, resource)
    }
    const { status, output } = await hostProbe({ ...spec, path: '/no/such/path' })(never)
    assert.deepEqual([status, output], ['critical', 'Path "/no/such/path" cannot be resolved'])
  })
})
