/**
 * What URLs mean is looked up once while they are in use, and forgotten when others have come.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GENERATION_MAX, RecentTargets } from '../../../../agent/http/recent-targets.ts'

function counting(): { readonly recent: RecentTargets<string>; readonly made: string[] } {
  const made: string[] = []
  const recent = new RecentTargets((url) => {
    made.push(url)
    return `target of ${url}`
  })
  return { recent, made }
}

describe('recent targets', () => {
  it('are made once', () => {
    const { recent, made } = counting()
    assert.equal(recent.of('/a'), 'target of /a')
    assert.equal(recent.of('/a'), 'target of /a')
    assert.equal(recent.of('/b'), 'target of /b')
    assert.deepEqual(made, ['/a', '/b'])
  })

  it('are kept as long as they are in use, and forgotten after two generations', () => {
    const { recent, made } = counting()
    recent.of('/kept')
    recent.of('/left')
    for (let i = 0; i < 3 * GENERATION_MAX; i++) {
      recent.of(`/${i}`)
      recent.of('/kept')
    }
    assert.equal(made.filter((url) => url === '/kept').length, 1)
    recent.of('/left')
    assert.equal(made.filter((url) => url === '/left').length, 2)
  })

  it('of long URLs are not kept', () => {
    const { recent, made } = counting()
    const url = `/${'x'.repeat(600)}`
    recent.of(url)
    recent.of(url)
    assert.equal(made.length, 2)
  })
})
