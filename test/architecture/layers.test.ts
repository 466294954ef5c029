/**
 * Holds the import table of the design: who may import whom, one folder per package, no cycles, no barrels.
 *
 * Every rule is also shown a planted violation, because a checker that finds nothing proves nothing.
 */

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import {
  findBarrels,
  findCycles,
  findForbiddenNames,
  findLayerViolations,
  findScatteredPackages,
} from './layer-rules.ts'
import { ROOT, readSources, sourceFile } from './source-tree.ts'

const sources = readSources()

describe('import table', () => {
  it('sees the project', () => {
    assert.ok(sources.length > 30, `only ${sources.length} files found`)
    assert.ok(sources.some((file) => file.imports.length > 0))
  })

  it('lets every folder import only what its row allows', () => {
    assert.deepEqual(findLayerViolations(sources), [])
  })

  it('keeps each package behind one folder', () => {
    assert.deepEqual(findScatteredPackages(sources), [])
  })

  it('has no import cycles at run time', () => {
    assert.deepEqual(findCycles(sources), [])
  })

  it('has no barrels and no grab-bag names', () => {
    assert.deepEqual([...findBarrels(sources), ...findForbiddenNames(sources)], [])
  })

  it('imports only files that exist', () => {
    const missing = sources.flatMap((file) =>
      file.imports.flatMap(({ path }) =>
        path === undefined || path.startsWith('proto/gen') || existsSync(join(ROOT, path))
          ? []
          : [`${file.path}: ${path} does not exist`],
      ),
    )
    assert.deepEqual(missing, [])
  })
})

describe('planted violations are found', () => {
  const plant = (path: string, text: string) => sourceFile(path, text)

  it('the roles importing each other', () => {
    const file = plant('agent/dns/x.ts', "import { Raft } from '../../server/raft/raft.ts'\n")
    assert.equal(findLayerViolations([file]).length, 1)
  })

  it('core importing node or a package, also as a type, also dynamically', () => {
    const file = plant(
      'core/x.ts',
      "import { readFile } from 'node:fs'\nimport type { Logger } from 'pino'\nconst a = await import('undici')\n",
    )
    assert.equal(findLayerViolations([file]).length, 3)
  })

  it('a statement over several lines and a re-export', () => {
    const text =
      "import {\n  a,\n  b,\n} from '../../proxy/a.ts'\nexport { c } from '../../agent/c.ts'\n"
    assert.equal(findLayerViolations([plant('server/x/y.ts', text)]).length, 2)
  })

  it('but not what a comment mentions', () => {
    const text = "/**\n * import { a } from '../../proxy/a.ts'\n */\n// import b from 'pino'\n"
    assert.deepEqual(findLayerViolations([plant('core/x/y.ts', text)]), [])
  })

  it('a package in two folders of runtime', () => {
    const files = [
      plant('runtime/log/a.ts', "import pino from 'pino'\n"),
      plant('runtime/storage/b.ts', "import pino from 'pino'\n"),
    ]
    assert.equal(findScatteredPackages(files).length, 1)
  })

  it('fastify outside the HTTP API', () => {
    const file = plant('agent/dns/a.ts', "import fastify from 'fastify'\n")
    assert.equal(findScatteredPackages([file]).length, 1)
  })

  it('a cycle, but not one of types', () => {
    const a = plant('core/a.ts', "import { b } from './b.ts'\n")
    assert.deepEqual(findCycles([a, plant('core/b.ts', "import { a } from './a.ts'\n")]), [
      'core/a.ts → core/b.ts → core/a.ts',
    ])
    assert.deepEqual(findCycles([a, plant('core/b.ts', "import type { A } from './a.ts'\n")]), [])
  })

  it('a barrel and a grab-bag', () => {
    assert.equal(findBarrels([plant('core/all.ts', "export * from './a.ts'\n")]).length, 1)
    assert.equal(
      findForbiddenNames([plant('core/utils.ts', ''), plant('agent/common/a.ts', '')]).length,
      2,
    )
  })

  it('a page importing code of core rather than types', () => {
    const text = "import { x } from '../core/x.ts'\nimport type { y } from '../core/y.ts'\n"
    assert.equal(findLayerViolations([plant('ui/a.ts', text)]).length, 1)
  })
})
