/**
 * The server role as a whole: start, stop, restart on the same folder, death without warning.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { type Logger, silentLogger } from '../../../core/log.ts'
import { unrecordedMetrics } from '../../../core/metrics/metrics.ts'
import { seededRng } from '../../../core/rng.ts'
import type { ServerApi } from '../../../core/rpc/server-api.ts'
import { instant } from '../../../core/time.ts'
import { systemClock } from '../../../runtime/clock/system-clock.ts'
import { isSignedBy } from '../../../runtime/pki/certificate.ts'
import { createKeyAndCsr } from '../../../runtime/pki/csr.ts'
import { createServer } from '../../../server/server.ts'
import { register, service, session, set } from '../../unit/server/raft-and-store.ts'
import { CLUSTER_ID, HandMembership, member, serverConfig, startServer } from './running-server.ts'

const WEB = `spiffe://${CLUSTER_ID}.consul/ns/default/dc/dc1/svc/web`

async function inFolder(use: (dataDir: string) => Promise<void>): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'fairlead-server-'))
  try {
    await use(dataDir)
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
}

async function roots(api: ServerApi) {
  let read = await api.read('ca.roots', {})
  while (read.value.activeRootId === '') {
    read = await api.read('ca.roots', {}, { minIndex: read.index, waitMs: 5000 })
  }
  return read.value
}

async function newLeaf(api: ServerApi) {
  return api.signLeaf((await createKeyAndCsr({ uri: WEB })).csrPem)
}

test('once started it leads and its own node is in the catalog, alive, with the service consul', async () => {
  await using running = await startServer()
  const { api, rpcAddress } = running.server
  const { value } = await api.read('catalog.node', { node: 'n1' }, { consistency: 'stale' })
  assert.equal(value?.checks[0]?.checkId, 'serfHealth')
  assert.equal(value?.checks[0]?.status, 'passing')
  assert.equal(value?.services[0]?.id, 'consul')
  assert.equal(`127.0.0.1:${value?.services[0]?.port}`, rpcAddress)
  assert.equal((await api.status()).leader, rpcAddress)
  assert.deepEqual(running.fatal, [])
})

test('sessions end by their TTL through the whole server', async () => {
  await using running = await startServer()
  const { api } = running.server
  const written = await api.write(session('', 50, 'n1'))
  const id = written.ok ? String(written.value) : ''
  let read = await api.read('session.get', { id })
  assert.notEqual(read.value, null)
  while (read.value !== null) {
    read = await api.read('session.get', { id }, { minIndex: read.index, waitMs: 5000 })
  }
})

test('stopped and started again on its folder, it has everything, the CA too', async () => {
  await inFolder(async (dataDir) => {
    const before = await startServer({ dataDir, devMode: false })
    const first = before.server.api
    for (let i = 0; i < 50; i++) await first.write(set(`k/${i}`, `${i}`))
    await first.write(register('n2', { service: service('web') }))
    const oldRoots = await roots(first)
    const oldLeaf = await newLeaf(first)
    await before.server.stop()

    await using after = await startServer({ dataDir, devMode: false })
    const { api } = after.server
    assert.equal((await api.read('kv.keys', { prefix: 'k/', separator: '' })).value.length, 50)
    assert.equal((await api.read('health.service', { service: 'web' })).value.length, 1)
    const newRoots = await roots(api)
    assert.equal(newRoots.activeRootId, oldRoots.activeRootId)
    const leaf = await newLeaf(api)
    const rootPem = newRoots.roots[0]?.rootCertPem ?? ''
    assert.ok(isSignedBy(leaf.certPem, rootPem))
    assert.ok(isSignedBy(oldLeaf.certPem, rootPem))
    assert.notEqual(leaf.serialNumber, oldLeaf.serialNumber)
    assert.equal((await api.status()).leader, after.server.rpcAddress, 'at its new port')
  })
})

test('killed at any moment, it keeps every write that was answered', async () => {
  await inFolder(async (dataDir) => {
    let last = -1
    for (let round = 0; round < 3; round++) {
      const child = spawn(
        process.execPath,
        [join(import.meta.dirname, 'writing-server.ts'), dataDir, String(last + 1)],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      )
      const until = last + 20 + 7 * round
      for await (const line of createInterface({ input: child.stdout })) {
        last = Number(line)
        if (last >= until) child.kill('SIGKILL')
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      assert.equal(child.signalCode, 'SIGKILL')
      assert.ok(last >= until)
    }
    await using running = await startServer({ dataDir, devMode: false })
    const { value } = await running.server.api.read('kv.list', { prefix: 'w/' })
    const found = new Set(value.map((entry) => entry.key))
    for (let i = 0; i <= last; i++) assert.ok(found.has(`w/${i}`), `w/${i} was answered and lost`)
  })
})

test('it starts and stops in a loop and leaves nothing behind', async () => {
  const resources = (): string[] =>
    process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout' || kind.startsWith('TCP'))
  await (await startServer()).server.stop()
  const before = resources().length
  for (let i = 0; i < 5; i++) {
    const running = await startServer()
    const { api } = running.server
    const blocked = assert.rejects(
      api.read('catalog.nodes', {}, { minIndex: 1_000_000, waitMs: 60_000 }),
      { code: 'SHUTTING_DOWN' },
    )
    await running.server.stop()
    await running.server.stop()
    await blocked
    assert.equal(running.membership.listeners, 0)
  }
  while (resources().length > before) await new Promise((resolve) => setImmediate(resolve))
})

test('draining ends what blocks and lets the rest finish', async () => {
  await using running = await startServer()
  const { api } = running.server
  const blocked = assert.rejects(api.read('catalog.nodes', {}, { minIndex: 1_000_000 }), {
    code: 'SHUTTING_DOWN',
  })
  const written = api.write(set('a', '1'))
  await Promise.all([written, api.status()])
  await running.server.drain(instant(systemClock.now() + 5000))
  await blocked
})

test('a port that is taken fails the start, by name, and undoes it', async () => {
  const holder = createTcpServer()
  holder.listen(0, '127.0.0.1')
  await once(holder, 'listening')
  const address = holder.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  await inFolder(async (dataDir) => {
    const ports = { ...serverConfig().ports, server: port }
    await assert.rejects(startServer({ dataDir, devMode: false, ports }), {
      code: 'INVALID_CONFIG',
      message: new RegExp(`127.0.0.1:${port}`),
    })
    await using running = await startServer({ dataDir, devMode: false })
    assert.equal((await running.server.api.status()).isLeader, true)
  })
  holder.close()
})

test('a folder that another server uses fails the start', async () => {
  await inFolder(async (dataDir) => {
    await using _ = await startServer({ dataDir, devMode: false })
    await assert.rejects(startServer({ dataDir, devMode: false }), { code: 'STORAGE_FAILED' })
  })
})

test('an aborted start is undone', async () => {
  const server = createServer(serverConfig(), {
    clock: systemClock,
    rng: seededRng(1),
    log: silentLogger,
    metrics: unrecordedMetrics,
    membership: new HandMembership([member('n1')]),
    version: '1.21.4',
    onFatal: () => assert.fail('not fatal'),
  })
  await assert.rejects(server.start(AbortSignal.abort(new Error('changed my mind'))), /my mind/)
  await server.stop()
})

const NO_SERVER: readonly (readonly [string, Parameters<typeof serverConfig>[0], string])[] = [
  ['without a node id', { nodeId: '' }, 'INVALID_CONFIG'],
  ['without a folder outside -dev', { devMode: false, dataDir: '' }, 'INVALID_CONFIG'],
]

for (const [what, change, code] of NO_SERVER) {
  test(`a server ${what} is refused when it is made`, async () => {
    await assert.rejects(startServer(change), { code })
  })
}

test('the settings of snapshots are taken over while it runs', async () => {
  await inFolder(async (dataDir) => {
    await using running = await startServer({ dataDir, devMode: false })
    const { raft } = serverConfig()
    const { api } = running.server
    await api.write(set('before', 'x'))
    const folder = join(dataDir, 'raft', 'snapshots')
    await assert.rejects(readdir(folder), { code: 'ENOENT' })
    const often = { ...raft, snapshotThreshold: 1, snapshotIntervalMs: 1 }
    running.server.reload(serverConfig({ raft: often }))
    let taken: readonly string[] = []
    while (taken.length === 0) {
      await api.write(set('after', 'x'))
      taken = await readdir(folder).catch(() => [])
    }
  })
})

test('a data directory on a file system that forgets is warned of', async (t) => {
  // The only tmpfs that is there without being root, and containers and other systems may lack it.
  if (!existsSync('/dev/shm')) return t.skip('there is no /dev/shm here')
  const shared = await mkdtemp('/dev/shm/fairlead-server-')
  const warnings: unknown[] = []
  const log: Logger = {
    ...silentLogger,
    child: () => log,
    warn: (_message, facts) => warnings.push(facts),
  }
  try {
    await using _running = await startServer({ dataDir: shared, devMode: false }, { log })
    assert.deepEqual(warnings, [{ dataDir: shared, fileSystem: 'tmpfs' }])
  } finally {
    await rm(shared, { recursive: true, force: true })
  }
})
