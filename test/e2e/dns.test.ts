/**
 * DNS as `dig` sees it.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, before, describe, it } from 'node:test'
import { startAgent, type TestAgent } from './harness/agent.ts'
import { eventually } from './harness/program.ts'

const hasDig = spawnSync('dig', ['-v']).error === undefined

describe('dig', { skip: hasDig ? false : 'dig is not installed' }, () => {
  let agent: TestAgent

  const dig = (...args: readonly string[]): string => {
    const argv = ['@127.0.0.1', '-p', String(agent.ready.dns), '+time=5', '+tries=1', ...args]
    const { stdout, status } = spawnSync('dig', argv, { encoding: 'utf8' })
    assert.equal(status, 0, stdout)
    return stdout
  }

  before(async () => {
    agent = await startAgent({ flags: ['-node=vm-a'] })
    for (const [id, port, status] of [
      ['web-1', 8081, 'passing'],
      ['web-2', 8082, 'critical'],
    ] as const) {
      const response = await agent.put('/v1/agent/service/register', {
        Name: 'web',
        ID: id,
        Port: port,
        Address: `127.0.0.${port - 8080}`,
        Tags: [id],
        Check: { TTL: '1h', Status: status },
      })
      assert.equal(response.status, 200, await response.text())
    }
    await eventually('the catalog agrees', async () => {
      const health = await agent.json<readonly unknown[]>('/v1/health/service/web')
      return health.length === 2
    })
    await eventually('DNS knows the service', () => dig('+short', 'web.service.consul') !== '')
  })

  after(async () => {
    await agent[Symbol.asyncDispose]()
  })

  it('gets only healthy instances', () => {
    assert.equal(dig('+short', 'web.service.consul'), '127.0.0.1\n')
    assert.equal(dig('+short', '+tcp', 'web.service.dc1.consul'), '127.0.0.1\n')
  })

  it('gets ports by SRV, also in the form of RFC 2782', () => {
    assert.match(dig('+short', 'web.service.consul', 'SRV'), /^1 1 8081 \S+\.consul\.$/m)
    assert.match(dig('+short', '_web._tcp.service.consul', 'SRV'), /^1 1 8081 /m)
  })

  it('gets instances by tag', () => {
    assert.equal(dig('+short', 'web-1.web.service.consul'), '127.0.0.1\n')
    assert.equal(dig('+short', 'web-2.web.service.consul'), '')
  })

  it('gets nodes, reverse names and a clear no', () => {
    assert.equal(dig('+short', 'vm-a.node.consul'), '127.0.0.1\n')
    assert.match(dig('ghost.service.consul'), /status: NXDOMAIN/)
    assert.match(dig('example.org'), /status: REFUSED/)
  })

  it('notices within a moment that an instance recovers', async () => {
    const response = await agent.put('/v1/agent/check/pass/service:web-2')
    assert.equal(response.status, 200, await response.text())
    await eventually('both are answered', () => {
      return (
        dig('+short', 'web.service.consul').split('\n').sort().join(' ') === ' 127.0.0.1 127.0.0.2'
      )
    })
  })
})
