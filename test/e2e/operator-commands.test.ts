/**
 * Commands for operators against a running server of one: raft, autopilot, usage, snapshot, join, force-leave.
 */

import assert from 'node:assert/strict'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { commandsOf, startAgent, type TestAgent, temporaryFolder } from './harness/agent.ts'

let agent: TestAgent
let folder: string

before(async () => {
  folder = await temporaryFolder()
  agent = await startAgent({ flags: ['-node=vm-a'] })
})
after(async () => {
  await agent[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const { ok, fails } = commandsOf(() => agent)

describe('operator raft', () => {
  it('lists the servers', async () => {
    const [header, row, ...rest] = (await ok('operator', 'raft', 'list-peers')).split('\n')
    assert.match(
      header ?? '',
      /^Node +ID +Address +State +Voter +RaftProtocol +Commit Index +Trails Leader By$/,
    )
    assert.match(row ?? '', /^vm-a +[0-9a-f-]{36} +127\.0\.0\.1:\d+ +leader +true +3 +\d+ +-$/)
    assert.deepEqual(rest, [''])
    const json = JSON.parse(await ok('operator', 'raft', 'list-peers', '-stale', '-format=json'))
    assert.equal(json.Servers[0].Node, 'vm-a')
  })

  it('refuses what cannot be', async () => {
    assert.match(await fails('operator', 'raft', 'remove-peer'), /An address or id is required/)
    assert.match(
      await fails('operator', 'raft', 'remove-peer', '-id=x', '-address=y'),
      /Only one of -address and -id/,
    )
    assert.match(
      await fails('operator', 'raft', 'remove-peer', '-address=10.9.9.9:8300'),
      /500 \(address "10\.9\.9\.9:8300" was not found in the Raft configuration\)/,
    )
    assert.match(await fails('operator', 'raft', 'transfer-leader', '-id=x'), /500 \(/)
  })
})

describe('operator autopilot', () => {
  it('shows and changes the settings', async () => {
    const initial = await ok('operator', 'autopilot', 'get-config')
    assert.equal(
      initial,
      [
        'CleanupDeadServers = true',
        'LastContactThreshold = 200ms',
        'MaxTrailingLogs = 250',
        'MinQuorum = 0',
        'ServerStabilizationTime = 10s',
        'RedundancyZoneTag = ""',
        'DisableUpgradeMigration = false',
        'UpgradeVersionTag = ""',
        '',
      ].join('\n'),
    )
    assert.equal(
      await ok(
        'operator',
        'autopilot',
        'set-config',
        '-cleanup-dead-servers=false',
        '-max-trailing-logs=99',
        '-server-stabilization-time=1m',
      ),
      'Configuration updated!\n',
    )
    const changed = await ok('operator', 'autopilot', 'get-config')
    assert.match(changed, /^CleanupDeadServers = false$/m)
    assert.match(changed, /^MaxTrailingLogs = 99$/m)
    assert.match(changed, /^ServerStabilizationTime = 1m0s$/m)
    assert.match(changed, /^LastContactThreshold = 200ms$/m)
    assert.match(
      await fails('operator', 'autopilot', 'set-config', '-last-contact-threshold=x'),
      /Error parsing autopilot config: time: invalid duration "x"/,
    )
    assert.match(
      await fails('operator', 'autopilot', 'set-config', '-last-contact-threshold=-5s'),
      /LastContactThreshold must be a whole number .* of at least 0/,
    )
    assert.match(
      await fails('operator', 'autopilot', 'set-config', '-min-quorum=x'),
      /-min-quorum takes a number/,
    )
  })

  it('shows the state', async () => {
    const state = await ok('operator', 'autopilot', 'state')
    assert.match(state, /^Healthy: +(?:true|false)\nFailure Tolerance: +0\n/)
    assert.match(
      state,
      /^Voters:\n {3}[0-9a-f-]{36}\nServers:\n {3}[0-9a-f-]{36}\n {6}Name: +vm-a$/m,
    )
    const json = JSON.parse(await ok('operator', 'autopilot', 'state', '-format=json'))
    assert.equal(Object.keys(json.Servers).length, 1)
  })
})

describe('operator usage', () => {
  it('counts', async () => {
    await ok('kv', 'put', 'x', 'y')
    const all = await ok('operator', 'usage', 'instances')
    assert.match(all, /^Billable Service Instances Total: 0\n/)
    assert.match(all, /^Services +Service instances\n1 +1$/m)
    assert.match(all, /^Nodes\n1$/m)
    assert.match(all, /^Connect Services\nType +Service instances\nconnect-native +0$/m)
    assert.match(await ok('operator', 'usage', 'instances', '-connect'), /^Connect Services\n/)
  })
})

describe('snapshot', () => {
  it('saves, inspects, decodes and restores', async () => {
    const file = join(folder, 'backup.snap')
    await ok('kv', 'put', 'app/config/a', 'before')
    const saved = await ok('snapshot', 'save', file)
    assert.match(saved, /^Saved and verified snapshot to index \d+\n$/)
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name.startsWith('backup')),
      ['backup.snap'],
    )
    const index = /\d+/.exec(saved)?.[0] ?? ''

    const shown = await ok('snapshot', 'inspect', '-kvdetails', file)
    assert.match(
      shown,
      new RegExp(`^ID +\\d+-${index}-\\d+\nSize +\\d+\nIndex +${index}\nTerm +\\d+\nVersion +1\n`),
    )
    assert.match(shown, /^Type +Count +Size$/m)
    assert.match(shown, /^node +1 +\d+B$/m)
    assert.match(shown, /^app\/config +1 +\d+B$/m)
    const json = JSON.parse(await ok('snapshot', 'inspect', '-format=json', file))
    assert.equal(json.Meta.Index, Number(index))
    const records = (await ok('snapshot', 'decode', file)).trimEnd().split('\n')
    const kinds = new Set(records.map((line) => JSON.parse(line).Type))
    assert.ok(kinds.has('node') && kinds.has('kv') && kinds.has('meta') && !kinds.has('end'))

    await ok('kv', 'put', 'app/config/a', 'after')
    assert.equal(await ok('snapshot', 'restore', file), 'Restored snapshot\n')
    assert.equal(await ok('kv', 'get', 'app/config/a'), 'before\n')
  })

  it('puts version and datacenter into the name', async () => {
    await ok('snapshot', 'save', '-append-filename=version,dc', join(folder, 'named.snap'))
    const named = (await readdir(folder)).filter((name) => name.startsWith('named'))
    assert.equal(named.length, 1)
    assert.match(named[0] ?? '', /^named-\d+\.\d+\.\d+-dc1\.snap$/)
  })

  it('says what is wrong with a file, and leaves none behind', async () => {
    const bad = join(folder, 'bad.snap')
    await writeFile(bad, 'no snapshot')
    for (const verb of ['inspect', 'decode', 'restore']) {
      assert.match(await fails('snapshot', verb, bad), /failed to read snapshot file: /)
      assert.match(
        await fails('snapshot', verb, join(folder, 'none')),
        /Error opening snapshot file/,
      )
      assert.match(await fails('snapshot', verb), /Missing FILE argument/)
    }
    assert.match(await fails('snapshot', 'restore', folder), /is not a file/)
    assert.match(
      await fails('snapshot', 'save', join(folder, 'no', 'x.snap')),
      /Error saving snapshot/,
    )
    const unverified = (await readdir(folder)).filter((name) => name.endsWith('.unverified'))
    assert.deepEqual(unverified, [])
  })
})

describe('join and force-leave', () => {
  it('say what is wrong', async () => {
    assert.match(await fails('join'), /At least one address to join must be specified\./)
    const failed = await fails('join', '127.0.0.1:1')
    assert.match(failed, /^Error joining address '127\.0\.0\.1:1': /)
    assert.match(failed, /Failed to join any nodes\.\n$/)
    assert.match(
      await fails('force-leave'),
      /A single node name must be specified to force leave\./,
    )
    await fails('force-leave', 'nobody')
  })
})
