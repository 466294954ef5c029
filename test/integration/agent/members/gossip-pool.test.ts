/**
 * The gossip pool over real sockets: joining, failing, leaving, coming back, and being refused.
 */

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { distance, ERROR_MAX } from '../../../../core/coordinates/coordinate.ts'
import { parseIpNetwork } from '../../../../core/ip-network.ts'
import {
  addressOf,
  NEVER,
  type Pool,
  sees,
  seesAlive,
  startPool,
  temporaryFolder,
  until,
} from './pool-fixture.ts'

async function startThree(t: Parameters<typeof startPool>[0]): Promise<[Pool, Pool, Pool]> {
  const [a, b, c] = await Promise.all([startPool(t, 'a'), startPool(t, 'b'), startPool(t, 'c')])
  assert.equal(await b.join([addressOf(a)], NEVER), 1)
  assert.equal(await c.join([addressOf(a)], NEVER), 1)
  await Promise.all([a, b, c].map((pool) => until(pool, seesAlive('a', 'b', 'c'))))
  return [a, b, c]
}

test('members find each other, and hear of new tags', async (t) => {
  const [a, b, c] = await startThree(t)
  c.setTags({ role: 'consul', port: '8300' })
  assert.deepEqual(c.self().tags, { role: 'consul', port: '8300' })
  for (const pool of [a, b]) {
    await until(pool, (members) => members.find((m) => m.name === 'c')?.tags['port'] === '8300')
  }
  const seen = a.members().find((member) => member.name === 'c')
  assert.deepEqual({ ...seen }, { ...c.self() })
})

test('members measure how far they are from each other, but where that is switched off', async (t) => {
  const [a, b] = await startThree(t)
  const off = await startPool(t, 'd', { hasCoordinate: false })
  assert.equal(await off.join([addressOf(a)], NEVER), 1)
  assert.equal(off.coordinate, null)
  const trust = (pool: Pool): number => pool.coordinate?.error ?? ERROR_MAX
  await t.waitFor(() => assert.ok(trust(a) < ERROR_MAX && trust(b) < ERROR_MAX), {
    timeout: 30_000,
  })
  assert.ok(a.coordinate !== null && b.coordinate !== null)
  const seconds = distance(a.coordinate, b.coordinate)
  assert.ok(seconds > 0 && seconds < 0.5, `on one host: ${seconds} s`)
})

test('a member that is cut off is seen as failed, and as alive when it is back', async (t) => {
  const [a, b, c] = await startThree(t)
  const { port } = c.self()
  await c.stop()
  await Promise.all([a, b].map((pool) => until(pool, sees('c', 'failed'))))
  // The others find it again by themselves: nobody tells it to join.
  const again = await startPool(t, 'c', { port })
  await Promise.all([a, b, again].map((pool) => until(pool, seesAlive('a', 'b', 'c'))))
})

test('a member that leaves is seen as left, never as failed', async (t) => {
  const [a, b, c] = await startThree(t)
  const seen = new Set<string>()
  for (const pool of [a, b]) {
    pool.onChange((members) => {
      const status = members.find((m) => m.name === 'c')?.status
      if (status !== undefined) seen.add(status)
    })
  }
  await c.leave(NEVER)
  await c.stop()
  await Promise.all([a, b].map((pool) => until(pool, sees('c', 'left'))))
  assert.deepEqual(seen.has('failed'), false)
})

test('a member alone leaves at once', async (t) => {
  const a = await startPool(t, 'a')
  await a.leave(NEVER)
  assert.equal(a.self().status, 'left')
})

test('a failed member is declared left by an operator, or forgotten', async (t) => {
  const [a, b, c] = await startThree(t)
  await c.stop()
  await Promise.all([a, b].map((pool) => until(pool, sees('c', 'failed'))))
  await a.forceLeave('c', { prune: false })
  await Promise.all([a, b].map((pool) => until(pool, sees('c', 'left'))))
  await b.forceLeave('c', { prune: true })
  await Promise.all([a, b].map((pool) => until(pool, (m) => m.every(({ name }) => name !== 'c'))))
  await assert.rejects(a.forceLeave('nobody', { prune: false }), {
    code: 'NOT_FOUND',
    message: "No node found with name 'nobody'",
  })
})

test('a live member that is forced to leave objects and stays', async (t) => {
  const [a, b, c] = await startThree(t)
  await a.forceLeave('c', { prune: false })
  await Promise.all([a, b, c].map((pool) => until(pool, seesAlive('a', 'b', 'c'))))
})

test('a restarted member finds the pool from its file, with a new port', async (t) => {
  const folder = await temporaryFolder(t)
  const snapshotPath = join(folder, 'serf', 'local.snapshot')
  const a = await startPool(t, 'a')
  const b = await startPool(t, 'b', { snapshotPath })
  await b.join([addressOf(a)], NEVER)
  await until(b, seesAlive('a', 'b'))
  await b.stop()
  const again = await startPool(t, 'b', { snapshotPath })
  await until(again, seesAlive('a', 'b'))
  await until(a, (members) =>
    members.some(({ name, port, status }) => {
      return name === 'b' && port === again.self().port && status === 'alive'
    }),
  )
})

test('a member that had left rejoins from its file only when told to', async (t) => {
  const folder = await temporaryFolder(t)
  const snapshotPath = join(folder, 'local.snapshot')
  const a = await startPool(t, 'a')
  const b = await startPool(t, 'b', { snapshotPath })
  await b.join([addressOf(a)], NEVER)
  await b.leave(NEVER)
  await b.stop()
  const again = await startPool(t, 'b', { snapshotPath })
  assert.deepEqual(seesAlive('b')(again.members()), true)
  await again.stop()
  const told = await startPool(t, 'b', { snapshotPath, rejoinAfterLeave: true })
  await Promise.all([a, told].map((pool) => until(pool, seesAlive('a', 'b'))))
})

test('a second host with a name in use is refused, and told by whom', async (t) => {
  const a = await startPool(t, 'a')
  const b = await startPool(t, 'b')
  await b.join([addressOf(a)], NEVER)
  const impostor = await startPool(t, 'b', { nodeId: 'another-host' })
  await assert.rejects(impostor.join([addressOf(a)], NEVER), (error: Error) => {
    assert.match(error.message, /node name "b" is in use by 127\.0\.0\.1:\d+ with node id id-of-b/)
    return true
  })
  const clone = await startPool(t, 'b', { nodeId: 'id-of-b' })
  await assert.rejects(clone.join([addressOf(b)], NEVER), /a data directory serves one agent only/)
  assert.equal(a.members().find((member) => member.name === 'b')?.port, b.self().port)
})

test('a host whose address is in no allowed network is refused, and told so', async (t) => {
  const network = parseIpNetwork('127.0.0.0/30')
  assert.ok(network !== null)
  const a = await startPool(t, 'a', { allowedNetworks: [network] })
  const near = await startPool(t, 'near', {
    bindAddress: '127.0.0.2',
    advertiseAddress: '127.0.0.2',
  })
  await near.join([addressOf(a)], NEVER)
  const far = await startPool(t, 'far', { bindAddress: '127.0.0.9', advertiseAddress: '127.0.0.9' })
  await assert.rejects(
    far.join([addressOf(a)], NEVER),
    /its address 127\.0\.0\.9 is in none of the networks of serf_lan_allowed_cidrs/,
  )
  await until(a, seesAlive('a', 'near'))
})

test('pools of different labels do not mix, and say so', async (t) => {
  const a = await startPool(t, 'a')
  const b = await startPool(t, 'b', { label: 'dc2' })
  await assert.rejects(b.join([addressOf(a)], NEVER), /it belongs to another pool: "dc1"/)
  assert.deepEqual(a.members().length, 1)
})

test('joining tells of every address why it failed', async (t) => {
  const a = await startPool(t, 'a')
  const b = await startPool(t, 'b')
  const closed = createServer().listen(0, '127.0.0.1')
  const { promise, resolve } = Promise.withResolvers<void>()
  closed.on('listening', resolve)
  await promise
  const { port } = closed.address() as { port: number }
  await new Promise((done) => closed.close(done))
  const dead = `127.0.0.1:${port}`
  await assert.rejects(a.join([dead, 'a b'], NEVER), {
    code: 'NO_SERVERS',
    message: new RegExp(`127\\.0\\.0\\.1:${port}: .*ECONNREFUSED.*"a b" is not an address`),
  })
  assert.equal(await a.join([dead, addressOf(b)], NEVER), 1)
  // Its own address is no member found, and no failure.
  assert.equal(await a.join([addressOf(a)], NEVER), 0)
})

test('a name is looked up, and a join can be given up', async (t) => {
  const a = await startPool(t, 'a')
  const b = await startPool(t, 'b')
  assert.equal(await b.join([`localhost:${a.self().port}`], NEVER), 1)
  const given = AbortSignal.abort(new Error('given up'))
  await assert.rejects(b.join([addressOf(a)], given), /given up/)
})

test('garbage over UDP and TCP changes nothing', async (t) => {
  const [a, b] = await startThree(t)
  const { port } = a.self()
  const udp = createSocket('udp4')
  t.after(() => udp.close())
  for (let size = 0; size < 200; size++) {
    const bytes = Buffer.from(Array.from({ length: size }, (_, i) => (i * 37 + size * 11) & 255))
    await new Promise((done) => udp.send(bytes, port, '127.0.0.1', done))
  }
  for (const bytes of [
    'GET / HTTP/1.1\r\n\r\n',
    '\x01\x00\x03dc1\xff\xff\xff\xff',
    '\x01\x00\x03dc2',
  ]) {
    const { promise, resolve } = Promise.withResolvers<void>()
    const socket = connect(port, '127.0.0.1', () => socket.end(Buffer.from(bytes, 'latin1')))
    socket.on('error', () => {})
    socket.on('close', () => resolve())
    socket.resume()
    await promise
  }
  b.setTags({ after: 'garbage' })
  await until(a, (members) => members.some(({ tags }) => tags['after'] === 'garbage'))
  assert.ok(seesAlive('a', 'b', 'c')(a.members()))
})

test('over IPv6 it is the same', async (t) => {
  const options = { bindAddress: '::1', advertiseAddress: '::1' }
  const a = await startPool(t, 'a', options)
  const b = await startPool(t, 'b', options)
  assert.equal(await b.join([addressOf(a)], NEVER), 1)
  await Promise.all([a, b].map((pool) => until(pool, seesAlive('a', 'b'))))
})

test('a port that is taken is an error that names it', async (t) => {
  const a = await startPool(t, 'a')
  await assert.rejects(startPool(t, 'b', { port: a.self().port }), {
    code: 'INVALID_CONFIG',
    message: /Failed to start gossip: .*EADDRINUSE/,
  })
})

test('tags that gossip cannot carry are refused and nothing changes', async (t) => {
  const a = await startPool(t, 'a')
  assert.throws(() => a.setTags({ big: 'x'.repeat(600) }), { code: 'TOO_LARGE' })
  assert.deepEqual(a.self().tags, { role: 'node' })
})

test('what gossip cannot carry is refused before anything is bound', async (t) => {
  await assert.rejects(startPool(t, 'line\nend'), { code: 'INVALID_CONFIG', message: /Node name/ })
  await assert.rejects(startPool(t, 'a', { label: 'x'.repeat(256) }), { code: 'INVALID_CONFIG' })
  await assert.rejects(startPool(t, 'a', { advertiseAddress: '::1' }), {
    code: 'INVALID_CONFIG',
    message: /one IP family/,
  })
})
