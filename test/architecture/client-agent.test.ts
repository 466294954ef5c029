/**
 * What a client agent loads before it serves: nothing of a server, and no large library that only some hosts need.
 *
 * It runs on every host, so each megabyte counts. Followed are imports that are not late, from where an agent is
 * put together.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { packageOf, readSources } from './source-tree.ts'

const START = 'cli/agent/run-agent.ts'
const FOR_SOME = ['undici', 'level', 'systeminformation', 'node-forge', '@peculiar/x509']

test('a client agent loads no server and no library that it may never use', () => {
  const files = new Map(
    readSources(['core', 'proto', 'runtime', 'server', 'agent', 'cli']).map((file) => [
      file.path,
      file,
    ]),
  )
  const trails = new Map<string, readonly string[]>([[START, [START]]])
  const found: string[] = []
  for (const [path, trail] of trails) {
    if (path.startsWith('server/') || path.startsWith('core/raft/')) found.push(trail.join(' → '))
    for (const item of files.get(path)?.imports ?? []) {
      if (item.typeOnly || item.isLate) continue
      if (item.path !== undefined) {
        if (!trails.has(item.path)) trails.set(item.path, [...trail, item.path])
      } else if (FOR_SOME.includes(packageOf(item.specifier))) {
        found.push([...trail, item.specifier].join(' → '))
      }
    }
  }
  assert.ok(trails.size > 200, `only ${trails.size} files were followed`)
  assert.deepEqual(found, [])
})
