/**
 * Rules about single files: a header, a length, a pure core, no sleeping tests, no forgotten notes.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readSources, type SourceFile, sourceFile, withoutComments } from './source-tree.ts'

const LINES_MAX = 500

/** Files that may be longer, each with its reason. */
const LONG_FILES: Readonly<Record<string, string>> = {}

/** Ambient time, chance, environment or I/O, none of which a pure core may touch. */
const IMPURE =
  /\b(?:Date\.now|new Date\(\)|Math\.random|performance\.now|setTimeout|setInterval|setImmediate|queueMicrotask|process\.[a-z]|console\.[a-z]|globalThis\.|fetch\()/

/** A test that waits a fixed time is slow on a good day and wrong on a bad one. */
const SLEEP =
  /\bsetTimeout\(\s*\w+\s*,\s*\d|await\s+(?:setTimeout|sleep|delay)\(\s*\d|\bsetTimeout\b[^}]*\} from 'node:timers\/promises'|\bAtomics\.wait\(/

const sources = readSources().filter((file) => !file.path.startsWith('proto/gen/'))

function findMissingHeaders(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap(({ path, text }) => {
    const body = text.startsWith('#!') ? text.slice(text.indexOf('\n') + 1) : text
    return body.startsWith('/**\n') ? [] : [`${path}: begins without a header comment`]
  })
}

function findLongFiles(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap(({ path, text }) => {
    const lines = text.split('\n').length - 1
    const isException = LONG_FILES[path] !== undefined
    return lines > LINES_MAX && !isException ? [`${path}: ${lines} lines`] : []
  })
}

function findImpurity(files: readonly SourceFile[]): readonly string[] {
  return matching(
    files.filter((file) => file.path.startsWith('core/')),
    IMPURE,
  )
}

function findSleeps(files: readonly SourceFile[]): readonly string[] {
  return matching(
    files.filter((file) => file.path.startsWith('test/') && file.path !== SELF),
    SLEEP,
  )
}

const SELF = 'test/architecture/sources.test.ts'

function matching(files: readonly SourceFile[], pattern: RegExp): readonly string[] {
  return files.flatMap((file) => {
    const found = pattern.exec(withoutComments(file.text))
    return found === null ? [] : [`${file.path}: ${found[0]}`]
  })
}

describe('every source file', () => {
  it('begins with a header comment', () => {
    assert.deepEqual(findMissingHeaders(sources), [])
    assert.equal(findMissingHeaders([sourceFile('core/x.ts', 'export const x = 1\n')]).length, 1)
  })

  it(`has at most ${LINES_MAX} lines, exceptions written down`, () => {
    assert.deepEqual(findLongFiles(sources), [])
    assert.equal(findLongFiles([sourceFile('core/x.ts', 'x\n'.repeat(501))]).length, 1)
    const gone = Object.keys(LONG_FILES).filter((path) => !sources.some((f) => f.path === path))
    assert.deepEqual(gone, [], 'exceptions for files that no longer exist')
  })

  it('carries no forgotten notes', () => {
    const notes = new RegExp(`\\b(?:${'TO'}${'DO'}|${'FIX'}${'ME'}|${'X'}XX)\\b`)
    const found = sources.flatMap(({ path, text }) => (notes.test(text) ? [path] : []))
    assert.deepEqual(found, [])
  })
})

describe('the core', () => {
  it('touches no clock, chance, process or timer', () => {
    assert.deepEqual(findImpurity(sources), [])
  })

  it('would be caught if it did', () => {
    for (const line of ['Date.now()', 'setTimeout(f, 1)', 'process.env', 'Math.random()']) {
      assert.equal(findImpurity([sourceFile('core/x.ts', `const a = ${line}\n`)]).length, 1, line)
    }
  })
})

describe('tests', () => {
  it('wait for conditions, never for a fixed time', () => {
    assert.deepEqual(findSleeps(sources), [])
  })

  it('would be caught if they did', () => {
    const sleeps = [
      'await sleep(100)',
      'setTimeout(resolve, 50)',
      "import { setTimeout as pause } from 'node:timers/promises'",
    ]
    for (const line of sleeps) {
      assert.equal(findSleeps([sourceFile('test/unit/x.test.ts', `${line}\n`)]).length, 1, line)
    }
  })

  it('mirror the sources: each unit test names a source file or folder', () => {
    const strays = sources
      .filter((file) => file.path.startsWith('test/unit/') && file.path.endsWith('.test.ts'))
      .filter((file) => !isMirrored(file.path))
      .map((file) => file.path)
    assert.deepEqual(strays, [])
  })
})

function isMirrored(testPath: string): boolean {
  const folder = testPath.slice('test/unit/'.length).split('/').slice(0, -1).join('/')
  return sources.some((file) => file.path.startsWith(`${folder}/`))
}
