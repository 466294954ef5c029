/**
 * The commands against a running agent: their output, their messages, their exit codes.
 */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { commandsOf, startAgent, type TestAgent, temporaryFolder } from './harness/agent.ts'
import { eventually, PROGRAM, runCommand } from './harness/program.ts'

let agent: TestAgent

before(async () => {
  agent = await startAgent({ flags: ['-node=vm-a'] })
})
after(async () => {
  await agent[Symbol.asyncDispose]()
})

const { ok, fails } = commandsOf(() => agent)

describe('kv', () => {
  it('puts, gets and deletes', async () => {
    assert.equal(await ok('kv', 'put', 'app/a', 'one two'), 'Success! Data written to: app/a\n')
    assert.equal(await ok('kv', 'get', 'app/a'), 'one two\n')
    assert.equal(await ok('kv', 'get', '-base64', 'app/a'), 'b25lIHR3bw==\n')
    assert.equal(
      await ok('kv', 'put', '-flags=7', 'app/b/c', '-'),
      'Success! Data written to: app/b/c\n',
    )
    assert.match(await ok('kv', 'get', '-detailed', 'app/b/c'), /^Flags +7\nKey +app\/b\/c\n/m)
    assert.equal(await ok('kv', 'get', '-keys', 'app/'), 'app/a\napp/b/\n')
    assert.equal(await ok('kv', 'get', '-recurse', 'app/'), 'app/a:one two\napp/b/c:\n')
    assert.equal(await ok('kv', 'delete', 'app/a'), 'Success! Deleted key: app/a\n')
    assert.equal(await fails('kv', 'get', 'app/a'), 'Error! No key exists at: app/a\n')
    assert.equal(
      await ok('kv', 'delete', '-recurse', 'app/'),
      'Success! Deleted keys with prefix: app/\n',
    )
    assert.equal(await ok('kv', 'get', '-recurse', 'app/'), '')
  })

  it('checks and sets', async () => {
    assert.equal(
      await ok('kv', 'put', '-cas', '-modify-index=0', 'cas', '1'),
      'Success! Data written to: cas\n',
    )
    assert.equal(
      await fails('kv', 'put', '-cas', '-modify-index=0', 'cas', '2'),
      'Error! Did not write to cas: CAS performed with index=0 and key already exists.\n',
    )
    assert.equal(
      await fails('kv', 'put', '-cas', '-modify-index=1', 'cas', '2'),
      'Error! Did not write to cas: CAS failed\n',
    )
  })

  it('exports and imports', async () => {
    await ok('kv', 'put', 'x/1', 'ä')
    const exported = await ok('kv', 'export', 'x/')
    assert.deepEqual(JSON.parse(exported), [{ key: 'x/1', flags: 0, value: 'w6Q=' }])
    assert.equal(await ok('kv', 'import', '-prefix=copy/', exported), 'Imported: copy/x/1\n')
    assert.equal(await ok('kv', 'get', 'copy/x/1'), 'ä\n')
    assert.match(await fails('kv', 'import', '{'), /Cannot unmarshal data/)
  })

  it('keeps values that are no text, and flags of 64 bits', async () => {
    const bytes = Buffer.from([0, 255, 128, 10, 254])
    const answer = await fetch(`${agent.url}/v1/kv/raw?flags=${2n ** 64n - 1n}`, {
      method: 'PUT',
      body: bytes,
    })
    assert.equal(answer.status, 200)
    const env = { ...process.env, CONSUL_HTTP_ADDR: agent.url }
    const printed = execFileSync(PROGRAM, ['kv', 'get', 'raw'], { env })
    assert.deepEqual(printed, Buffer.concat([bytes, Buffer.from('\n')]))
    assert.match(await ok('kv', 'get', '-detailed', 'raw'), /^Flags +18446744073709551615$/m)
    const exported = await ok('kv', 'export', 'raw')
    assert.match(exported, /^\[\n\t\{\n\t\t"key": "raw",\n\t\t"flags": 18446744073709551615,\n/)
    await ok('kv', 'import', '-prefix=again/', exported)
    const copy = await (await agent.get('/v1/kv/again/raw')).text()
    assert.match(copy, /"Flags": ?18446744073709551615/)
  })

  it('takes data from a file and from standard input', async () => {
    const folder = await temporaryFolder()
    try {
      await writeFile(join(folder, 'data'), 'from file')
      await ok('kv', 'put', 'f', `@${join(folder, 'data')}`)
      assert.equal(await ok('kv', 'get', 'f'), 'from file\n')
      const env = { CONSUL_HTTP_ADDR: agent.url }
      const put = await runCommand(['kv', 'put', 'f', '-'], { env, stdin: 'from stdin' })
      assert.equal(put.code, 0, put.stderr)
      assert.equal(await ok('kv', 'get', 'f'), 'from stdin\n')
      assert.match(await fails('kv', 'put', 'f', '@/no/such/file'), /Failed to read file/)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

describe('members, catalog and services', () => {
  it('lists this member as a server', async () => {
    const lines = (await ok('members')).split('\n')
    assert.match(
      lines[0] ?? '',
      /^Node +Address +Status +Type +Build +Protocol +DC +Partition +Segment$/,
    )
    assert.match(
      lines[1] ?? '',
      /^vm-a +127\.0\.0\.1:\d+ +alive +server +1\.21\.4 +2 +dc1 +default +<all>$/,
    )
    assert.match(await ok('members', '-detailed'), /^vm-a .*,dc=dc1,.*,role=consul,/m)
    assert.equal((await agent.command('members', '-status=failed')).code, 2)
  })

  it('registers from flags and files, lists and deregisters', async () => {
    const folder = await temporaryFolder()
    try {
      const file = join(folder, 'db.hcl')
      await writeFile(
        file,
        'service { name = "db" id = "db-1" port = 5432 tags = ["primary"] meta { build_id = "7" } }',
      )
      assert.equal(
        await ok('services', 'register', '-name=web', '-port=80', '-tag=v1', '-meta', 'a=b'),
        'Registered service: web\n',
      )
      assert.equal(await ok('services', 'register', file), 'Registered service: db\n')
      await eventually('the catalog agrees', async () =>
        (await ok('catalog', 'services')).includes('db\n'),
      )
      assert.equal(await ok('catalog', 'services'), 'consul\ndb\nweb\n')
      assert.match(await ok('catalog', 'services', '-tags'), /^web +v1$/m)
      assert.match(await ok('catalog', 'services', '-node=vm-a'), /^db$/m)
      assert.match(
        await ok('catalog', 'nodes'),
        /^Node +ID +Address +DC\nvm-a +[0-9a-f]{8} +127\.0\.0\.1 +dc1\n$/,
      )
      assert.match(await ok('catalog', 'nodes', '-service=db'), /^vm-a /m)
      const services = await agent.json<Record<string, { Meta: unknown }>>('/v1/agent/services')
      assert.deepEqual(services['db-1']?.Meta, { build_id: '7' })
      assert.equal(await ok('services', 'deregister', '-id=web'), 'Deregistered service: web\n')
      assert.equal(await ok('services', 'deregister', file), 'Deregistered service: db-1\n')
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('lists datacenters, and says when nothing matches without failing', async () => {
    assert.equal(await ok('catalog', 'datacenters'), 'dc1\n')
    const none = await agent.command('catalog', 'nodes', '-service=ghost')
    assert.equal(none.code, 0)
    assert.equal(none.stderr, 'No nodes match the given query - try expanding your search.\n')
  })
})

describe('intention', () => {
  it('creates, checks, matches, shows, lists and deletes', async () => {
    const none = await agent.command('intention', 'list')
    assert.equal(none.code, 2)
    assert.match(none.stderr, /There are no intentions\./)
    assert.equal(
      await ok('intention', 'create', '-deny', '-meta', 'why=test', 'web', 'db'),
      'Created: web => db (deny)\n',
    )
    assert.match(await fails('intention', 'create', 'web', 'db'), /it exists; use -replace/)
    const denied = await agent.command('intention', 'check', 'web', 'db')
    assert.deepEqual([denied.code, denied.stdout], [1, 'Denied\n'])
    assert.equal(
      await ok('intention', 'create', '-allow', '-replace', 'web', 'db'),
      'Created: web => db (allow)\n',
    )
    assert.equal(await ok('intention', 'check', 'web', 'db'), 'Allowed\n')
    assert.equal(await ok('intention', 'match', 'db'), 'web => db (allow)\n')
    assert.match(
      await ok('intention', 'get', 'web', 'db'),
      /^Source: +web\nDestination: +db\nAction: +allow\n/,
    )
    assert.match(
      await ok('intention', 'list'),
      /^ID +Source +Action +Destination +Precedence\n.*web +allow +db +9$/m,
    )
    assert.equal(await ok('intention', 'delete', 'web', 'db'), 'Intention deleted.\n')
    await fails('intention', 'get', 'web', 'db')
  })
})

describe('maint, info, reload', () => {
  it('takes the node and a service out of service and back', async () => {
    await ok('services', 'register', '-name=web', '-port=80')
    assert.equal(await ok('maint'), '')
    assert.equal(await ok('maint', '-enable', '-reason=disk'), 'Node maintenance is now enabled\n')
    assert.equal(
      await ok('maint', '-enable', '-service=web', '-reason=bug'),
      'Service maintenance is now enabled for "web"\n',
    )
    const listed = await ok('maint')
    assert.ok(listed.includes('Node:\n  Name:   vm-a\n  Reason: disk\n'), listed)
    assert.ok(listed.includes('Service:\n  ID:     web\n  Reason: bug\n'), listed)
    assert.equal(await ok('maint', '-disable'), 'Node maintenance is now disabled\n')
    await ok('maint', '-disable', '-service=web')
    assert.equal(await ok('maint'), '')
    await ok('services', 'deregister', '-id=web')
  })

  it('prints what the agent knows of itself', async () => {
    assert.match(await ok('info'), /^raft:\n(?:\t.*\n)*\tstate = Leader$/m)
  })

  it('reloads', async () => {
    assert.equal(await ok('reload'), 'Configuration reload triggered\n')
  })
})

it('leave stops the agent with exit code 0', async () => {
  await using other = await startAgent()
  const left = await other.command('leave')
  assert.deepEqual([left.code, left.stdout], [0, 'Graceful leave complete\n'], left.stderr)
  assert.equal((await other.ended).code, 0)
})

describe('event', () => {
  it('fires an event that the agent then lists', async () => {
    assert.match(await fails('event'), /^Event name must be specified\n/)
    assert.match(
      await fails('event', '-name=deploy', '-tag=v1'),
      /^Cannot provide tag filter without service filter\.\n/,
    )
    const said = await ok('event', '-name=deploy', '-node=^vm-', 'v1.2')
    const [, id] = /^Event ID: ([0-9a-f-]{36})\n$/.exec(said) ?? assert.fail(said)
    assert.match(await ok('event', '-name=deploy', '-node=^nobody$'), /^Event ID: /)
    const answer = await agent.get('/v1/event/list')
    const list = (await answer.json()) as readonly Record<string, unknown>[]
    assert.deepEqual(
      list.map((event) => [event['ID'], event['Payload'], event['NodeFilter']]),
      [[id, 'djEuMg==', '^vm-']],
    )
    assert.match(await fails('event', '-name=x', '-node=('), /500 \(Invalid node filter: /)
  })
})
