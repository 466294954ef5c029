/**
 * Views behind DNS services: versions, and what is let go at the bound.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CatalogSources, SOURCES_MAX } from '../../../../agent/dns/catalog-sources.ts'
import type { CatalogViews, View } from '../../../../agent/view/types.ts'
import type { Topic, Topics } from '../../../../core/catalog/feed.ts'
import type { HealthEntry } from '../../../../core/catalog/types.ts'
import { WEB_A, WEB_B } from '../../core/dns/example-catalog.ts'

/** Views whose items the test sets; counts what is held. */
class TestViews implements CatalogViews {
  readonly held = new Map<string, { items: Map<string, HealthEntry>; changed: () => void }>()

  open<T extends Topic>(topic: T, key: string): View<T> {
    const name = `${topic}/${key}`
    const state = { items: new Map<string, HealthEntry>(), changed: () => {} }
    this.held.set(name, state)
    return {
      ready: async () => {},
      isReady: true,
      isStale: false,
      staleMs: 0,
      index: 1,
      items: () => state.items as ReadonlyMap<string, unknown> as ReadonlyMap<string, Topics[T]>,
      onChange: (listener) => {
        state.changed = listener
        return () => {}
      },
      release: () => void this.held.delete(name),
    }
  }

  set(name: string, ...entries: HealthEntry[]): void {
    const state = this.held.get(name)
    assert.ok(state !== undefined)
    state.items.clear()
    for (const [i, entry] of entries.entries()) state.items.set(String(i), entry)
    state.changed()
  }
}

describe('CatalogSources', () => {
  it('opens a view once a service and derives instances once a version', () => {
    const views = new TestViews()
    const sources = new CatalogSources(views, { onlyPassing: false, maxStaleMs: 1e9 })
    const web = sources.instances('health', 'web')
    assert.equal(sources.instances('health', 'web'), web)
    assert.notEqual(sources.instances('connect', 'web'), web)
    assert.deepEqual(web.value(), [])
    const before = web.version
    views.set('health/web', WEB_A, WEB_B)
    assert.notEqual(web.version, before)
    const value = web.value()
    assert.equal(value.length, 2)
    assert.equal(web.value(), value)
    sources.release()
    assert.equal(views.held.size, 0)
  })

  it('lets go of services without instances first', () => {
    const views = new TestViews()
    const sources = new CatalogSources(views, { onlyPassing: false, maxStaleMs: 1e9 })
    const web = sources.instances('health', 'web')
    views.set('health/web', WEB_A)
    for (let i = 0; i < SOURCES_MAX * 2; i++) sources.instances('health', `made-up-${i}`)
    assert.equal(views.held.size, SOURCES_MAX)
    assert.equal(sources.instances('health', 'web'), web)
    assert.ok(views.held.has(`health/made-up-${SOURCES_MAX * 2 - 1}`))
  })

  it('lets go of the oldest when all have instances, and voids what was made from it', () => {
    const views = new TestViews()
    const sources = new CatalogSources(views, { onlyPassing: false, maxStaleMs: 1e9 })
    const first = sources.instances('health', 's0')
    for (let i = 0; i < SOURCES_MAX; i++) {
      sources.instances('health', `s${i}`)
      views.set(`health/s${i}`, WEB_A)
    }
    const { version } = first
    sources.instances('health', 'one-more')
    assert.notEqual(first.version, version)
    assert.equal(views.held.has('health/s0'), false)
    assert.equal(views.held.size, SOURCES_MAX)
  })
})
