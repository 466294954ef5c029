/**
 * How calls are balanced, limited and protected, as config entries say it.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { startAgent, type TestAgent } from './harness/agent.ts'
import { callUntil, meshFlags, registerMesh, sharedAddress, startApp } from './harness/mesh.ts'

async function write(agent: TestAgent, entry: object): Promise<void> {
  const response = await agent.put('/v1/config', entry)
  assert.equal(response.status, 200, await response.text())
}

describe('settings of service-defaults', () => {
  it('reach the proxy in front of the application', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    await using slow = await startApp('slow', (incoming, response) => {
      if (incoming.url === '/never') return
      response.end('soon')
    })
    await registerMesh(agent, slow)
    const address = await sharedAddress(agent, 'slow')
    await callUntil((reply) => reply.status === 200, address, slow.port)
    await write(agent, {
      Kind: 'service-defaults',
      Name: 'slow',
      Protocol: 'http',
      LocalRequestTimeoutMs: 300,
    })
    const reply = await callUntil(({ status }) => status === 504, address, slow.port, '/never')
    assert.equal(reply.body, 'upstream request timeout')
  })
})
