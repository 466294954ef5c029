/**
 * `config`, `connect ca` and `services export` against a running agent: output, messages, exit codes, effects.
 */

import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { commandsOf, startAgent, type TestAgent, temporaryFolder } from './harness/agent.ts'
import { runCommand } from './harness/program.ts'

let agent: TestAgent
let folder: string

before(async () => {
  agent = await startAgent({ flags: ['-node=vm-a'] })
  folder = await temporaryFolder()
})
after(async () => {
  await agent[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const { ok, fails } = commandsOf(() => agent)

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, text)
  return path
}

describe('config', () => {
  it('writes HCL and JSON, reads, lists and deletes', async () => {
    const hcl = await file(
      'defaults.hcl',
      'kind = "service-defaults"\nname = "web"\nprotocol = "http"\nmeta { owner = "ops" }\n',
    )
    assert.equal(await ok('config', 'write', hcl), 'Config entry written: service-defaults/web\n')
    const json = await file(
      'api.json',
      '{"Kind":"service-defaults","Name":"api","Protocol":"grpc"}',
    )
    assert.equal(await ok('config', 'write', json), 'Config entry written: service-defaults/api\n')
    const read = await ok('config', 'read', '-kind=service-defaults', '-name=web')
    assert.match(read, /^\{\n\t"Kind": "service-defaults",\n\t"Name": "web",\n/)
    const entry = JSON.parse(read)
    assert.deepEqual([entry.Protocol, entry.Meta], ['http', { owner: 'ops' }])
    assert.equal(await ok('config', 'list', '-kind', 'service-defaults'), 'api\nweb\n')
    assert.equal(
      await ok('config', 'list', '-kind=service-defaults', '-filter=Protocol == "grpc"'),
      'api\n',
    )
    const listed = JSON.parse(await ok('config', 'list', '-kind=service-defaults', '-format=json'))
    assert.equal(listed.length, 2)
    assert.equal(
      await ok('config', 'delete', '-kind=service-defaults', '-name=api'),
      'Config entry deleted: service-defaults/api\n',
    )
    assert.equal(
      await ok('config', 'delete', '-filename', hcl),
      'Config entry deleted: service-defaults/web\n',
    )
    assert.match(
      await fails('config', 'read', '-kind=service-defaults', '-name=web'),
      /Unexpected response code: 404 \(Config entry not found for "service-defaults" \/ "web"\)/,
    )
  })

  it('takes blocks of HCL for lists, and lists of blocks for objects', async () => {
    await ok(
      'config',
      'write',
      await file('web.hcl', 'Kind = "service-defaults" Name = "split" Protocol = "http"'),
    )
    const splitter = await file(
      'splitter.hcl',
      `Kind = "service-splitter"
       Name = "split"
       Splits { Weight = 90 ServiceSubset = "v1" }
       Splits { Weight = 10 ServiceSubset = "v2" }`,
    )
    await ok(
      'config',
      'write',
      await file(
        'resolver.hcl',
        `Kind = "service-resolver"
         Name = "split"
         Subsets "v1" { Filter = "Service.Meta.version == v1" }
         Subsets "v2" { Filter = "Service.Meta.version == v2" }`,
      ),
    )
    await ok('config', 'write', splitter)
    const entry = await agent.json<{ Splits: { Weight: number }[] }>(
      '/v1/config/service-splitter/split',
    )
    assert.deepEqual(
      entry.Splits.map((split) => split.Weight),
      [90, 10],
    )
    const resolver = await agent.json<{ Subsets: object }>('/v1/config/service-resolver/split')
    assert.deepEqual(Object.keys(resolver.Subsets), ['v1', 'v2'])
  })

  it('compares and sets', async () => {
    const path = await file('cas.hcl', 'Kind = "service-defaults" Name = "cas" Protocol = "tcp"')
    await ok('config', 'write', '-cas', '-modify-index=0', path)
    assert.equal(
      await fails('config', 'write', '-cas', '-modify-index=0', path),
      'Config entry not updated: service-defaults/cas\n',
    )
    const { ModifyIndex } = await agent.json<{ ModifyIndex: number }>(
      '/v1/config/service-defaults/cas',
    )
    assert.equal(
      await fails(
        'config',
        'delete',
        '-kind=service-defaults',
        '-name=cas',
        '-cas',
        '-modify-index=1',
      ),
      'Config entry not deleted: service-defaults/cas\n',
    )
    await ok(
      'config',
      'delete',
      '-kind=service-defaults',
      '-name=cas',
      '-cas',
      `-modify-index=${ModifyIndex}`,
    )
  })

  it('reads standard input, and says where a file is wrong', async () => {
    const env = { CONSUL_HTTP_ADDR: agent.url }
    const stdin = 'Kind = "proxy-defaults"\nConfig { protocol = "http" }\n'
    const written = await runCommand(['config', 'write', '-'], { env, stdin })
    assert.deepEqual(
      [written.code, written.stdout],
      [0, 'Config entry written: proxy-defaults/global\n'],
      written.stderr,
    )
    const broken = await file('broken.hcl', 'Kind = "mesh"\nName = [\n')
    assert.match(await fails('config', 'write', broken), /broken\.hcl:3:1: expected a value/)
    const unknown = await file(
      'unknown.hcl',
      'Kind = "service-defaults" Name = "x" Protcol = "http"',
    )
    assert.match(await fails('config', 'write', unknown), /invalid config key "Protcol"/)
    assert.match(
      await fails('config', 'write', await file('none.hcl', 'Name = "x"')),
      /has no Kind/,
    )
  })
})

describe('connect ca', () => {
  it('prints the configuration and changes it', async () => {
    const before = JSON.parse(await ok('connect', 'ca', 'get-config'))
    assert.equal(before.Provider, 'consul')
    const path = await file(
      'ca.json',
      JSON.stringify({ Provider: 'consul', Config: { ...before.Config, LeafCertTTL: '24h' } }),
    )
    assert.equal(
      await ok('connect', 'ca', 'set-config', '-config-file', path),
      'Configuration updated!\n',
    )
    const changed = JSON.parse(await ok('connect', 'ca', 'get-config'))
    assert.equal(changed.Config.LeafCertTTL, '24h')
    assert.match(
      await fails('connect', 'ca', 'set-config', '-config-file', await file('bad.json', '{')),
      /Error parsing config file/,
    )
  })

  it('says what to use in place of the commands that do not exist', async () => {
    assert.match(
      await fails('connect', 'haproxy', '-sidecar-for=web'),
      /^fairlead connect haproxy is not supported: sidecars are served by the proxy of the agent or by Envoy/,
    )
  })
})

it('services exported-services says that there are none', async () => {
  assert.equal(await ok('services', 'exported-services'), 'No exported services found\n')
})

it('services export adds peers and keeps what others have', async () => {
  assert.equal(
    await ok('services', 'export', '-name=web', '-consumer-peers=east,west'),
    'Successfully exported service "web" to cluster peers "east,west"\n',
  )
  await ok('services', 'export', '-name=db', '-consumer-peers=east')
  await ok('services', 'export', '-name=web', '-consumer-peers=north,east')
  const entry = await agent.json<{ Services: readonly { Name: string; Consumers: object[] }[] }>(
    '/v1/config/exported-services/default',
  )
  assert.deepEqual(
    entry.Services.map(({ Name, Consumers }) => [Name, Consumers]),
    [
      ['web', [{ Peer: 'east' }, { Peer: 'west' }, { Peer: 'north' }]],
      ['db', [{ Peer: 'east' }]],
    ],
  )
  assert.match(await fails('services', 'export', '-name=web'), /-consumer-peers/)
  const listed = await ok('services', 'exported-services')
  assert.match(listed, /^Service +Consumer Peers\n/)
  assert.match(listed, /^web +east, west, north$|^web +east, north, west$/m)
  const json = JSON.parse(await ok('services', 'exported-services', '-format=json'))
  assert.equal(json.length, 2)
})
