/**
 * gRPC and HTTP/2 through the mesh, as services and callers use it: protocols, rules by method, routes, and translation.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type IncomingHttpHeaders } from 'node:http2'
import { describe, it } from 'node:test'
import { Client, credentials, status } from '@grpc/grpc-js'
import {
  ask,
  type GrpcService,
  methods,
  startGrpcService,
} from '../integration/proxy/grpc-peers.ts'
import { startAgent, type TestAgent } from './harness/agent.ts'
import { freePort } from './harness/free-port.ts'
import {
  callUntil,
  meshFlags,
  register,
  registerMesh,
  sharedAddress,
  startApp,
} from './harness/mesh.ts'
import { eventually } from './harness/program.ts'

async function write(agent: TestAgent, entry: object): Promise<void> {
  const response = await agent.put('/v1/config', entry)
  assert.equal(response.status, 200, await response.text())
}

async function registerGrpc(agent: TestAgent, name: string, { port }: GrpcService): Promise<void> {
  await write(agent, { Kind: 'service-defaults', Name: name, Protocol: 'grpc' })
  await register(agent, {
    Name: name,
    Port: port,
    Check: { TCP: `127.0.0.1:${port}`, Interval: '1s', Status: 'passing' },
    Connect: { SidecarService: {} },
  })
}

async function isAnswered(client: Client, path?: string): Promise<boolean> {
  return (await ask(client, 'x', 4000, path)).err === null
}

describe('a gRPC service in the mesh', () => {
  it('is called by unchanged clients, guarded by method, and routed by method', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    await using web = await startApp('web')
    const greeter = await startGrpcService()
    const other = await startGrpcService()
    const port = await freePort()
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
    try {
      await registerGrpc(agent, 'greeter', greeter)
      await registerGrpc(agent, 'other', other)
      const upstream = { DestinationName: 'greeter', LocalBindPort: port }
      await registerMesh(agent, web, { sidecar: { Proxy: { Upstreams: [upstream] } } })
      await eventually('the service answers', async () => await isAnswered(client))

      await write(agent, {
        Kind: 'service-intentions',
        Name: 'greeter',
        Sources: [
          {
            Name: 'web',
            Permissions: [
              { Action: 'deny', HTTP: { PathExact: methods.unary.path } },
              { Action: 'allow', HTTP: { PathPrefix: '/' } },
            ],
          },
        ],
      })
      const denied = await eventually('one method is denied', async () => {
        const { err } = await ask(client, 'x', 4000)
        return err?.code === status.PERMISSION_DENIED ? err : undefined
      })
      assert.equal(denied.details, 'RBAC: access denied')
      assert.equal(await isAnswered(client, methods.other.path), true)

      await write(agent, {
        Kind: 'service-router',
        Name: 'greeter',
        Routes: [
          {
            Match: { HTTP: { PathExact: methods.unary.path } },
            Destination: { Service: 'other' },
          },
        ],
      })
      await eventually('the denied method is served by another service', async () => {
        return await isAnswered(client)
      })
    } finally {
      client.close()
      greeter.close()
      other.close()
    }
  })
})

describe('a caller of HTTP/2', () => {
  it('reaches an application that only speaks HTTP/1, by the shared address', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    await using web = await startApp('web', (incoming, response) => {
      response.setHeader('x-version', incoming.httpVersion)
      response.end(`web ${incoming.url}`)
    })
    await write(agent, { Kind: 'service-defaults', Name: 'web', Protocol: 'http' })
    await registerMesh(agent, web)
    const address = await sharedAddress(agent, 'web')
    await callUntil((reply) => reply.status === 200, address, web.port)
    const session = connect(`http://${address}:${web.port}`)
    try {
      const stream = session.request({ ':path': '/a' })
      const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders]
      let body = ''
      for await (const chunk of stream) body += String(chunk)
      assert.deepEqual([headers[':status'], headers['x-version'], body], [200, '1.1', 'web /a'])
    } finally {
      session.destroy()
    }
  })
})
