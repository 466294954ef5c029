/**
 * Documentation that must keep up with the code: error codes, generated pages, links.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { ERRORS } from '../../core/errors.ts'
import { ROOT } from './source-tree.ts'

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

const pages = [...globSync('docs/**/*.md', { cwd: ROOT }), ...globSync('*.md', { cwd: ROOT })]

describe('documentation', () => {
  it('has a section for every error code and none for others', () => {
    const sections = [...read('docs/reference/errors.md').matchAll(/^## ([A-Z_]+)$/gm)]
    assert.deepEqual(sections.map((match) => match[1]).sort(), Object.keys(ERRORS).sort())
  })

  it('states the HTTP status of every error code', () => {
    const page = read('docs/reference/errors.md')
    for (const [code, entry] of Object.entries(ERRORS)) {
      const section = page
        .slice(page.indexOf(`## ${code}\n`))
        .split('\n')
        .slice(2, 3)
        .join('')
      assert.ok(section.startsWith(`HTTP ${entry.httpStatus}`), `${code}: ${section}`)
    }
  })

  // Gaps are numbers that other work has been given already.
  it('numbers decisions, each number once, as their titles do', () => {
    const taken = new Set<string>()
    for (const path of globSync('docs/decisions/*.md', { cwd: ROOT }).sort()) {
      const number = /\/([0-9]{4})-[a-z0-9-]+\.md$/.exec(path)?.[1]
      assert(number !== undefined, `${path} has no number`)
      assert.equal(taken.has(number), false, `${path} has a number of another decision`)
      taken.add(number)
      assert.match(read(path), new RegExp(`^# ${Number(number)}\\. `), `the title of ${path}`)
    }
  })

  it('has fresh generated pages', () => {
    const result = spawnSync(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', join(ROOT, 'scripts', 'gen-docs.ts'), '--check'],
      { encoding: 'utf8' },
    )
    assert.equal(result.status, 0, result.stderr)
  })

  it('links only to files that exist', () => {
    const broken = pages.flatMap((page) =>
      [...read(page).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)]
        .map((match) => match[1] ?? '')
        .filter((target) => !existsSync(join(ROOT, dirname(page), target)))
        .map((target) => `${page}: ${target}`),
    )
    assert.deepEqual(broken, [])
  })

  it('names only commands of npm that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    const named = pages.flatMap((page) =>
      [...read(page).matchAll(/npm run ([a-z:]+)/g)].map((match) => match[1] ?? ''),
    )
    assert.deepEqual(
      [...new Set(named)].filter((name) => scripts[name] === undefined),
      [],
    )
  })
})
