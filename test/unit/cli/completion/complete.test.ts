/**
 * Completion by the shell's own protocol: commands, flags, values; the names of an agent are in test/e2e.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { it } from 'node:test'
import { run } from '../run-program.ts'

async function offers(line: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const ran = await run([], { COMP_LINE: line, FAIRLEAD_HTTP_ADDR: '127.0.0.1:1', ...env })
  assert.deepEqual([ran.code, ran.stderr], [0, ''], line)
  return ran.stdout.trimEnd().replaceAll('\n', ' ')
}

it('offers commands that exist', async () => {
  assert.match(await offers('fairlead '), /^agent catalog config connect .*event /)
  assert.equal(await offers('fairlead k'), 'keygen keyring kv')
  assert.equal(await offers('fairlead kv '), 'delete export get import put')
  assert.equal(await offers('fairlead operator raft l'), 'list-peers')
  // Neither hidden nor missing ones.
  assert.equal(await offers('fairlead proxy r'), '')
  assert.equal(await offers('fairlead peering '), '')
  assert.equal(await offers('fairlead nonsense '), '')
})

it('offers flags, with as many dashes as were written', async () => {
  assert.equal(await offers('fairlead kv get -de'), '-detailed')
  assert.equal(await offers('fairlead kv get --de'), '--detailed')
  assert.equal(await offers('fairlead agent -retry-j'), '-retry-join -retry-join-wan')
})

it('offers values, as each shell wants them behind an equals sign', async () => {
  assert.equal(await offers('fairlead members -format '), 'pretty json')
  assert.equal(await offers('fairlead members -format=j'), 'json')
  assert.equal(await offers('fairlead members -format=j', { COMP_SHELL: 'fish' }), '-format=json')
  assert.equal(await offers('fairlead config read -kind proxy'), 'proxy-defaults')
  assert.equal(await offers('fairlead members -wan=t'), 'true')
})

it('looks at the line up to the cursor', async () => {
  assert.equal(await offers('fairlead kv get -x', { COMP_POINT: '11' }), 'kv')
  assert.equal(await offers('fairlead kv', { COMP_POINT: 'x' }), 'kv')
})

it('offers nothing, and says nothing, when the agent does not answer', async () => {
  assert.equal(await offers('fairlead kv get a'), '')
  assert.equal(await offers('fairlead catalog nodes -service '), '')
})

it('asks the agent that the line names, behind whatever other flags', async () => {
  const asked: string[] = []
  const agent = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.end('["a/"]')
  })
  await once(agent.listen(0, '127.0.0.1'), 'listening')
  const address = `127.0.0.1:${(agent.address() as AddressInfo).port}`
  try {
    const before = `fairlead kv get -separator / -datacenter dc2 -http-addr=${address}`
    assert.equal(await offers(`${before} a`), 'a/')
    assert.match(asked.join(), /dc=dc2/)
  } finally {
    agent.close()
  }
})
