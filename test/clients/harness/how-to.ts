/**
 * The configurations that docs/how-to/forward-dns.md shows, so that what users copy is what the tests run.
 */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../e2e/harness/program.ts'

const PAGE = join(ROOT, 'docs', 'how-to', 'forward-dns.md')

/**
 * The block that begins with a comment that names the file.
 *
 * @param replacements what stands in the page → what the test needs; each must occur
 */
export function shownConfig(file: string, replacements: Readonly<Record<string, string>>): string {
  const block: string[] = []
  for (const line of readFileSync(PAGE, 'utf8').split('\n')) {
    const isFirst = line === `    # ${file}`
    if (!isFirst && block.length === 0) continue
    if (!line.startsWith('    ')) break
    block.push(line.slice(4))
  }
  assert.ok(block.length > 1, `the page shows no ${file}`)
  let text = `${block.join('\n')}\n`
  for (const [shown, needed] of Object.entries(replacements)) {
    assert.ok(text.includes(shown), `${file} does not say "${shown}"`)
    text = text.replaceAll(shown, needed)
  }
  return text
}
