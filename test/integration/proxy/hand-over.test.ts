/**
 * A proxy that gives its place to another, down to what happens when that other dies on the way (decision 0032).
 *
 * The first runs in this process, its successors are real processes. Under load: test/e2e/proxy-replacement.test.ts.
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { silentLogger } from '../../../core/log.ts'
import type { ProxySnapshot } from '../../../core/mesh/proxy-snapshot.ts'
import { seededRng } from '../../../core/rng.ts'
import { type ProxyService, runProxy } from '../../../proxy/main.ts'
import { systemClock } from '../../../runtime/clock/system-clock.ts'
import { freePort } from '../../e2e/harness/free-port.ts'
import { ROOT } from '../../e2e/harness/program.ts'
import { TestAgent } from './control-agent.ts'
import {
  cluster,
  emptySnapshot,
  endpoint,
  eventually,
  listening,
  Mesh,
  outboundListener,
  RawClient,
  serverPort,
  testCa,
} from './mesh-fixture.ts'

const SUCCESSOR = [process.execPath, join(ROOT, 'cli', 'main.ts'), 'proxy', 'run'] as const

describe('a proxy that hands over', () => {
  let folder = ''
  let app: Server
  let callee: Mesh
  let count = 0

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fairlead-hand-over-'))
    app = await listening(createServer((_, outgoing) => outgoing.end('ok')))
    callee = await Mesh.start(serverPort(app))
  })
  after(async () => {
    callee.close()
    app.close()
    app.closeAllConnections()
    await rm(folder, { recursive: true })
  })

  const start = async (): Promise<{ proxy: ProxyService; path: string }> => {
    const path = join(folder, `p${count++}`, 'control.sock')
    const proxy = await runProxy(
      { controlSocket: path, orphanTimeoutMs: 0 },
      { clock: systemClock, rng: seededRng(1), log: silentLogger },
    )
    return { proxy, path }
  }

  const snapshot = async (version: number, port: number): Promise<ProxySnapshot> => {
    const ca = await testCa()
    return {
      ...emptySnapshot(),
      version,
      rootsPem: [ca.rootPem],
      identities: [await ca.leaf('web')],
      outbound: [{ ...outboundListener('http'), bind: { address: '127.0.0.1', port } }],
      clusters: [cluster([endpoint('b', callee.inboundPort)])],
    }
  }

  /** One request on a connection that stays open. */
  const called = async (port: number): Promise<RawClient> => {
    const client = new RawClient(port)
    client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await client.untilText('200 OK')
    return client
  }

  it('goes on when its successor cannot be started, and says so', async () => {
    const { proxy, path } = await start()
    try {
      const port = await freePort()
      const agent = new TestAgent(path)
      assert.equal((await agent.next('hello')).handsOver, true)
      await agent.configure(await snapshot(1, port))
      agent.send({ kind: 'hand-over', command: [join(folder, 'nothing-here')] })
      assert.match((await agent.next('hand-over-failed')).reason, /cannot be started/)
      assert.deepEqual((await agent.configure(await snapshot(2, port))).problems, [])
      const client = await called(port)
      client.close()
      agent.socket.destroy()
    } finally {
      await proxy.stop()
    }
  })

  it('comes back when its successor dies before it serves, and hands over to the next', async () => {
    const { proxy, path } = await start()
    let last: TestAgent | undefined
    try {
      const port = await freePort()
      const agent = new TestAgent(path)
      await agent.next('hello')
      await agent.configure(await snapshot(1, port))
      const handOver = {
        kind: 'hand-over',
        command: [...SUCCESSOR, `-control=${path}`, '-orphan-timeout=20s', '-take-over'],
      } as const
      agent.send(handOver)
      await eventually(() => agent.closed, 'the successor has the control socket')
      const other = new TestAgent(path)
      const { pid, replaces } = await other.next('hello')
      assert.equal(replaces, process.pid)
      const early = await called(port)
      early.close()
      process.kill(pid, 'SIGKILL')
      const back = await reached(path, process.pid)
      assert.deepEqual((await back.configure(await snapshot(2, port))).problems, [])
      const kept = await called(port)

      back.send(handOver)
      await eventually(() => back.closed, 'the second has the control socket')
      last = new TestAgent(path)
      assert.notEqual((await last.next('hello')).pid, pid)
      assert.deepEqual((await last.configure(await snapshot(3, port))).problems, [])
      const later = await called(port)
      kept.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
      await kept.untilEnded()
      assert.match(kept.text, /connection: close/i)
      kept.close()
      later.close()
      await proxy.ended
    } finally {
      last?.send({ kind: 'shutdown', drainMs: 0 })
      await eventually(() => last?.closed !== false, 'the last has ended')
      await proxy.stop()
    }
  })
})

/** Waits until the proxy of this pid answers on the control socket. */
async function reached(path: string, pid: number): Promise<TestAgent> {
  let agent = new TestAgent(path)
  await eventually(() => {
    const [first] = agent.messages
    if (first?.kind === 'hello' && first.pid === pid) return true
    if (agent.closed) agent = new TestAgent(path)
    return false
  }, `the proxy ${pid} is back`)
  agent.messages.shift()
  return agent
}
