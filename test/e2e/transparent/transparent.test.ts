/**
 * `connect redirect-traffic` with a real kernel: issue of transparent access (mesh.md 13).
 *
 * In network and mount namespaces of its own, so that nothing of the machine is touched; skipped where none can be made.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { runCommand } from '../harness/program.ts'

const RESOLVER = 'nameserver 127.0.0.1\n'

/** @returns why not */
function missing(): string | false {
  const probe = 'ip link set lo up && nft list ruleset && curl --version && setpriv --version'
  const { status, error, stderr } = spawnSync('unshare', ['--net', '--mount', 'sh', '-c', probe])
  if (status === 0) return false
  return `needs root, unshare, ip, nft, curl and setpriv: ${error?.message ?? String(stderr).trim()}`
}

test('applications that know nothing reach the mesh, and undo leaves no trace', {
  skip: missing(),
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-transparent-'))
  try {
    const resolver = join(folder, 'resolv.conf')
    writeFileSync(resolver, RESOLVER, { mode: 0o644 })
    const script = join(import.meta.dirname, 'in-namespace.ts')
    const inside = `mount --bind '${resolver}' /etc/resolv.conf && exec '${process.execPath}' '${script}'`
    const { code, stdout, stderr } = await runCommand(['--net', '--mount', 'sh', '-c', inside], {
      program: 'unshare',
      timeoutMs: 110_000,
    })
    assert.equal(code, 0, `${stdout}${stderr}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
