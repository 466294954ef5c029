/**
 * What an operator revokes is refused within seconds, on new and on open connections, until it is reinstated.
 */

import assert from 'node:assert/strict'
import { connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { commandsOf, startAgent, type TestAgent } from './harness/agent.ts'
import { freePort } from './harness/free-port.ts'
import { call, meshFlags, register, startApp } from './harness/mesh.ts'
import { eventually } from './harness/program.ts'

interface Leaf {
  readonly SerialNumber: string
  readonly ServiceURI: string
}

async function leafOf(agent: TestAgent, service: string): Promise<Leaf> {
  return await agent.json<Leaf>(`/v1/agent/connect/ca/leaf/${service}`)
}

async function isAnswered(port: number, wanted: boolean): Promise<void> {
  await eventually(wanted ? 'calls are answered' : 'calls are refused', async () => {
    const isGood = await call('127.0.0.1', port).then(
      ({ status }) => status === 200,
      () => false,
    )
    return isGood === wanted ? true : undefined
  })
}

test('a revoked identity and a revoked certificate are refused, also where they are connected', async () => {
  await using agent = await startAgent({ flags: meshFlags() })
  const { ok, fails } = commandsOf(() => agent)
  await using app = await startApp('payments')
  const echo = createServer((socket) => socket.on('error', () => {}).pipe(socket))
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve))
  let stream: Socket | undefined
  try {
    const [port, echoUpstream] = [await freePort(), await freePort()]
    const services = { payments: app.port, echo: (echo.address() as { port: number }).port }
    for (const [Name, Port] of Object.entries(services)) {
      await register(agent, { Name, Port, Connect: { SidecarService: {} } })
    }
    const Upstreams = [
      { DestinationName: 'payments', LocalBindPort: port },
      { DestinationName: 'echo', LocalBindPort: echoUpstream },
    ]
    await register(agent, {
      Name: 'cart',
      Port: await freePort(),
      Connect: { SidecarService: { Proxy: { Upstreams } } },
    })
    await isAnswered(port, true)
    const open = await openStream(echoUpstream)
    stream = open.socket

    const { ServiceURI } = await leafOf(agent, 'cart')
    const id = `identity:${ServiceURI}`
    assert.equal(
      await ok('connect', 'ca', 'revoke', '-service=cart', '-reason=stolen'),
      `Revoked: ${id}\n`,
    )
    await open.ended
    await isAnswered(port, false)
    assert.match(await ok('connect', 'ca', 'revocations'), /identity:spiffe.*\/svc\/cart .* stolen/)
    const question = { Target: 'payments', ClientCertURI: ServiceURI, ClientCertSerial: '01' }
    const body = JSON.stringify(question)
    const authorize = async (): Promise<unknown> => {
      const url = `${agent.url}/v1/agent/connect/authorize`
      return await (await fetch(url, { method: 'POST', body })).json()
    }
    assert.deepEqual(await authorize(), { Authorized: false, Reason: `Revoked: ${id}` })
    // Nothing is signed for it: another agent's request is one that this agent has no leaf for yet.
    const key = ServiceURI.replace('/svc/cart', '/svc/other')
    await ok('connect', 'ca', 'revoke', `-identity=${key}`)
    const refused = await agent.get('/v1/agent/connect/ca/leaf/other')
    assert.equal(refused.status, 403)
    assert.match(await refused.text(), /is revoked$/)

    await ok('connect', 'ca', 'reinstate', id)
    await isAnswered(port, true)
    assert.match(await fails('connect', 'ca', 'reinstate', id), /Nothing is revoked by the ID/)

    // One certificate: its owner gets another, so that calls go on.
    const again = await openStream(echoUpstream)
    stream.destroy()
    stream = again.socket
    const before = await leafOf(agent, 'echo')
    await ok('connect', 'ca', 'revoke', `-serial=${before.SerialNumber}`)
    await again.ended
    await eventually('the service has another certificate', async () =>
      (await leafOf(agent, 'echo')).SerialNumber === before.SerialNumber ? undefined : true,
    )
    const last = await openStream(echoUpstream)
    last.socket.destroy()
    assert.match(await fails('connect', 'ca', 'revoke', '-serial=xyz'), /must be hexadecimal/)
    assert.match(await fails('connect', 'ca', 'revoke', '-identity=spiffe://x.y/a'), /SPIFFE ID/)
  } finally {
    stream?.destroy()
    echo.close()
  }
})

interface OpenStream {
  readonly socket: Socket
  /** Resolves when somebody else closes it. */
  readonly ended: Promise<void>
}

/** A stream through the mesh that has been answered. */
async function openStream(port: number): Promise<OpenStream> {
  return await eventually('a stream is answered', async () => {
    const socket = connect(port, '127.0.0.1')
    const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    const answered = new Promise<boolean>((resolve) => {
      socket.once('data', () => resolve(true))
      socket.once('close', () => resolve(false))
    })
    socket.on('error', () => {})
    socket.write('hello')
    return (await answered) ? { socket, ended } : undefined
  })
}
