/**
 * Completion goes into the files of shells once, and comes out without a trace.
 */

import assert from 'node:assert/strict'
import {
  chmod,
  mkdir,
  mkdtemp,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { run } from '../run-program.ts'

async function withHome(test: (home: string) => Promise<void>): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'fairlead-home-'))
  try {
    await test(home)
  } finally {
    await rm(home, { recursive: true })
  }
}

it('installs once, keeps what is there, and uninstalls', async () => {
  await withHome(async (HOME) => {
    const bashrc = join(HOME, '.bashrc')
    await writeFile(bashrc, 'alias l=ls')
    await chmod(bashrc, 0o600)
    await writeFile(join(HOME, '.zshrc'), '')
    await mkdir(join(HOME, '.config', 'fish'), { recursive: true })
    for (const wanted of [/^Completion added to .*\.bashrc$/m, /^Completion is already in /m]) {
      const { code, stdout } = await run(['-autocomplete-install'], { HOME })
      assert.equal(code, 0)
      assert.match(stdout, wanted)
      assert.equal(await readFile(bashrc, 'utf8'), 'alias l=ls\ncomplete -C fairlead fairlead\n')
    }
    assert.equal((await stat(bashrc)).mode & 0o777, 0o600)
    assert.match(await readFile(join(HOME, '.zshrc'), 'utf8'), /^autoload -U \+X bashcompinit/)
    const fish = join(HOME, '.config', 'fish', 'completions', 'fairlead.fish')
    assert.match(await readFile(fish, 'utf8'), /complete -f -c fairlead/)
    assert.equal((await run(['--autocomplete-uninstall'], { HOME })).code, 0)
    assert.equal(await readFile(bashrc, 'utf8'), 'alias l=ls\n')
    assert.equal(await readFile(join(HOME, '.zshrc'), 'utf8'), '')
    await assert.rejects(stat(fish), /ENOENT/)
    assert.equal((await run(['-autocomplete-uninstall'], { HOME })).code, 1)
  })
})

it('leaves a link to the file of a shell a link', async () => {
  await withHome(async (HOME) => {
    await mkdir(join(HOME, 'dotfiles'))
    const kept = join(HOME, 'dotfiles', 'bashrc')
    await writeFile(kept, 'alias l=ls\n')
    await symlink('dotfiles/bashrc', join(HOME, '.bashrc'))
    for (const [flag, text] of [
      ['-autocomplete-install', 'alias l=ls\ncomplete -C fairlead fairlead\n'],
      ['-autocomplete-uninstall', 'alias l=ls\n'],
    ] as const) {
      assert.equal((await run([flag], { HOME })).code, 0)
      assert.equal(await readlink(join(HOME, '.bashrc')), 'dotfiles/bashrc')
      assert.equal(await readFile(kept, 'utf8'), text)
    }
  })
})

it('says so when there is no shell to install it for', async () => {
  await withHome(async (HOME) => {
    const { code, stderr } = await run(['-autocomplete-install'], { HOME })
    assert.equal(code, 1)
    assert.match(stderr, /There is no \.bashrc, \.zshrc or \.config\/fish in /)
  })
  const { code, stderr } = await run(['-autocomplete-install'])
  assert.equal(code, 1)
  assert.match(stderr, /HOME is not set/)
})
