/**
 * A reporter of node's test runner that writes only the counts and what was skipped, as one JSON object, for scripts/test.ts.
 */

import type { TestEvent } from 'node:test/reporters'

export default async function* counts(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const skips: string[] = []
  for await (const event of source) {
    if (event.type === 'test:pass' && typeof event.data.skip === 'string') {
      skips.push(`${event.data.name}: ${event.data.skip}`)
    }
    // Each file has a summary of its own; the one without a file is the whole run's.
    if (event.type !== 'test:summary' || event.data.file !== undefined) continue
    const { tests, passed, skipped, todo } = event.data.counts
    const fail = tests - passed - skipped - todo
    yield JSON.stringify({ tests, pass: passed, fail, skipped: skipped + todo, skips })
  }
}
