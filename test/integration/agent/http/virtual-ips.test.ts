/**
 * Virtual addresses given by hand over HTTP (http-api.md 26, mesh.md 1.6).
 */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type RunningAgent, startAgent } from './running-agent.ts'

let agent: RunningAgent

before(async () => {
  agent = await startAgent()
})

after(async () => {
  await agent[Symbol.asyncDispose]()
  assert.deepEqual(agent.errors, [])
})

describe('virtual addresses', () => {
  const PATH = '/v1/internal/service-virtual-ip'

  it('are given by hand, taken from others, and listed', async () => {
    for (const name of ['vip-a', 'vip-b']) {
      const Service = { Service: name, Port: 1, Connect: { Native: true } }
      const node = { Node: 'vip-node', Address: '10.0.0.9', Service }
      assert.equal((await agent.send('PUT', '/v1/catalog/register', { body: node })).status, 200)
    }
    const assign = async (Service: string, ...ManualVIPs: string[]) =>
      await agent.send('PUT', PATH, { body: { Service, ManualVIPs } })
    assert.equal(
      (await assign('vip-none', '10.96.0.1')).text,
      '{"Found":false,"UnassignedFrom":null}',
    )
    assert.equal((await assign('vip-a', '10.96.0.1')).text, '{"Found":true,"UnassignedFrom":null}')
    assert.equal(
      (await assign('vip-b', '10.96.0.1', '10.96.0.2')).text,
      '{"Found":true,"UnassignedFrom":[{"ServiceName":{"Name":"vip-a"},"Peer":""}]}',
    )
    const found = (await agent.get(PATH)).json() as { Service: string; ManualVIPs: string[] }[]
    assert.deepEqual(
      found.filter(({ Service }) => Service.startsWith('vip-')).map((one) => one.ManualVIPs),
      [[], ['10.96.0.1', '10.96.0.2']],
    )
  })

  it('must be IPv4 addresses that others can have', async () => {
    for (const [body, wanted] of [
      [{ ManualVIPs: [] }, /^Service must name a service/],
      [{ Service: 'a', ManualVIPs: ['::1'] }, /"::1" is not a valid IPv4 address/],
      [{ Service: 'a', ManualVIPs: ['127.0.0.1'] }, /"127.0.0.1" is no address of a service/],
    ] as const) {
      const answer = await agent.send('PUT', PATH, { body })
      assert.equal(answer.status, 400)
      assert.match(answer.text, wanted)
    }
  })
})
