/**
 * Prepared queries in the store (query-table.ts), beside a naive model.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Command } from '../../../../core/catalog/commands.ts'
import { StateStore } from '../../../../core/catalog/state-store.ts'
import type { PreparedQuery, QueryResolution } from '../../../../core/queries/types.ts'
import { preparedQuery, queryTemplate } from '../queries/query-fixture.ts'
import { Driver, session } from './store-fixture.ts'

function create(query: PreparedQuery): Command {
  return { kind: 'query.set', mode: 'create', query }
}

function update(query: PreparedQuery): Command {
  return { kind: 'query.set', mode: 'update', query }
}

function named(id: string, name: string): PreparedQuery {
  return preparedQuery({ id, name })
}

/** The id of what a name stands for. */
function resolved(driver: Driver, nameOrId: string): string {
  const found = driver.read('query.resolve', { nameOrId })
  return found.kind === 'query' ? found.query.id : found.kind
}

describe('prepared queries', () => {
  it('are found by id and by name, whatever the case', () => {
    const driver = new Driver()
    assert.equal(driver.ok(create(named('id-1', 'Web'))), 'id-1')
    assert.equal(resolved(driver, 'id-1'), 'id-1')
    assert.equal(resolved(driver, 'wEB'), 'id-1')
    assert.equal(resolved(driver, 'we'), 'unknown')
    assert.equal(resolved(driver, ''), 'unknown')
    assert.deepEqual(driver.read('query.list', {}), [
      { ...named('id-1', 'Web'), createIndex: 1, modifyIndex: 1 },
    ])
    assert.equal(driver.read('query.get', { id: 'id-1' })?.name, 'Web')
    assert.equal(driver.store.read('query.get', { id: 'web' }).found, false)
  })

  it('have names of their own, which are no ids', () => {
    const driver = new Driver()
    driver.ok(create(named('id-1', 'web')))
    assert.equal(
      driver.refused(create(named('id-2', 'WEB'))),
      "name 'WEB' aliases an existing query name",
    )
    assert.equal(
      driver.refused(create(named('id-2', 'ID-1'))),
      "name 'ID-1' aliases an existing query ID",
    )
    driver.ok(create({ ...queryTemplate('', {}), id: 'id-3' }))
    assert.equal(
      driver.refused(create({ ...queryTemplate('', {}), id: 'id-4' })),
      'a query template with an empty name already exists',
    )
    assert.equal(
      driver.refused(create({ ...queryTemplate('web', {}), id: 'id-4' })),
      "name 'web' aliases an existing query name",
    )
    assert.equal(driver.refused(create(named('', 'x'))), 'Missing query ID')
    assert.match(driver.refused(create(named('id-1', 'x'))), /already exists/)
  })

  it('are changed and deleted only when they are there', () => {
    const driver = new Driver()
    const missing = "Cannot modify non-existent prepared query: 'id-1'"
    assert.equal(driver.refused(update(named('id-1', 'web'))), missing)
    assert.equal(driver.refused({ kind: 'query.delete', id: 'id-1' }), missing)
    driver.ok(create(named('id-1', 'web')))
    driver.ok(update(named('id-1', 'api')))
    assert.equal(resolved(driver, 'web'), 'unknown')
    assert.equal(resolved(driver, 'api'), 'id-1')
    const { createIndex, modifyIndex } = driver.read('query.get', { id: 'id-1' }) ?? {}
    assert.deepEqual([createIndex, modifyIndex], [3, 4])
    driver.ok({ kind: 'query.delete', id: 'id-1' })
    assert.equal(resolved(driver, 'api'), 'unknown')
    assert.equal(driver.indexOf('query.list', {}), 5)
  })

  it('wake who waits, but not when the same is said again', () => {
    const driver = new Driver()
    driver.ok(create(named('id-1', 'web')))
    let woken = 0
    const { watch } = driver.store.read('query.get', { id: 'id-1' })
    driver.store.watchOnce(watch, () => woken++)
    driver.ok(update(named('id-1', 'web')))
    assert.equal(driver.indexOf('query.list', {}), 1)
    assert.equal(woken, 0)
    driver.ok(update(preparedQuery({ id: 'id-1', name: 'web', dnsTtl: '5s' })))
    assert.equal(woken, 1)
    assert.equal(driver.indexOf('query.list', {}), 3)
  })

  it('go away with their session, in whatever ends it', () => {
    const driver = new Driver()
    driver.ok(driver.register('n1'))
    const bound = preparedQuery({ id: 'id-1', name: 'web', session: 's1' })
    assert.equal(driver.refused(create(bound)), 'invalid session "s1"')
    for (const end of [driver.destroy('s1'), driver.deregister('n1')]) {
      driver.ok({ kind: 'session.create', session: session('s1', 'n1') })
      driver.ok(create(bound))
      driver.ok(create(named(`other-${driver.index}`, `other-${driver.index}`)))
      driver.ok(end)
      assert.equal(resolved(driver, 'web'), 'unknown')
      assert.equal(driver.indexOf('query.list', {}), driver.index)
    }
    assert.equal(driver.read('query.list', {}).length, 2)
  })

  it('follow the session they were last bound to', () => {
    const driver = new Driver()
    driver.ok(driver.register('n1'))
    for (const id of ['s1', 's2']) {
      driver.ok({ kind: 'session.create', session: session(id, 'n1') })
    }
    driver.ok(create(preparedQuery({ id: 'id-1', session: 's1' })))
    driver.ok(update(preparedQuery({ id: 'id-1', session: 's2' })))
    driver.ok(driver.destroy('s1'))
    assert.equal(resolved(driver, 'id-1'), 'id-1')
    driver.ok(driver.destroy('s2'))
    assert.equal(resolved(driver, 'id-1'), 'unknown')
  })

  it('are templates for the names with the longest of their prefixes', () => {
    const driver = new Driver()
    const service = '${name.suffix}'
    driver.ok(create({ ...queryTemplate('', { service }), id: 'id-all' }))
    driver.ok(create({ ...queryTemplate('Geo-', { service }), id: 'id-geo' }))
    driver.ok(create({ ...queryTemplate('geo-db-', { service }), id: 'id-db' }))
    driver.ok(create(named('exact', 'geo-db-one')))
    assert.equal(resolved(driver, 'geo-db-two'), 'id-db')
    assert.equal(resolved(driver, 'geo-db-one'), 'exact')
    assert.equal(resolved(driver, 'GEO-DB'), 'id-geo')
    assert.equal(resolved(driver, 'geo'), 'id-all')
    assert.deepEqual(driver.read('query.resolve', { nameOrId: 'ID-GEO' }), {
      kind: 'refused',
      message: 'prepared query templates can only be resolved up by name, not by ID',
    } satisfies QueryResolution)
    const long = driver.read('query.resolve', { nameOrId: 'x'.repeat(5000) })
    assert.equal(long.kind, 'unknown')
  })

  it('are in the image with all that leads to them', () => {
    const driver = new Driver()
    driver.ok(driver.register('n1'))
    driver.ok({ kind: 'session.create', session: session('s1', 'n1') })
    driver.ok(create(preparedQuery({ id: 'id-1', name: 'web', session: 's1' })))
    driver.ok(create({ ...queryTemplate('t-', { tags: ['${match(1)}'] }), id: 'id-2' }))
    const restored = new StateStore({ datacenter: 'dc1' })
    restored.restore(driver.store.snapshot().image())
    const again = new Driver(restored)
    assert.deepEqual(again.read('query.list', {}), driver.read('query.list', {}))
    assert.equal(again.indexOf('query.list', {}), 4)
    assert.equal(resolved(again, 't-x'), 'id-2')
    again.ok(again.destroy('s1'))
    assert.equal(resolved(again, 'web'), 'unknown')
  })
})

/** What a set of queries must be, said as plainly as possible: a list that is searched from end to end. */
class Model {
  queries: PreparedQuery[] = []
  sessions = new Set<string>()

  set(query: PreparedQuery, mode: 'create' | 'update'): boolean {
    const others = this.queries.filter(({ id }) => id !== query.id)
    const isThere = others.length < this.queries.length
    if (isThere !== (mode === 'update')) return false
    const lower = query.name.toLowerCase()
    const isTemplate = query.template.type !== ''
    if (lower !== '' && others.some(({ name }) => name.toLowerCase() === lower)) return false
    if (lower === '' && isTemplate) {
      if (others.some(({ name, template }) => name === '' && template.type !== '')) return false
    }
    if (this.queries.some(({ id }) => id === lower)) return false
    if (query.session !== '' && !this.sessions.has(query.session)) return false
    this.queries = [...others, query]
    return true
  }

  delete(id: string): boolean {
    const before = this.queries.length
    this.queries = this.queries.filter((query) => query.id !== id)
    return this.queries.length < before
  }

  destroy(id: string): void {
    if (!this.sessions.delete(id)) return
    this.queries = this.queries.filter(({ session: bound }) => bound !== id)
  }

  resolve(nameOrId: string): string {
    const lower = nameOrId.toLowerCase()
    const byId = this.queries.find(({ id }) => id === lower)
    if (byId !== undefined) return byId.template.type === '' ? byId.id : 'refused'
    if (lower === '') return 'unknown'
    const byName = this.queries.find(({ name }) => name.toLowerCase() === lower)
    if (byName !== undefined) return byName.id
    const templates = this.queries.filter(({ name, template }) => {
      return template.type !== '' && lower.startsWith(name.toLowerCase())
    })
    templates.sort((a, b) => b.name.length - a.name.length)
    return templates[0]?.id ?? 'unknown'
  }
}

const IDS = ['a', 'b', 'c', 'd']
const NAMES = ['', 'a', 'x', 'X', 'xy', 'xyz', 'y']
const SESSIONS = ['s1', 's2']

describe('any run of commands', () => {
  const query = fc
    .record({
      id: fc.constantFrom(...IDS),
      name: fc.constantFrom(...NAMES),
      session: fc.constantFrom('', ...SESSIONS),
      isTemplate: fc.boolean(),
    })
    .map(({ id, name, session: bound, isTemplate }) => ({
      ...(isTemplate ? queryTemplate(name, {}) : preparedQuery({ name })),
      id,
      session: bound,
    }))
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ act: fc.constantFrom('create', 'update'), query }) },
    fc.record({ act: fc.constant('delete'), id: fc.constantFrom(...IDS) }),
    fc.record({ act: fc.constantFrom('begin', 'end'), session: fc.constantFrom(...SESSIONS) }),
  )
  type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

  function take(driver: Driver, model: Model, given: Step): void {
    if ('query' in given) {
      const mode = given.act === 'create' ? 'create' : 'update'
      const result = driver.apply({ kind: 'query.set', mode, query: given.query })
      assert.equal(result.ok, model.set(given.query, mode))
    } else if ('id' in given) {
      assert.equal(driver.apply({ kind: 'query.delete', id: given.id }).ok, model.delete(given.id))
    } else if (given.act === 'begin') {
      driver.apply({ kind: 'session.create', session: session(given.session, 'n1') })
      model.sessions.add(given.session)
    } else {
      driver.ok(driver.destroy(given.session))
      model.destroy(given.session)
    }
  }

  it('leaves what the model says, also in the image', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const driver = new Driver()
        driver.ok(driver.register('n1'))
        const model = new Model()
        for (const given of steps) take(driver, model, given)
        const restored = new StateStore({ datacenter: 'dc1' })
        restored.restore(driver.store.snapshot().image())
        for (const each of [driver, new Driver(restored)]) {
          const ids = each.read('query.list', {}).map(({ id }) => id)
          assert.deepEqual(ids, model.queries.map(({ id }) => id).toSorted())
          for (const name of [...IDS, ...NAMES, 'xyzz', 'Y1', 'none']) {
            assert.equal(resolved(each, name), model.resolve(name), name)
          }
        }
      }),
    )
  })
})
