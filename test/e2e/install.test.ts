/**
 * scripts/install below a folder: what it puts there runs, what it takes away is gone, units are right.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, readlinkSync } from 'node:fs'
import { appendFile, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { temporaryFolder } from './harness/agent.ts'
import { ROOT, runCommand } from './harness/program.ts'

const INSTALL = join(ROOT, 'scripts', 'install')

async function install(...argv: readonly string[]): Promise<string> {
  const result = await runCommand(argv, { program: INSTALL })
  assert.equal(result.code, 0, result.stderr)
  return result.stdout
}

describe('scripts/install', () => {
  it('installs a program that runs by itself', async () => {
    const root = await temporaryFolder()
    try {
      await install('--root', root, '--server')
      const program = join(root, 'usr/local/lib/fairlead/bin/fairlead')
      const version = await runCommand(['version'], { program })
      assert.match(version.stdout, /^Fairlead v/, version.stderr)
      // Starts far enough to load every part, then refuses for want of a data directory.
      const agent = await runCommand(
        ['agent', '-dev', '-http-port=0', '-dns-port=-1', '-bind=192.0.2.1'],
        {
          program,
        },
      )
      assert.equal(agent.code, 1)
      assert.match(agent.stderr, /192\.0\.2\.1/)
      assert.doesNotMatch(agent.stderr, /Cannot find (?:package|module)/)
      assert.equal(
        readlinkSync(join(root, 'usr/local/bin/fairlead')),
        '/usr/local/lib/fairlead/bin/fairlead',
      )
      assert.ok(!existsSync(join(root, 'usr/local/lib/fairlead/node_modules/typescript')))
      assert.ok(!existsSync(join(root, 'usr/local/lib/fairlead/test')))
    } finally {
      await rm(root, { recursive: true })
    }
  })

  it('never overwrites configuration, keeps it and data when uninstalling, and purges on demand', async () => {
    const root = await temporaryFolder()
    try {
      const linked = ['--root', root, '--link-program']
      await install(...linked)
      const config = join(root, 'etc/fairlead/fairlead.hcl')
      assert.equal((await stat(config)).mode & 0o777, 0o640)
      await appendFile(config, '# mine\n')
      assert.match(await install(...linked), /kept +\S+fairlead\.hcl/)
      assert.match(await readFile(config, 'utf8'), /# mine/)
      await install('--root', root, '--uninstall')
      assert.ok(existsSync(config))
      for (const gone of ['bin/fairlead', 'lib/fairlead', 'lib/systemd/system/fairlead.service']) {
        const found = lstatSync(join(root, 'usr/local', gone), { throwIfNoEntry: false })
        assert.equal(found, undefined, gone)
      }
      await install(...linked)
      await install('--root', root, '--uninstall', '--purge')
      assert.ok(!existsSync(join(root, 'etc/fairlead')))
    } finally {
      await rm(root, { recursive: true })
    }
  })

  it('ships a configuration that is valid', async () => {
    const folder = await temporaryFolder()
    try {
      const config = join(ROOT, 'systemd/fairlead.hcl')
      const extra = join(folder, 'here.hcl')
      await appendFile(extra, `data_dir = "${folder}"\nbind_addr = "127.0.0.1"\n`)
      const result = await runCommand(['validate', config, extra])
      assert.equal(result.code, 0, result.stderr)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('refuses what it does not know', async () => {
    const result = await runCommand(['--bogus'], { program: INSTALL })
    assert.equal(result.code, 1)
    assert.match(result.stderr, /--bogus/)
  })
})

const hasAnalyze = spawnSync('systemd-analyze', ['--version']).error === undefined

it('systemd-analyze verify is silent', {
  skip: hasAnalyze ? false : 'no systemd-analyze',
}, async () => {
  const result = await runCommand([], { program: join(ROOT, 'scripts', 'verify-units') })
  assert.equal(result.code, 0, result.stderr)
})
