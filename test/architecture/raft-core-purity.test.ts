/**
 * core/raft/ is a function of its inputs: none of the ways out of that may appear in it.
 */

import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'

const FOLDER = join(import.meta.dirname, '..', '..', 'core', 'raft')

const BANNED: readonly [string, RegExp][] = [
  ...[
    'Date',
    'performance',
    'process',
    'setTimeout',
    'setInterval',
    'setImmediate',
    'queueMicrotask',
    'Promise',
    'async',
    'await',
    'crypto',
    'WeakRef',
    'WeakMap',
    'FinalizationRegistry',
    'globalThis',
    'Intl',
    'toLocaleString',
    'localeCompare',
    'require',
  ].map((word): [string, RegExp] => [word, new RegExp(`\\b${word}\\b`)]),
  ['Math.random', /\bMath\s*\.\s*random\b/],
  ['for..in', /\bfor\s*\(\s*(?:const|let|var)\s+\w+\s+in\b/],
  ['a platform module', /from\s+'node:/],
  ['a package', /from\s+'(?!\.|node:)/],
]

/** Source without comments and without the text of strings, but with import paths. */
function codeOf(source: string): string {
  return source
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(^|[^:'])\/\/.*$/gm, '$1')
    .replace(/`(?:[^`\\]|\\.)*`/g, (text) => (text.match(/\$\{[^}]*\}/g) ?? []).join(' '))
}

function findings(source: string): string[] {
  const code = codeOf(source)
  return BANNED.filter(([, pattern]) => pattern.test(code)).map(([name]) => name)
}

describe('the raft core', () => {
  it('uses nothing that differs between two runs', async () => {
    const files = (await readdir(FOLDER, { recursive: true })).filter((f) => f.endsWith('.ts'))
    assert.ok(files.length > 15, 'the folder is found')
    for (const file of files) {
      const found = findings(await readFile(join(FOLDER, file), 'utf8'))
      assert.deepEqual(found, [], `core/raft/${file} uses ${found.join(', ')}`)
    }
  })

  it('would be caught if it did', () => {
    const planted: [string, string][] = [
      ['const now = Date.now()', 'Date'],
      ['const x = Math . random()', 'Math.random'],
      ['for (const key in table) use(key)', 'for..in'],
      ["import { readFile } from 'node:fs'", 'a platform module'],
      ["import level from 'level'", 'a package'],
      // biome-ignore lint/suspicious/noTemplateCurlyInString: source text under test
      ['const s = `${process.pid}`', 'process'],
    ]
    for (const [source, name] of planted) assert.deepEqual(findings(source), [name])
    assert.deepEqual(findings('// Date\n/* await */ const a = 1 // Promise'), [])
  })
})
