/**
 * What the mesh proxy loads when it starts: no module of Node or npm that most hosts' proxies never use.
 *
 * `node:http` alone is 10 MB of resident memory. Followed are imports that are not late, from the proxy's command.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { packageOf, readSources } from './source-tree.ts'

const START = 'cli/commands/proxy.ts'
const ALLOWED = ['re2js', 'hashring']
const NOT_OF_NODE = ['node:http', 'node:https', 'node:http2', 'node:child_process', 'node:vm']

test('the proxy loads no library that it may never use', () => {
  const files = new Map(
    readSources(['core', 'runtime', 'proxy', 'cli']).map((file) => [file.path, file]),
  )
  const trails = new Map<string, readonly string[]>([[START, [START]]])
  const found: string[] = []
  for (const [path, trail] of trails) {
    for (const item of files.get(path)?.imports ?? []) {
      if (item.typeOnly || item.isLate) continue
      const { specifier } = item
      if (item.path !== undefined) {
        if (!trails.has(item.path)) trails.set(item.path, [...trail, item.path])
      } else if (
        specifier.startsWith('node:')
          ? NOT_OF_NODE.includes(specifier)
          : !ALLOWED.includes(packageOf(specifier))
      ) {
        found.push([...trail, specifier].join(' → '))
      }
    }
  }
  assert.ok(trails.size > 100, `only ${trails.size} files were followed`)
  assert.deepEqual(found, [])
})
