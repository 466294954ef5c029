/**
 * The mesh as its users meet it: plain HTTP by name, mutual TLS underneath, intentions that bite at once,
 * a proxy that outlives its own death and its agent's.
 */

import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { connect as connectTcp, createServer as createTcpServer } from 'node:net'
import { describe, it } from 'node:test'
import { startAgent, temporaryFolder } from './harness/agent.ts'
import {
  call,
  callUntil,
  intend,
  keepAlive,
  meshFlags,
  proxyPid,
  type Reply,
  register,
  registerMesh,
  sharedAddress,
  startApp,
} from './harness/mesh.ts'
import { eventually, isAlive, kill, processesMentioning } from './harness/program.ts'

const isOk = (reply: Reply): boolean => reply.status === 200

describe('a service of the mesh', () => {
  it('answers at its shared address, to a caller that knows nothing of the mesh', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    await using payments = await startApp('payments')
    await using cart = await startApp('cart')
    await registerMesh(agent, payments)
    await registerMesh(agent, cart)
    const address = await sharedAddress(agent, 'payments')
    assert.match(address, /^127\./)
    const reply = await callUntil(isOk, address, payments.port, '/make-payment')
    assert.equal(reply.body, 'payments /make-payment')
  })

  it('answers on port 80 where that may be bound', async (t) => {
    if (process.getuid?.() !== 0) return t.skip('binding port 80 needs a privilege')
    await using agent = await startAgent({ flags: meshFlags() })
    await using payments = await startApp('payments')
    await registerMesh(agent, payments)
    await callUntil(isOk, await sharedAddress(agent, 'payments'), 80)
  })

  it('is called through an explicit upstream too', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    await using payments = await startApp('payments')
    await using cart = await startApp('cart')
    await using reserved = await startApp('reserved')
    const port = reserved.port
    await reserved[Symbol.asyncDispose]()
    await registerMesh(agent, payments)
    await registerMesh(agent, cart, {
      sidecar: {
        proxy: { upstreams: [{ destination_name: 'payments', local_bind_port: port }] },
      },
    })
    await eventually('the upstream answers', async () => isOk(await call('127.0.0.1', port)))
  })

  it('shares its calls among its instances, and loses none when one dies', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    await using first = await startApp('payments')
    await using second = await startApp('payments')
    await registerMesh(agent, first, { id: 'payments-1' })
    await registerMesh(agent, second, { id: 'payments-2' })
    const address = await sharedAddress(agent, 'payments')
    await eventually('both instances answer', async () => {
      assert.equal((await call(address, first.port)).status, 200)
      return first.served() > 0 && second.served() > 0
    })
    await first[Symbol.asyncDispose]()
    await eventually('the check turned critical', async () => {
      const checks = await agent.json<Record<string, { Status: string }>>('/v1/agent/checks')
      return checks['service:payments-1']?.Status === 'critical'
    })
    await eventually('the proxy has heard of it', async () => {
      const before = second.served()
      for (let i = 0; i < 4; i++) await call(address, second.port)
      return second.served() === before + 4
    })
    for (let i = 0; i < 50; i++) assert.equal((await call(address, second.port)).status, 200)
  })

  it('speaks only to holders of a certificate of the mesh', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    await using payments = await startApp('payments')
    await registerMesh(agent, payments)
    await callUntil(isOk, await sharedAddress(agent, 'payments'), payments.port)
    const sidecar = await agent.json<{ Port: number }>('/v1/agent/service/payments-sidecar-proxy')
    const before = payments.served()
    await assert.rejects(call('127.0.0.1', sidecar.Port))
    assert.equal(payments.served(), before)
  })
})

describe('intentions', () => {
  it('deny and allow new calls, by the identity of the caller', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    await using payments = await startApp('payments')
    await using cart = await startApp('cart')
    await registerMesh(agent, payments)
    await registerMesh(agent, cart)
    const address = await sharedAddress(agent, 'payments')
    await callUntil(isOk, address, payments.port)
    await intend(agent, 'cart', 'payments', 'deny')
    const denied = await callUntil((reply) => reply.status === 403, address, payments.port)
    assert.equal(denied.body, 'RBAC: access denied')
    const before = payments.served()
    await call(address, payments.port)
    assert.equal(payments.served(), before)
    await intend(agent, 'cart', 'payments', 'allow')
    await callUntil(isOk, address, payments.port)
  })

  it('cut what is already open', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    let openResponses = 0
    await using payments = await startApp('payments', (incoming, response) => {
      if (incoming.url !== '/endless') return void response.end('quick')
      openResponses++
      response.on('close', () => openResponses--)
      response.write('begun')
    })
    await using cart = await startApp('cart')
    await registerMesh(agent, payments)
    await registerMesh(agent, cart)
    const address = await sharedAddress(agent, 'payments')
    await callUntil(isOk, address, payments.port, '/quick')
    const open = call(address, payments.port, '/endless')
    const cut = assert.rejects(open)
    await eventually('the response has begun', () => openResponses > 0)
    await intend(agent, 'cart', 'payments', 'deny')
    await cut
    await eventually('the service sees the end', () => openResponses === 0)
  })
})

describe('raw TCP', () => {
  it('passes both ways, with half-close', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
      let text = ''
      socket.setEncoding('utf8').on('data', (piece: string) => {
        text += piece
      })
      socket.on('end', () => socket.end(text.toUpperCase()))
      socket.on('error', () => {})
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const port = (server.address() as AddressInfo).port
    try {
      await register(agent, { Name: 'echo', Port: port, Connect: { SidecarService: {} } })
      const address = await sharedAddress(agent, 'echo')
      const answer = await eventually('the stream is echoed', async () => {
        const text = await exchange(address, port, '\u0000binary, no HTTP')
        return text === '' ? undefined : text
      })
      assert.equal(answer, '\u0000BINARY, NO HTTP')
    } finally {
      server.close()
    }
  })
})

describe('the proxy', () => {
  it('is started again when it is killed', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    await using payments = await startApp('payments')
    await registerMesh(agent, payments)
    const address = await sharedAddress(agent, 'payments')
    await callUntil(isOk, address, payments.port)
    const before = await proxyPid(agent)
    kill(before)
    await eventually('the mesh answers again', async () => isOk(await call(address, payments.port)))
    assert.notEqual(await proxyPid(agent), before)
  })

  it('goes on with requests in flight while its agent is killed and started again', async () => {
    const dataDir = await temporaryFolder()
    const flags = meshFlags()
    let release: (() => void) | undefined
    await using payments = await startApp('payments', (incoming, response) => {
      if (incoming.url !== '/slow') return void response.end('quick')
      response.write('half ')
      release = () => response.end('done')
    })
    const keep = keepAlive()
    try {
      let proxy: number
      let slow: Promise<Reply>
      let address: string
      {
        await using agent = await startAgent({ dataDir, flags, leavesProxy: true })
        await registerMesh(agent, payments)
        address = await sharedAddress(agent, 'payments')
        await callUntil(isOk, address, payments.port)
        proxy = await proxyPid(agent, dataDir)
        slow = call(address, payments.port, '/slow', { keep })
        await eventually('the slow response has begun', () => release !== undefined)
        agent.signal('SIGKILL')
        await agent.ended
        assert.equal((await call(address, payments.port)).status, 200, 'served without an agent')
      }
      await using agent = await startAgent({ dataDir, flags })
      await eventually('the agent adopted the proxy', () =>
        agent.output().includes('adopted the running proxy'),
      )
      assert.equal(await proxyPid(agent, dataDir), proxy)
      for (let i = 0; i < 20; i++) assert.equal((await call(address, payments.port)).status, 200)
      release?.()
      assert.equal((await slow).body, 'half done')
      await intend(agent, '*', 'payments', 'deny')
      await callUntil((reply) => reply.status === 403, address, payments.port)
    } finally {
      keep.destroy()
      for (const pid of processesMentioning(dataDir)) kill(pid)
      await rm(dataDir, { recursive: true, force: true })
    }
  })

  it('ends with its agent', async () => {
    let pid: number
    {
      await using agent = await startAgent({ flags: meshFlags() })
      await using payments = await startApp('payments')
      await registerMesh(agent, payments)
      pid = await proxyPid(agent)
      agent.signal('SIGTERM')
      assert.equal((await agent.ended).code, 0)
      assert.equal(isAlive(pid), false)
    }
  })
})

async function exchange(host: string, port: number, text: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    let answer = ''
    const socket = connectTcp({ host, port, allowHalfOpen: true }, () => socket.end(text))
    socket.setEncoding('utf8').on('data', (piece: string) => {
      answer += piece
    })
    socket.on('end', () => resolve(answer))
    socket.on('error', reject)
  })
}
