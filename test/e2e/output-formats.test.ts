/**
 * What prints a table prints JSON when asked; completion knows the names of the agent; ports are looked at.
 */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { startAgent, type TestAgent } from './harness/agent.ts'
import { eventually, runCommand } from './harness/program.ts'

let agent: TestAgent

before(async () => {
  agent = await startAgent({ flags: ['-node=vm-a'] })
  await agent.put('/v1/agent/service/register', { Name: 'web', Port: 80, Tags: ['v1'] })
  await agent.put('/v1/kv/app/config/a', '1')
  await agent.put('/v1/kv/app/other', '1')
  await agent.command('intention', 'create', '-deny', 'web', 'db')
  await eventually('the catalog has the service', async () => {
    const services = await agent.json<object>('/v1/catalog/services')
    return Object.keys(services).includes('web')
  })
})
after(async () => {
  await agent[Symbol.asyncDispose]()
})

async function json(...argv: readonly string[]): Promise<unknown> {
  const [name = '', ...rest] = argv
  const { code, stdout, stderr } = await agent.command(name, ...rest)
  assert.equal(code, 0, `${argv.join(' ')}: ${stderr}`)
  return JSON.parse(stdout)
}

describe('-format=json', () => {
  const format = '-format=json'
  it('prints what the tables say', async () => {
    const [member] = (await json('members', format)) as { Name: string; Status: number }[]
    assert.deepEqual([member?.Name, member?.Status], ['vm-a', 1])
    assert.deepEqual(await json('catalog', 'datacenters', format), ['dc1'])
    const [node] = (await json('catalog', 'nodes', format)) as { Node: string }[]
    assert.equal(node?.Node, 'vm-a')
    assert.deepEqual(await json('catalog', 'services', format), { consul: [], web: ['v1'] })
    for (const argv of [
      ['list', format],
      ['match', format, 'db'],
    ]) {
      const [rule] = (await json('intention', ...argv)) as { Action: string }[]
      assert.equal(rule?.Action, 'deny')
    }
    const rule = (await json('intention', 'get', format, 'web', 'db')) as { SourceName: string }
    assert.equal(rule.SourceName, 'web')
    const info = (await json('info', format)) as { raft: { state: string } }
    assert.equal(info.raft.state, 'Leader')
    const version = (await json('version', format)) as { RPC: object }
    assert.deepEqual(version.RPC, { Default: 2, Min: 2, Max: 3 })
  })

  it('keeps exit codes, and knows two formats', async () => {
    const none = await agent.command('members', format, '-status=failed')
    assert.deepEqual([none.code, none.stdout], [2, '[]\n'])
    const wrong = await agent.command('members', '-format=yaml')
    assert.equal(wrong.code, 1)
    assert.match(wrong.stderr, /^Unknown format "yaml": pretty and json are supported\n/)
  })

  it('has no colour, as no pipe has', async () => {
    const { stdout } = await agent.command('members')
    assert.ok(!stdout.includes('\u001b'), stdout)
  })
})

it('intention get prints the time as people read it', async () => {
  const { stdout } = await agent.command('intention', 'get', 'web', 'db')
  assert.match(
    stdout,
    /^Created At: +[A-Z][a-z]+day, \d\d-[A-Z][a-z]{2}-\d\d \d\d:\d\d:\d\d [A-Z0-9+]+$/m,
  )
})

describe('completion', () => {
  const offers = async (line: string): Promise<string> => {
    const env = { COMP_LINE: line, CONSUL_HTTP_ADDR: agent.url }
    const { code, stdout, stderr } = await runCommand([], { env })
    assert.deepEqual([code, stderr], [0, ''])
    return stdout.trimEnd().replaceAll('\n', ' ')
  }
  it('knows services, nodes and keys', async () => {
    assert.equal(await offers('fairlead catalog nodes -service=w'), 'web')
    assert.equal(await offers('fairlead catalog services -node v'), 'vm-a')
    assert.equal(await offers('fairlead kv get '), 'app/')
    assert.equal(await offers('fairlead kv get app/'), 'app/config/ app/other')
    assert.equal(await offers('fairlead intention check '), 'consul web')
  })
})

describe('namespaces and partitions', () => {
  it('exist only as default', async () => {
    assert.equal((await agent.command('catalog', 'nodes', '-namespace=default')).code, 0)
    const refused = await agent.command('catalog', 'nodes', '-partition=east')
    assert.equal(refused.code, 1)
    assert.match(
      refused.stderr,
      /Unexpected response code: 400 \(Invalid query parameter: "partition"/,
    )
  })
})

describe('troubleshoot ports', () => {
  it('tells open ports from closed ones', async () => {
    const open = await agent.command(
      'troubleshoot',
      'ports',
      '-host=127.0.0.1',
      `-ports=${agent.ready.http}`,
    )
    assert.deepEqual(
      [open.code, open.stdout],
      [0, `TCP: Port ${agent.ready.http} on 127.0.0.1 is open\n`],
    )
    const closed = await agent.command('troubleshoot', 'ports', '-host=127.0.0.1', '-ports=1')
    assert.deepEqual(
      [closed.code, closed.stdout],
      [1, 'TCP: Port 1 on 127.0.0.1 is not reachable: connection refused\n'],
    )
    assert.match((await agent.command('troubleshoot', 'ports')).stderr, /^-host is required/)
  })
})
