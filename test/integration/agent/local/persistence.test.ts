/**
 * Local state over restarts, on a real data directory.
 */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { DefinitionFiles } from '../../../../agent/local/definition-files.ts'
import {
  type ConfiguredDefinitions,
  checkRegistrationFromBody,
  definitionsFromConfig,
  serviceRegistrationFromBody,
} from '../../../../agent/local/definitions.ts'
import { LocalState } from '../../../../agent/local/local-state.ts'
import { type Logger, silentLogger } from '../../../../core/log.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { loadOrCreateNodeId } from '../../../../runtime/host/node-id.ts'

let root = ''
let dataDir = ''
let clock = new ManualClock()
let runs = 0

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'fairlead-local-'))
})
after(async () => {
  await rm(root, { recursive: true, force: true })
})
beforeEach(() => {
  dataDir = join(root, String(runs++))
  clock = new ManualClock()
})

const NONE: ConfiguredDefinitions = { services: [], checks: [] }

async function boot(
  definitions: ConfiguredDefinitions = NONE,
  log: Logger = silentLogger,
): Promise<LocalState> {
  const state = new LocalState(
    {
      nodeName: 'vm-a',
      nodeId: 'id',
      nodeMeta: {},
      sidecarPorts: { min: 21_000, max: 21_255 },
      scripts: { enableScripts: false, enableLocalScripts: false },
      outputMaxSize: 4096,
      discardOutput: false,
      definitions,
    },
    { clock, log, files: new DefinitionFiles({ dataDir }, { log }) },
  )
  await state.start()
  return state
}

async function register(state: LocalState, body: object, replaceExistingChecks = false) {
  await state.registerService(serviceRegistrationFromBody(body), {
    source: 'api',
    replaceExistingChecks,
  })
}

function configured(services: readonly unknown[]): ConfiguredDefinitions {
  const result = definitionsFromConfig({ services, checkDefinitions: [] })
  assert.ok(result.ok)
  return result.value
}

const ids = (state: LocalState) => ({
  services: [...state.services().keys()].sort(),
  checks: [...state.checks().keys()].sort(),
})

it('a registration whose check cannot be kept is refused, and does not come back at the next start', async () => {
  const first = await boot()
  await register(first, { Name: 'db' })
  const inTheWay = join(dataDir, 'checks', createHash('sha256').update('service:web').digest('hex'))
  await mkdir(inTheWay)
  const web = { Name: 'web', Check: { TTL: '10s' } }
  await assert.rejects(register(first, web), { code: 'STORAGE_FAILED' })
  await assert.rejects(register(first, { ...web, Connect: { SidecarService: {} } }), {
    code: 'STORAGE_FAILED',
  })
  assert.deepEqual(ids(first), { services: ['db'], checks: [] })
  await rm(inTheWay, { recursive: true })
  assert.deepEqual(ids(await boot()), { services: ['db'], checks: [] })
})

describe('a restart', () => {
  it('finds services, sidecars, checks and maintenance as they were', async () => {
    const first = await boot()
    await register(first, {
      Name: 'web',
      Port: 80,
      Check: { TTL: '10s' },
      Connect: { SidecarService: {} },
    })
    await register(first, { Name: 'gone' })
    await first.registerCheck(checkRegistrationFromBody({ Name: 'c', TTL: '1m' }).spec, 'api', 't')
    await first.setNodeMaintenance(true, 'why')
    await first.deregisterService('gone')
    const before = { services: [...first.services()], checks: [...first.checks()] }
    // As after kill -9: no stop.
    const second = await boot()
    assert.deepEqual(new Map(second.services()), new Map(before.services))
    assert.deepEqual(new Map(second.checks()), new Map(before.checks))
    assert.equal(second.checkToken('c'), 't')
    await second.setNodeMaintenance(false, '')
    assert.equal((await boot()).checks().has('_node_maintenance'), false)
  })

  it('within the ttl keeps a reported status, and counts on from the last report', async () => {
    const first = await boot()
    await register(first, { Name: 'web', Check: { TTL: '10s' } })
    await first.updateTtl('service:web', 'passing', 'fine')
    await first.stop()
    clock.advance(6_000)
    const second = await boot()
    assert.equal(second.checks().get('service:web')?.check.status, 'passing')
    clock.advance(3_999)
    assert.equal(second.checks().get('service:web')?.check.status, 'passing')
    clock.advance(1)
    assert.equal(second.checks().get('service:web')?.check.status, 'critical')
  })

  it('after the ttl starts critical', async () => {
    const first = await boot()
    await register(first, { Name: 'web', Check: { TTL: '10s', Status: 'passing' } })
    await first.updateTtl('service:web', 'passing', 'fine')
    await first.stop()
    clock.advance(10_001)
    const second = await boot()
    assert.equal(second.checks().get('service:web')?.check.status, 'critical')
  })

  it('keeps the status it was registered with while nothing else was found', async () => {
    const first = await boot()
    const check = { TCP: '127.0.0.1:1', Interval: '10s', Status: 'passing' }
    await register(first, { Name: 'web', Check: check })
    first.reportCheck('service:web', 'passing', '')
    await first.stop()
    assert.equal((await boot()).checks().get('service:web')?.check.status, 'passing')
  })

  it('remembers the status that a runner last found', async () => {
    const first = await boot()
    const body = { Name: 'web', Check: { TCP: '127.0.0.1:1', Interval: '10s' } }
    await register(first, body)
    first.reportCheck('service:web', 'passing', 'ok')
    await first.stop()
    assert.equal((await boot()).checks().get('service:web')?.check.status, 'passing')
  })

  it('lets a configuration file win over a persisted service of the same id', async () => {
    const first = await boot()
    await register(first, { Name: 'web', Port: 1, Checks: [{ TTL: '1s' }, { TTL: '1s' }] })
    const second = await boot(configured([{ name: 'web', port: 2 }]))
    assert.equal(second.services().get('web')?.service.port, 2)
    assert.equal(second.services().get('web')?.source, 'config')
    assert.deepEqual(ids(second).checks, [])
    // Nothing comes back once the file is gone.
    assert.deepEqual(ids(await boot()), { services: [], checks: [] })
  })

  it('does not persist what files define', async () => {
    await boot(configured([{ name: 'web', connect: { sidecar_service: {} }, port: 1 }]))
    assert.deepEqual(ids(await boot()), { services: [], checks: [] })
  })

  it('gives a new sidecar of a file no port that a persisted one holds', async () => {
    const first = await boot()
    await register(first, { Name: 'api', Port: 1, Connect: { SidecarService: {} } })
    const second = await boot(
      configured([{ name: 'web', port: 1, connect: { sidecar_service: {} } }]),
    )
    assert.equal(second.services().get('api-sidecar-proxy')?.service.port, 21_000)
    assert.equal(second.services().get('web-sidecar-proxy')?.service.port, 21_001)
  })

  it('forgets checks that were replaced', async () => {
    const first = await boot()
    await register(first, { Name: 'web', Checks: [{ TTL: '1s' }, { TTL: '1s' }] })
    await register(first, { Name: 'web', Check: { TTL: '1s' } }, true)
    assert.deepEqual(ids(await boot()).checks, ['service:web'])
  })
})

describe('the data directory', () => {
  it('has private files only', async () => {
    const state = await boot()
    await register(state, { Name: 'web', Check: { TTL: '1s' } })
    await state.updateTtl('service:web', 'passing', '')
    await state.stop()
    for (const folder of ['services', 'checks', 'checks/state']) {
      const path = join(dataDir, folder)
      assert.equal((await stat(path)).mode & 0o777, 0o700)
      const files = (await readdir(path, { withFileTypes: true })).filter((e) => e.isFile())
      assert.equal(files.length, 1)
      for (const file of files) {
        assert.match(file.name, /^[0-9a-f]{64}$/)
        assert.equal((await stat(join(path, file.name))).mode & 0o777, 0o600)
      }
    }
  })

  it('loses a corrupt file with an error log and starts all the same', async () => {
    const state = await boot()
    for (const name of ['a', 'b', 'c', 'd']) await register(state, { Name: name })
    const folder = join(dataDir, 'services')
    const [truncated, altered, other] = (await readdir(folder)).sort()
    const text = await readFile(join(folder, altered ?? ''), 'utf8')
    await writeFile(join(folder, truncated ?? ''), text.slice(0, text.length / 2))
    await writeFile(join(folder, altered ?? ''), text.replace('"port":0', '"port":7'))
    await writeFile(join(folder, other ?? ''), text.replace('"version":1', '"version":99'))
    await writeFile(join(folder, 'left-over.tmp'), 'half')
    const errors: string[] = []
    const log: Logger = { ...silentLogger, error: (message) => errors.push(message) }
    const second = await boot(NONE, log)
    assert.equal(second.services().size, 1)
    assert.deepEqual(errors, Array(3).fill('corrupt registration file removed'))
    assert.equal((await readdir(folder)).length, 1)
  })

  it('that cannot be written refuses the registration and changes nothing', async () => {
    const state = await boot()
    await rm(join(dataDir, 'services'), { recursive: true })
    await assert.rejects(register(state, { Name: 'web' }), { code: 'STORAGE_FAILED' })
    assert.equal(state.services().size, 0)
  })
})

describe('the node id', () => {
  it('is made once and kept', async () => {
    const id = await loadOrCreateNodeId(dataDir)
    assert.match(id, /^[0-9a-f-]{36}$/)
    assert.equal(await loadOrCreateNodeId(dataDir), id)
    assert.equal((await stat(join(dataDir, 'node-id'))).mode & 0o777, 0o600)
    assert.notEqual(await loadOrCreateNodeId(''), id)
  })

  it('that is damaged is an error, not a new node', async () => {
    await loadOrCreateNodeId(dataDir)
    await writeFile(join(dataDir, 'node-id'), 'garbage')
    await assert.rejects(loadOrCreateNodeId(dataDir), { code: 'INVALID_CONFIG' })
  })
})
