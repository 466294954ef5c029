/**
 * The catalogue of metrics: nothing in it is unused, nothing is called twice the same, names are well formed.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { METRIC_AREAS } from '../../../../core/metrics/catalogue.ts'
import { readSources } from '../../../architecture/source-tree.ts'

const definitions = Object.values(METRIC_AREAS).flatMap((area) => Object.values(area))

describe('the catalogue of metrics', () => {
  it('holds no two metrics of one name', () => {
    // As Prometheus sees them.
    const names = definitions.map(({ name }) => name.replace(/[.-]/g, '_'))
    assert.deepEqual(
      names.filter((name, at) => names.indexOf(name) !== at),
      [],
    )
  })

  it('has names, labels and texts in their form', () => {
    for (const { name, help, labels } of definitions) {
      assert.match(name, /^[a-zA-Z][a-zA-Z0-9_-]*(?:\.[a-zA-Z0-9_-]+)+$|^[a-z]+$/, name)
      assert.match(help, /^[A-Z0-9].*[^.]$/, name)
      for (const label of labels) assert.match(label, /^[a-z_]+$/, name)
    }
  })

  it('holds each file of catalogue/ and no metric that nothing counts', () => {
    const sources = readSources()
    const counted = sources
      .filter(({ path }) => !path.startsWith('test/') && !path.startsWith('core/metrics/catalogue'))
      .map(({ text }) => text)
      .join('\n')
    const files = sources.filter(({ path }) => path.startsWith('core/metrics/catalogue/'))
    const unused: string[] = []
    let defined = 0
    for (const { path, text } of files) {
      const table = /export const (\w+_METRICS) = \{/.exec(text)?.[1]
      assert.ok(table !== undefined, path)
      for (const [, key] of text.matchAll(/^ {2}(\w+): (?:counter|gauge|sample)\(/gm)) {
        defined++
        if (!new RegExp(`\\b${table}\\s*\\.${key}\\b`).test(counted)) unused.push(`${table}.${key}`)
      }
    }
    assert.deepEqual(unused, [])
    assert.equal(defined, definitions.length, 'a file of catalogue/ is missing in catalogue.ts')
  })
})
