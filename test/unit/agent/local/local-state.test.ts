/**
 * Rules of local state in memory: registering, checks, sidecars, maintenance, TTL, notification.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LocalChange } from '../../../../agent/local/types.ts'

import { addCheck, checkIds, register, started, statusOf } from './started-state.ts'

describe('registering a service', () => {
  it('names its checks by default and starts them critical', async () => {
    const { state } = await started()
    await register(state, { Name: 'web', ID: 'web-1', Tags: ['v2'], Check: { TTL: '15s' } })
    assert.deepEqual(state.checks().get('service:web-1')?.check, {
      checkId: 'service:web-1',
      name: "Service 'web' check",
      status: 'critical',
      notes: '',
      output: '',
      serviceId: 'web-1',
      serviceName: 'web',
      serviceTags: ['v2'],
      type: 'ttl',
      interval: '',
      timeout: '',
      exposedPort: 0,
      definition: {},
    })
    await register(state, {
      Name: 'db',
      Checks: [
        { TTL: '15s', Status: 'passing' },
        { HTTP: 'http://h', Interval: '90s', Timeout: '1500ms', Name: 'ping' },
      ],
    })
    const second = state.checks().get('service:db:2')?.check
    assert.deepEqual(
      [second?.name, second?.interval, second?.timeout, second?.type],
      ['ping', '1m30s', '1.5s', 'http'],
    )
    assert.equal(state.checks().get('service:db:1')?.check.status, 'passing')
  })

  it('keeps the status of a check it already has', async () => {
    const { state } = await started()
    const body = { Name: 'web', Check: { TTL: '15s', Status: 'critical' } }
    await register(state, body)
    await state.updateTtl('service:web', 'passing', 'fine')
    await register(state, { ...body, Tags: ['new'] })
    const check = state.checks().get('service:web')?.check
    assert.deepEqual([check?.status, check?.output], ['passing', 'fine'])
    assert.deepEqual(check?.serviceTags, ['new'])
  })

  it('keeps earlier checks unless asked to replace them', async () => {
    const { state } = await started()
    await register(state, { Name: 'web', Checks: [{ TTL: '1s' }, { TTL: '1s' }] })
    await register(state, { Name: 'web', Check: { TTL: '1s' } })
    assert.deepEqual(checkIds(state), ['service:web', 'service:web:1', 'service:web:2'])
    await state.setServiceMaintenance('web', true, '')
    await register(state, { Name: 'web', Check: { TTL: '1s' } }, true)
    assert.deepEqual(checkIds(state), ['_service_maintenance:web', 'service:web'])
  })

  it('derives tagged addresses from an IP address', async () => {
    const { state } = await started()
    await register(state, { Name: 'a', Address: '10.0.0.5', Port: 80 })
    await register(state, { Name: 'b', Address: 'fd00::1' })
    await register(state, { Name: 'c', Address: 'host.example' })
    const tagged = (id: string) => state.services().get(id)?.service.taggedAddresses
    const own = { address: '10.0.0.5', port: 80 }
    assert.deepEqual(tagged('a'), { lan_ipv4: own, wan_ipv4: own })
    assert.deepEqual(Object.keys(tagged('b') ?? {}), ['lan_ipv6', 'wan_ipv6'])
    assert.deepEqual(tagged('c'), {})
  })

  it('changes the content hash with the definition only', async () => {
    const { state } = await started()
    const hash = () => state.services().get('web')?.contentHash
    await register(state, { Name: 'web', Meta: { a: '1', b: '2' } })
    const first = hash()
    assert.match(first ?? '', /^[0-9a-f]{16}$/)
    await register(state, { Name: 'web', Meta: { b: '2', a: '1' } })
    assert.equal(hash(), first)
    await register(state, { Name: 'web', Port: 1 })
    assert.notEqual(hash(), first)
  })

  it('refuses scripts, docker and os_service', async () => {
    const { state } = await started()
    const script = { Name: 'web', Check: { Args: ['true'], Interval: '10s' } }
    await assert.rejects(register(state, script), {
      code: 'REJECTED',
      message:
        "Scripts are disabled on this agent; to enable, configure 'enable_script_checks' or 'enable_local_script_checks' to true",
    })
    assert.equal(state.services().size, 0, 'nothing is half applied')
    const local = await started({ scripts: { enableScripts: false, enableLocalScripts: true } })
    await assert.rejects(register(local.state, script), {
      code: 'REJECTED',
      message:
        "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true",
    })
    const open = await started({ scripts: { enableScripts: true, enableLocalScripts: true } })
    await register(open.state, script)
    for (const check of [
      { OSService: 'x', Interval: '1s' },
      { DockerContainerID: 'x', Args: ['a'], Interval: '1s' },
    ]) {
      await assert.rejects(register(open.state, { Name: 'w', Check: check }), {
        code: 'NOT_SUPPORTED',
      })
    }
  })
})

describe('deregistering', () => {
  it('takes the checks along, and the sidecar', async () => {
    const { state } = await started()
    await register(state, {
      Name: 'web',
      Port: 80,
      Check: { TTL: '1s' },
      Connect: { SidecarService: {} },
    })
    await register(state, { Name: 'other', Check: { TTL: '1s' } })
    await state.deregisterService('web')
    assert.deepEqual([...state.services().keys()], ['other'])
    assert.deepEqual(checkIds(state), ['service:other'])
  })

  it('of something unknown is refused with its text', async () => {
    const { state } = await started()
    await assert.rejects(state.deregisterService('x'), {
      code: 'NOT_FOUND',
      message:
        'Unknown service ID "x". Ensure that the service ID is passed, not the service name.',
    })
    await assert.rejects(state.deregisterCheck('x'), {
      code: 'NOT_FOUND',
      message: 'Unknown check ID "x". Ensure that the check ID is passed, not the check name.',
    })
  })
})

describe('a sidecar', () => {
  it('is expanded with the defaults of its service', async () => {
    const { state } = await started()
    await register(state, {
      Name: 'web',
      ID: 'web-1',
      Port: 8080,
      Address: '10.0.0.5',
      Tags: ['v2'],
      Meta: { owner: 'ops' },
      Weights: { Passing: 3, Warning: 2 },
      Check: { TTL: '10s', DeregisterCriticalServiceAfter: '5m' },
      Connect: { SidecarService: {} },
    })
    const local = state.services().get('web-1-sidecar-proxy')
    assert.equal(local?.isSidecar, true)
    const sidecar = local?.service
    assert.equal(sidecar?.kind, 'connect-proxy')
    assert.equal(sidecar?.service, 'web-sidecar-proxy')
    assert.equal(sidecar?.port, 21_000)
    assert.equal(sidecar?.address, '10.0.0.5')
    assert.deepEqual(sidecar?.tags, ['v2'])
    assert.deepEqual(sidecar?.meta, { owner: 'ops' })
    assert.deepEqual(sidecar?.weights, { passing: 3, warning: 2 })
    assert.equal(sidecar?.proxy?.destinationServiceName, 'web')
    assert.equal(sidecar?.proxy?.destinationServiceId, 'web-1')
    assert.equal(sidecar?.proxy?.localServiceAddress, '127.0.0.1')
    assert.equal(sidecar?.proxy?.localServicePort, 8080)
    const listening = state.checks().get('service:web-1-sidecar-proxy:1')
    assert.equal(listening?.check.name, 'Connect Sidecar Listening')
    assert.deepEqual(listening?.spec?.tcp, { address: '10.0.0.5:21000', useTls: false })
    assert.equal(listening?.check.interval, '10s')
    assert.equal(listening?.spec?.deregisterCriticalServiceAfterMs, 300_000)
    const alias = state.checks().get('service:web-1-sidecar-proxy:2')
    assert.equal(alias?.check.name, 'Connect Sidecar Aliasing web-1')
    assert.deepEqual(alias?.spec?.alias, { node: '', serviceId: 'web-1' })
  })

  it('keeps its port when registered again and gives it back when gone', async () => {
    const { state } = await started()
    const sidecarOf = (name: string) => ({ Name: name, Port: 1, Connect: { SidecarService: {} } })
    const port = (name: string) => state.services().get(`${name}-sidecar-proxy`)?.service.port
    for (const name of ['a', 'b', 'c', 'b']) await register(state, sidecarOf(name))
    assert.deepEqual(['a', 'b', 'c'].map(port), [21_000, 21_001, 21_002])
    await state.deregisterService('a')
    await register(state, sidecarOf('d'))
    assert.equal(port('d'), 21_000)
  })

  it('is refused when no port is left or none is given out', async () => {
    const full = await started({ sidecarPorts: { min: 21_000, max: 21_000 } })
    const body = (name: string) => ({ Name: name, Port: 1, Connect: { SidecarService: {} } })
    await register(full.state, body('a'))
    await assert.rejects(register(full.state, body('b')), {
      code: 'BAD_REQUEST',
      message:
        'Invalid SidecarService: no port provided for sidecar_service and none left in the configured range [21000, 21000]',
    })
    assert.equal(full.state.services().has('b'), false)
    const off = await started({ sidecarPorts: { min: 0, max: 0 } })
    await assert.rejects(register(off.state, body('a')), {
      message:
        'Invalid SidecarService: no port provided for sidecar_service and auto-assignment disabled in config',
    })
  })

  it('keeps what it was given', async () => {
    const { state } = await started()
    await register(state, {
      Name: 'web',
      SocketPath: '/run/web.sock',
      Connect: {
        SidecarService: { Name: 'px', Port: 9000, Tags: ['x'], Check: { TTL: '1s' }, Proxy: {} },
      },
    })
    const sidecar = state.services().get('web-sidecar-proxy')?.service
    assert.deepEqual([sidecar?.service, sidecar?.port, sidecar?.tags], ['px', 9000, ['x']])
    assert.equal(sidecar?.proxy?.localServiceSocketPath, '/run/web.sock')
    assert.equal(sidecar?.proxy?.localServiceAddress, '')
    assert.deepEqual(checkIds(state), ['service:web-sidecar-proxy'])
  })
})

describe('a check of its own', () => {
  it('prints unset times as 0s and belongs to node or service', async () => {
    const { state } = await started()
    await register(state, { Name: 'web', Tags: ['t'] })
    await addCheck(state, { Name: 'node check', TTL: '30s' })
    await addCheck(state, { ID: 'c2', Name: 'own', TTL: '30s', ServiceID: 'web' })
    const node = state.checks().get('node check')?.check
    assert.deepEqual([node?.interval, node?.timeout, node?.serviceId], ['0s', '0s', ''])
    const own = state.checks().get('c2')?.check
    assert.deepEqual([own?.serviceName, own?.serviceTags], ['web', ['t']])
    await assert.rejects(addCheck(state, { Name: 'x', TTL: '1s', ServiceID: 'nope' }), {
      code: 'NOT_FOUND',
      message: 'ServiceID "nope" does not exist',
    })
  })
})

describe('a ttl check', () => {
  it('turns critical when nothing reports in time, and says what was last heard', async () => {
    const { state, clock } = await started()
    await addCheck(state, { Name: 'a', TTL: '10s', Status: 'passing' })
    clock.advance(9_999)
    assert.equal(state.checks().get('a')?.check.status, 'passing')
    clock.advance(1)
    assert.deepEqual(statusOf(state, 'a'), ['critical', 'TTL expired'])
    await state.updateTtl('a', 'passing', 'ok')
    clock.advance(10_000)
    assert.deepEqual(statusOf(state, 'a'), [
      'critical',
      'TTL expired (last output before timeout follows): ok',
    ])
  })

  it('starts its time anew with each report', async () => {
    const { state, clock } = await started()
    await addCheck(state, { Name: 'a', TTL: '10s' })
    for (let i = 0; i < 5; i++) {
      await state.updateTtl('a', 'warning', `beat ${i}`)
      clock.advance(9_000)
    }
    assert.deepEqual(statusOf(state, 'a'), ['warning', 'beat 4'])
  })

  it('cuts long reports and keeps none when told to', async () => {
    const { state } = await started()
    await addCheck(state, { Name: 'a', TTL: '10s', OutputMaxSize: 5 })
    await state.updateTtl('a', 'passing', '0123456789')
    assert.equal(statusOf(state, 'a')[1], '01234 ... (captured 5 of 10 bytes)')
    const discarding = await started({ discardOutput: true })
    await addCheck(discarding.state, { Name: 'a', TTL: '10s' })
    await discarding.state.updateTtl('a', 'passing', 'x')
    assert.deepEqual(statusOf(discarding.state, 'a'), ['passing', ''])
  })

  it('is the only kind that takes reports', async () => {
    const { state } = await started()
    await addCheck(state, { Name: 'tcp', TCP: 'h:1', Interval: '1s' })
    await assert.rejects(state.updateTtl('tcp', 'passing', ''), {
      code: 'REJECTED',
      message: 'CheckID "tcp" does not have associated TTL',
    })
    await assert.rejects(state.updateTtl('none', 'passing', ''), { code: 'NOT_FOUND' })
  })

  it('leaves no timer after stop', async () => {
    const { state, clock } = await started()
    await addCheck(state, { Name: 'a', TTL: '10s' })
    assert.equal(clock.armed, 1)
    await state.stop()
    assert.equal(clock.armed, 0)
  })
})

describe('maintenance', () => {
  it('of a service is a critical check that comes and goes', async () => {
    const { state } = await started()
    await register(state, { Name: 'web', Tags: ['t'] })
    await state.setServiceMaintenance('web', true, '')
    await state.setServiceMaintenance('web', true, 'again')
    const check = state.checks().get('_service_maintenance:web')?.check
    assert.equal(check?.name, 'Service Maintenance Mode')
    assert.equal(check?.type, 'maintenance')
    assert.equal(
      check?.notes,
      'Maintenance mode is enabled for this service, but no reason was provided. This is a default message.',
    )
    assert.equal(state.aggregate('web'), 'maintenance')
    await state.setServiceMaintenance('web', false, '')
    await state.setServiceMaintenance('web', false, '')
    assert.equal(state.aggregate('web'), 'passing')
    await assert.rejects(state.setServiceMaintenance('nope', true, ''), { code: 'NOT_FOUND' })
  })

  it('of the node bears on every service', async () => {
    const { state } = await started()
    await register(state, { Name: 'web' })
    await state.setNodeMaintenance(true, 'kernel')
    assert.equal(state.checks().get('_node_maintenance')?.check.notes, 'kernel')
    assert.equal(state.aggregate('web'), 'maintenance')
  })
})

describe('local state', () => {
  it('tells its listeners of changes and of nothing else', async () => {
    const { state } = await started()
    const seen: LocalChange[] = []
    const stop = state.onChange((change) => seen.push(change))
    const body = { Name: 'web', Check: { TTL: '10s' } }
    await register(state, body)
    await register(state, body)
    state.reportCheck('service:web', 'critical', '')
    assert.deepEqual(seen, [
      { kind: 'service', id: 'web', removed: false },
      { kind: 'check', id: 'service:web', removed: false },
    ])
    seen.length = 0
    state.reportCheck('service:web', 'passing', '')
    await state.deregisterService('web')
    stop()
    await register(state, body)
    assert.deepEqual(seen, [
      { kind: 'check', id: 'service:web', removed: false },
      { kind: 'check', id: 'service:web', removed: true },
      { kind: 'service', id: 'web', removed: true },
    ])
  })

  it('waits for the offered sync after registering', async () => {
    const { state } = await started()
    const order: string[] = []
    state.bindSync(async () => {
      await Promise.resolve()
      order.push(`sync with ${state.services().size}`)
    })
    await register(state, { Name: 'web' })
    order.push('answered')
    assert.deepEqual(order, ['sync with 1', 'answered'])
  })

  it('names the version it is compatible with in the node meta', async () => {
    const { state } = await started()
    assert.deepEqual(state.nodeMeta(), {
      rack: 'r7',
      'consul-network-segment': '',
      'consul-version': '1.21.4',
    })
  })

  it('remembers when a check turned critical', async () => {
    const { state, clock } = await started()
    await register(state, { Name: 'web', Check: { TTL: '1h' } })
    assert.equal(state.criticalSince('service:web'), 0)
    clock.advance(100)
    state.reportCheck('service:web', 'passing', '')
    assert.equal(state.criticalSince('service:web'), undefined)
    state.reportCheck('service:web', 'critical', '')
    clock.advance(100)
    state.reportCheck('service:web', 'critical', 'more')
    assert.equal(state.criticalSince('service:web'), 100)
  })

  it('keeps addresses that servers gave over a new registration', async () => {
    const { state } = await started()
    await register(state, { Name: 'web' })
    const virtual = { 'consul-virtual': { address: '240.0.0.1', port: 0 } }
    state.adoptFromCatalog('web', { taggedAddresses: virtual, tags: ['from-catalog'] })
    assert.deepEqual(state.services().get('web')?.service.tags, ['from-catalog'])
    await register(state, { Name: 'web', Tags: ['mine'] })
    assert.deepEqual(state.services().get('web')?.service.taggedAddresses, virtual)
    assert.deepEqual(state.services().get('web')?.service.tags, ['mine'])
  })
})
