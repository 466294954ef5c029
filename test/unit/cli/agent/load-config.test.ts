/**
 * Flags, files and fragments merge in Consul's order; definitions say where they stand.
 */

import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { loadConfig } from '../../../../cli/agent/load-config.ts'
import { flag, listFlag, toggle } from '../../../../cli/command.ts'
import { parseGoFlags } from '../../../../cli/go-flags.ts'
import { AGENT_FLAGS } from '../../../../core/config/flags.ts'
import type { HostFacts } from '../../../../core/config/resolve.ts'

const HOST: HostFacts = {
  hostname: 'vm-a',
  interfaces: [{ name: 'eth0', address: '10.0.0.5', prefix: 24, flags: ['up'], isDefault: true }],
  pathKind: () => 'missing',
}

const SPECS = AGENT_FLAGS.map(({ name, kind, metavar }) => {
  if (kind === 'bool') return toggle(name, '')
  return kind === 'list' ? listFlag(name, metavar, '') : flag(name, metavar, '')
})

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fairlead-load-'))
})
after(async () => {
  await rm(folder, { recursive: true })
})

async function load(options: {
  flags?: readonly string[]
  paths?: readonly string[]
  fragments?: readonly string[]
  format?: 'hcl' | 'json'
}) {
  return await loadConfig(
    {
      dev: false,
      flags: parseGoFlags(['-server', '-bootstrap-expect=1', ...(options.flags ?? [])], SPECS).args,
      paths: options.paths ?? [],
      format: options.format,
      fragments: ['data_dir = "/d"', ...(options.fragments ?? [])],
    },
    HOST,
  )
}

async function loaded(options: Parameters<typeof load>[0]) {
  const result = await load(options)
  assert.ok(result.ok, result.ok ? '' : result.problems.map((p) => p.message).join('\n'))
  return result.loaded
}

describe('precedence', () => {
  it('is list flags, files in order, scalar flags, fragments', async () => {
    const a = join(folder, 'a.hcl')
    const b = join(folder, 'b.json')
    await writeFile(a, 'node_name = "file-a"\nrecursors = ["2.2.2.2"]\nlog_level = "warn"\n')
    await writeFile(b, '{"node_name": "file-b", "recursors": ["3.3.3.3"]}')
    const { config } = await loaded({
      flags: ['-recursor=1.1.1.1', '-log-level=debug', '-node-meta=a:b:c'],
      paths: [a, b],
      fragments: ['log_level = "error"'],
    })
    assert.equal(config.nodeName, 'file-b')
    assert.deepEqual(config.dns.recursors, ['1.1.1.1', '2.2.2.2', '3.3.3.3'])
    assert.equal(config.log.level, 'error')
    assert.deepEqual(config.nodeMeta, { a: 'b:c' })
    assert.equal((await loaded({ flags: ['-node=flag'], paths: [a] })).config.nodeName, 'flag')
  })

  it('reads a folder in byte order, follows links to files and goes no deeper', async () => {
    const dir = join(folder, 'conf.d')
    await mkdir(join(dir, 'deeper.hcl'), { recursive: true })
    await writeFile(join(dir, 'deeper.hcl', 'x.hcl'), 'nonsense')
    await writeFile(join(dir, 'b.hcl'), 'node_name = "b"')
    await writeFile(join(dir, 'B.hcl'), 'node_name = "B"')
    await writeFile(join(folder, 'target.hcl'), 'datacenter = "linked"')
    await symlink(join(folder, 'target.hcl'), join(dir, 'link.hcl'))
    await writeFile(join(dir, 'notes.txt'), 'not read')
    const { config, warnings } = await loaded({ paths: [dir] })
    assert.equal(config.nodeName, 'b')
    assert.equal(config.datacenter, 'linked')
    assert.match(warnings.join('\n'), /skipping file .*notes\.txt/)
  })

  it('takes any name when the format is given', async () => {
    const file = join(folder, 'config')
    await writeFile(file, 'node_name = "x"')
    const refused = await load({ paths: [file] })
    assert.match(refused.ok ? '' : (refused.problems[0]?.message ?? ''), /has unknown extension/)
    assert.equal((await loaded({ paths: [file], format: 'hcl' })).config.nodeName, 'x')
  })
})

describe('definitions', () => {
  it('tell every problem of a service, not only the first', async () => {
    const text = 'service { name = "web" port = 70000 address = "::" check { http = "http://x" } }'
    const result = await load({ fragments: [text] })
    assert.ok(!result.ok)
    const { message = '', fix = '' } = result.problems[0] ?? {}
    for (const part of [/Invalid service address/, /Port 70000 must be/, /Interval must be > 0/]) {
      assert.match(message, part)
    }
    assert.match(fix, /service\/register/)
  })

  it('are decoded, and each problem says where its definition stands', async () => {
    const file = join(folder, 'services.hcl')
    await writeFile(
      file,
      'service {\n  name = "web"\n  port = 80\n}\nservice {\n  name = "bad"\n  connect { sidecar_service { id = "x" } }\n}\n',
    )
    const result = await load({ paths: [file] })
    assert.ok(!result.ok)
    assert.equal(result.problems.length, 1)
    assert.equal(result.problems[0]?.origin, `${file}:5:9`)
    assert.match(
      result.problems[0].message,
      /^service "bad": .*sidecar_service can't specify an ID$/,
    )
    await writeFile(file, 'service { name = "web" port = 80 }\ncheck { name = "c" ttl = "10s" }\n')
    const { definitions } = await loaded({ paths: [file] })
    assert.deepEqual(
      [definitions.services[0]?.service.port, definitions.checks[0]?.spec.ttlMs],
      [80, 10_000],
    )
  })
})

it('reports a script check at once while scripts are off', async () => {
  const fragment = 'check { name = "s" args = ["true"] interval = "10s" }'
  const result = await load({ fragments: [fragment] })
  assert.ok(!result.ok)
  assert.match(result.problems[0]?.message ?? '', /check "s": Scripts are disabled on this agent/)
  await loaded({ fragments: [fragment, 'enable_local_script_checks = true'] })
})
