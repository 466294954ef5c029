/**
 * Where fresh seeds begin: the first eight hex digits of the commit, so that each commit explores new ground
 * and its run can still be repeated. 1 outside a repository.
 */

import { spawnSync } from 'node:child_process'

export function commitBase(): number {
  const { stdout } = spawnSync('git', ['rev-parse', 'HEAD'], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  })
  const digits = /^[0-9a-f]{8}/.exec(stdout ?? '')?.[0]
  return digits === undefined ? 1 : Number.parseInt(digits, 16)
}
