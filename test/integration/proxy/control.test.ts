/**
 * The proxy as its agent sees it: the control socket, listeners that come and go, drain and end.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { createServer as createHttpServer, type Server } from 'node:http'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { silentLogger } from '../../../core/log.ts'
import { type AgentToProxy, PROXY_CONTROL_PROTOCOL } from '../../../core/mesh/proxy-control.ts'
import type { ProxySnapshot } from '../../../core/mesh/proxy-snapshot.ts'
import { PATCH_FORMAT, patchOf } from '../../../core/mesh/snapshot-patch.ts'
import { seededRng } from '../../../core/rng.ts'
import { instant } from '../../../core/time.ts'
import { type ProxyService, runProxy } from '../../../proxy/main.ts'
import { ManualClock } from '../../../runtime/clock/manual-clock.ts'
import { systemClock } from '../../../runtime/clock/system-clock.ts'
import { TestAgent } from './control-agent.ts'
import {
  cluster,
  emptySnapshot,
  endpoint,
  eventually,
  listening,
  Mesh,
  outboundListener,
  portOf,
  RawClient,
  serverPort,
  testCa,
} from './mesh-fixture.ts'

describe('a proxy under its agent', () => {
  let folder = ''
  let app: Server
  let callee: Mesh
  let count = 0
  const proxies: ProxyService[] = []

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fairlead-proxy-'))
    app = await listening(
      createHttpServer((incoming, outgoing) => {
        if (incoming.url === '/forever') outgoing.write('first')
        else incoming.on('end', () => outgoing.end('ok')).resume()
      }),
    )
    callee = await Mesh.start(serverPort(app))
  })
  after(async () => {
    for (const proxy of proxies) await proxy.stop()
    callee.close()
    app.close()
    app.closeAllConnections()
    await rm(folder, { recursive: true })
  })

  const start = async (
    options: { orphanTimeoutMs?: number; clock?: ManualClock } = {},
  ): Promise<{ proxy: ProxyService; path: string }> => {
    const path = join(folder, `p${count++}`, 'control.sock')
    const proxy = await runProxy(
      { controlSocket: path, orphanTimeoutMs: options.orphanTimeoutMs ?? 0 },
      { clock: options.clock ?? systemClock, rng: seededRng(1), log: silentLogger },
    )
    proxies.push(proxy)
    return { proxy, path }
  }

  const snapshot = async (version: number): Promise<ProxySnapshot> => {
    const ca = await testCa()
    return {
      ...emptySnapshot(),
      version,
      rootsPem: [ca.rootPem],
      identities: [await ca.leaf('web')],
      outbound: [outboundListener('http')],
      clusters: [cluster([endpoint('b', callee.inboundPort)])],
    }
  }

  it('greets, obeys, counts, and only its owner can reach it', async () => {
    const { proxy, path } = await start()
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    assert.equal((await stat(join(path, '..'))).mode & 0o777, 0o700)
    const agent = new TestAgent(path)
    const hello = await agent.next('hello')
    assert.equal(hello.protocol, PROXY_CONTROL_PROTOCOL)
    assert.equal(hello.pid, process.pid)
    assert.equal(hello.version, 0)
    const answer = await agent.configure(await snapshot(7))
    assert.deepEqual(answer, { kind: 'configured', version: 7, problems: [] })
    const client = new RawClient(portOf(proxy.dataPlane, 'upstream'))
    client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await client.untilText('200 OK')
    agent.send({ kind: 'stats' })
    const { stats } = await agent.next('stats')
    assert.equal(stats.requestsTotal, 1)
    assert.equal(stats.outboundConnections, 1)
    assert.ok(stats.rssBytes > 1e6)
    client.close()
    agent.socket.destroy()
  })

  it('is adopted by a second agent, and serves on between the two', async () => {
    const { proxy, path } = await start()
    const first = new TestAgent(path)
    await first.configure(await snapshot(3))
    const port = portOf(proxy.dataPlane, 'upstream')
    const running = new RawClient(port)
    running.send('GET /forever HTTP/1.1\r\nhost: a\r\n\r\n')
    await running.untilText('first')
    first.socket.destroy()
    await once(first.socket, 'close')
    const second = new TestAgent(path)
    assert.equal((await second.next('hello')).version, 3)
    await second.configure({ ...(await snapshot(4)) })
    assert.equal(portOf(proxy.dataPlane, 'upstream'), port, 'the port stays open')
    assert.equal(running.closed || running.ended, false)
    const third = new TestAgent(path)
    await third.next('hello')
    await eventually(() => second.closed, 'the newest agent wins')
    running.close()
    third.socket.destroy()
  })

  it('changes nothing for an equal snapshot and keeps the port over a new destination', async () => {
    const { proxy, path } = await start()
    const agent = new TestAgent(path)
    const one = await snapshot(1)
    await agent.configure(one)
    const port = portOf(proxy.dataPlane, 'upstream')
    const client = new RawClient(port)
    client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await client.untilText('200 OK')
    await agent.configure({ ...one, version: 2 })
    await agent.configure({ ...one, version: 3, clusters: [cluster([])] })
    client.text = ''
    client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await client.untilText('no healthy upstream')
    assert.equal(portOf(proxy.dataPlane, 'upstream'), port)
    client.close()
    agent.socket.destroy()
  })

  it('takes the change of a snapshot that it has, and of no other', async () => {
    const { proxy, path } = await start()
    const agent = new TestAgent(path)
    assert.equal((await agent.next('hello')).patchFormat, PATCH_FORMAT)
    const one = await snapshot(1)
    await agent.configure(one)
    const client = new RawClient(portOf(proxy.dataPlane, 'upstream'))
    client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await client.untilText('200 OK')
    const two = { ...one, version: 2, clusters: [cluster([])] }
    agent.send({ kind: 'patch', patch: patchOf(one, two) })
    assert.equal((await agent.next('configured')).version, 2)
    client.text = ''
    client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await client.untilText('no healthy upstream')
    agent.send({ kind: 'patch', patch: patchOf(two, { ...one, version: 3 }) })
    assert.equal((await agent.next('configured')).version, 3)
    client.text = ''
    client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await client.untilText('200 OK')
    agent.send({ kind: 'patch', patch: patchOf(one, two) })
    await eventually(() => agent.closed, 'a patch of another base ends the connection')
    for (const patch of [null, {}, { base: 3 }, patchOf(one, two)]) {
      const other = new TestAgent(path)
      if (patch !== null && 'snapshot' in patch) await other.next('hello')
      else await other.configure({ ...one, version: 3 })
      other.send({ kind: 'patch', patch } as AgentToProxy)
      await eventually(() => other.closed, 'so does what is none, and one without a base')
    }
    client.text = ''
    client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await client.untilText('200 OK')
    client.close()
  })

  it('names listeners it cannot open and opens them when it can', async () => {
    const { proxy, path } = await start()
    const agent = new TestAgent(path)
    const holder = await listening(createServer())
    const bind = { address: '127.0.0.1', port: serverPort(holder) }
    const one = await snapshot(1)
    const wanted = { ...one, outbound: [{ ...outboundListener('http'), bind }] }
    const answer = await agent.configure(wanted)
    assert.deepEqual(
      answer.problems.map(({ listenerId, bind: at, code }) => ({ listenerId, at, code })),
      [{ listenerId: 'upstream', at: `127.0.0.1:${bind.port}`, code: 'EADDRINUSE' }],
    )
    await new Promise((resolve) => holder.close(resolve))
    assert.deepEqual((await agent.configure({ ...wanted, version: 2 })).problems, [])
    assert.equal(portOf(proxy.dataPlane, 'upstream'), bind.port)
    agent.socket.destroy()
  })

  it('closes the port of a listener that is gone, and lets its exchange end', async () => {
    const { proxy, path } = await start()
    const agent = new TestAgent(path)
    const one = await snapshot(1)
    await agent.configure(one)
    const port = portOf(proxy.dataPlane, 'upstream')
    const running = new RawClient(port)
    running.send('GET /forever HTTP/1.1\r\nhost: a\r\n\r\n')
    await running.untilText('first')
    const idle = new RawClient(port)
    idle.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await idle.untilText('200 OK')
    await agent.configure({ ...one, version: 2, outbound: [] })
    await idle.untilEnded()
    assert.equal(running.closed || running.ended, false)
    const late = connect({ port, host: '127.0.0.1' })
    const [err] = (await once(late, 'error')) as [NodeJS.ErrnoException]
    assert.equal(err.code, 'ECONNREFUSED')
    running.close()
    agent.socket.destroy()
  })

  it('listens on a Unix socket with the mode asked for', async () => {
    const { path } = await start()
    const agent = new TestAgent(path)
    const one = await snapshot(1)
    const socketPath = join(folder, 'up.sock')
    const bind = { socketPath, mode: '0620' }
    const answer = await agent.configure({
      ...one,
      outbound: [{ ...outboundListener('http'), bind }],
    })
    assert.deepEqual(answer.problems, [])
    assert.equal((await stat(socketPath)).mode & 0o777, 0o620)
    const socket = connect({ path: socketPath })
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    assert.match(String(chunk), /^HTTP\/1.1 200 OK/)
    socket.destroy()
    agent.socket.destroy()
  })

  it('takes nothing new when told to end, finishes what runs, and ends at the deadline', async () => {
    const { proxy, path } = await start()
    const agent = new TestAgent(path)
    await agent.configure(await snapshot(1))
    const port = portOf(proxy.dataPlane, 'upstream')
    const running = new RawClient(port)
    running.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhel')
    const clock = systemClock
    await eventually(() => proxy.dataPlane.counters.requestsTotal === 1, 'the request begins')
    const drained = proxy.drain(instant(clock.now() + 8000))
    running.send('lo')
    await running.untilText('200 OK')
    assert.match(running.text, /connection: close/i)
    await running.untilEnded()
    running.close()
    await drained
    agent.send({ kind: 'shutdown', drainMs: 0 })
    await proxy.ended
    await eventually(() => agent.closed, 'the control socket closes')
    await assert.rejects(stat(path))
  })

  it('ends when no agent comes back in time, if so told', async () => {
    const clock = new ManualClock()
    const { proxy, path } = await start({ orphanTimeoutMs: 5000, clock })
    clock.advance(4000)
    const agent = new TestAgent(path)
    await agent.next('hello')
    clock.advance(60_000)
    agent.socket.destroy()
    await eventually(() => agent.closed, 'the agent is gone')
    let ended = false
    void proxy.ended.then(() => {
      ended = true
    })
    // The proxy learns of the closed socket in a turn of its own; the timer is armed then.
    await eventually(() => {
      clock.advance(5001)
      return ended
    }, 'the orphan ends')
    assert.equal(clock.armed, 0, 'no timer is left')
  })

  it('survives an agent that talks nonsense', async () => {
    const { proxy, path } = await start()
    for (const nonsense of [
      'hello\n',
      '{"kind":"configure"}\n',
      '[]\n',
      '{"kind":"?"}\n',
      'null\n',
    ]) {
      const agent = new TestAgent(path)
      agent.socket.write(nonsense)
      await eventually(() => agent.closed, 'the connection is closed')
    }
    const agent = new TestAgent(path)
    assert.deepEqual((await agent.configure(await snapshot(1))).problems, [])
    assert.equal(proxy.dataPlane.counters.requestsTotal, 0)
    agent.socket.destroy()
  })

  it('refuses to start where another proxy listens, and takes over a socket left behind', async () => {
    const { proxy, path } = await start()
    const deps = { clock: systemClock, rng: seededRng(1), log: silentLogger }
    await assert.rejects(runProxy({ controlSocket: path, orphanTimeoutMs: 0 }, deps), {
      code: 'INVALID_CONFIG',
    })
    await proxy.stop()
  })
})
