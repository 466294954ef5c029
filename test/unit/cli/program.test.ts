/**
 * Finding commands, help, exit codes and failures, without an agent.
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { CommandTree } from '../../../cli/command-node.ts'
import { COMMANDS } from '../../../cli/command-tree.ts'
import { run } from './run-program.ts'

describe('the program', () => {
  it('shows help when asked, and fails with 127 without a command', async () => {
    const asked = await run(['--help'])
    assert.equal(asked.code, 0)
    assert.match(asked.stdout, /members +List the members/)
    const shown = await run(['proxy', '--help'])
    assert.match(shown.stdout, /status +Show/)
    assert.ok(!shown.stdout.includes('run '), 'hidden commands stay hidden')
    const none = await run([])
    assert.deepEqual([none.code, none.stdout], [127, ''])
    assert.equal(none.stderr, asked.stdout)
  })

  it('suggests the nearest command and exits with 127', async () => {
    const wrong = await run(['membres'])
    assert.equal(wrong.code, 127)
    assert.match(
      wrong.stderr,
      /There is no command "fairlead membres"\nDid you mean: fairlead members/,
    )
    const nested = await run(['kv', 'gte'])
    assert.equal(nested.code, 127)
    assert.match(nested.stderr, /Did you mean: fairlead kv get/)
    assert.equal((await run(['constructor'])).code, 127)
  })

  it('says clearly what is not supported yet', async () => {
    const { code, stderr } = await run(['peering', 'list'])
    assert.equal(code, 1)
    assert.match(stderr, /fairlead peering is not supported: clusters cannot be peered yet/)
  })

  it('prints the help of a command with one dash', async () => {
    const { code, stdout } = await run(['kv', 'get', '-h'])
    assert.equal(code, 0)
    assert.match(stdout, /Usage: fairlead kv get \[flags\] \[KEY\]/)
    assert.match(stdout, /^ {2}-detailed +print what else/m)
  })

  it('refuses arguments of a command that takes none', async () => {
    const { code, stderr } = await run(['leave', 'web-1'])
    assert.equal(code, 1)
    assert.match(
      stderr,
      /^Too many arguments \(expected 0, got 1\): web-1\nUsage: fairlead leave --help/,
    )
  })

  it('refuses unknown flags with a suggestion', async () => {
    const { code, stderr } = await run(['members', '-detialed'])
    assert.equal(code, 1)
    assert.match(stderr, /unknown flag -detialed; did you mean -detailed\?/)
  })

  it('tells what to do when the agent cannot be reached, and whose address that was', async () => {
    const sources: readonly (readonly [
      readonly string[],
      Readonly<Record<string, string>>,
      RegExp,
    ])[] = [
      [[], { FAIRLEAD_HTTP_ADDR: '127.0.0.1:1' }, /comes from the environment: FAIRLEAD_HTTP_ADDR/],
      [[], { CONSUL_HTTP_ADDR: '127.0.0.1:1' }, /comes from the environment: CONSUL_HTTP_ADDR/],
      [['-http-addr=127.0.0.1:1'], { CONSUL_HTTP_ADDR: 'x' }, /is that of the flag -http-addr/],
    ]
    for (const [flags, env, from] of sources) {
      const { code, stderr } = await run(['members', ...flags], env)
      assert.equal(code, 1)
      assert.match(
        stderr,
        /^Error connecting to the agent: Get "http:\/\/127.0.0.1:1\/v1\/agent\/members": dial tcp 127.0.0.1:1: connect: connection refused\nThe address /,
      )
      assert.match(stderr, from)
      assert.match(stderr, /\nTry: is it running\? fairlead agent -dev/)
    }
    const socket = await run(['members', '-http-addr=unix:///no/such.sock'])
    assert.match(socket.stderr, /dial unix \/no\/such\.sock: connect: no such file or directory/)
  })

  it('prints the version in both forms', async () => {
    assert.match((await run(['version'])).stdout, /^Fairlead v\d+\.\d+\.\d+\n/)
    assert.match((await run(['-v'])).stdout, /^Fairlead v/)
    const json = await run(['version', '-format=json'])
    assert.match(JSON.parse(json.stdout).Version, /^\d+\./)
    assert.equal((await run(['version', '-format=x'])).code, 1)
  })

  it('checks use before it connects', async () => {
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [['kv', 'put'], /Missing KEY argument/],
      [['kv', 'put', '-acquire', 'k'], /Missing -session/],
      [['kv', 'delete', '-cas', '-recurse', 'k'], /Cannot specify both -cas and -recurse!/],
      [['kv', 'delete', '-modify-index=1', 'k'], /without -cas!/],
      [['maint', '-enable', '-disable'], /Only one of -enable or -disable/],
      [['maint', '-reason=x'], /Reason may only be provided with -enable/],
      [['services', 'register'], /requires at least one argument or flags/],
      [['intention', 'create', 'web'], /Must specify two arguments/],
      [['members', '-status=('], /Failed to compile status regexp/],
      [['validate'], /Must specify at least one config file/],
    ]
    for (const [argv, message] of cases) {
      const { code, stderr } = await run(argv)
      assert.equal(code, 1, argv.join(' '))
      assert.match(stderr, message)
    }
    assert.equal((await run(['intention', 'check', 'web'])).code, 2)
  })
})

describe('agent and validate', () => {
  it('report every problem of flags and files at once and exit with 1', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fairlead-cli-'))
    try {
      await writeFile(join(folder, 'a.hcl'), 'datacentre = "x"\nports { dns = 99999 }\n')
      await writeFile(join(folder, 'b.json'), '{"services": [{"name": "web", "prot": 1}],}')
      await writeFile(join(folder, 'c.json'), '{"services": [{"name": "web", "prot": 1}]}')
      await writeFile(join(folder, 'd.txt'), 'ignored')
      const argv = [
        'agent',
        '-server',
        '-htpp-port=1',
        `-config-dir=${folder}`,
        '-bind=here',
        'stray',
      ]
      const { code, stderr, stdout } = await run(argv)
      assert.equal(code, 1)
      assert.equal(stdout, '')
      for (const wanted of [
        'unknown flag -htpp-port; did you mean -http-port?',
        'unexpected argument "stray"',
        'invalid config key datacentre',
        'did you mean "datacenter"?',
        'ports.dns: invalid port: 99999',
        `failed to parse ${join(folder, 'b.json')}`,
        'bind_addr must be an ip address, got "here"',
        'data_dir cannot be empty',
        'skipping file',
        'prot',
      ]) {
        assert.ok(stderr.includes(wanted), `missing: ${wanted}\n${stderr}`)
      }
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('accept a valid file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fairlead-cli-'))
    try {
      const file = join(folder, 'a.hcl')
      await writeFile(
        file,
        `data_dir = "${folder}/data"\nserver = true\nbootstrap_expect = 1\nbind_addr = "127.0.0.1"\nservice { name = "web" port = 80 }\n`,
      )
      const { code, stdout, stderr } = await run(['validate', file])
      assert.deepEqual([code, stdout], [0, 'Configuration is valid!\n'], stderr)
      assert.equal((await run(['validate', '-quiet', file])).stdout, '')
      const missing = await run(['validate', join(folder, 'none.hcl')])
      assert.equal(missing.code, 1)
      assert.match(missing.stderr, /there is no such file/)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

it('every command loads and documents itself', async () => {
  const visit = async (tree: CommandTree, path: readonly string[]): Promise<void> => {
    for (const [name, node] of Object.entries(tree)) {
      if (node.kind === 'group') await visit(node.children, [...path, name])
      if (node.kind !== 'command') continue
      const spec = await node.load()
      assert.notEqual(spec.summary, '', name)
      for (const flag of spec.flags) assert.notEqual(flag.doc, '', `${name} -${flag.name}`)
      const names = spec.flags.map((flag) => flag.name)
      assert.equal(new Set(names).size, names.length, `${name} has a flag twice`)
    }
  }
  await visit(COMMANDS, [])
})
