/**
 * The state store against a model of plain arrays, under random commands (core/catalog/).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { destinationOf } from '../../../core/catalog/instances.ts'
import { compareCodePoints } from '../../../core/catalog/key-order.ts'
import { StateStore } from '../../../core/catalog/state-store.ts'
import type { CheckRecord, ServiceRecord } from '../../../core/catalog/types.ts'
import { NaiveStore } from './naive-store.ts'
import { catalogCommand, KEYS, NODES, prelude, SERVICES } from './random-commands.ts'

const RUNS = 250

describe('the state store and the naive model', () => {
  it('agree on every result and every record, whatever the commands', () => {
    fc.assert(
      fc.property(
        fc
          .array(catalogCommand, { maxLength: 60, size: 'max' })
          .map((list) => [...prelude, ...list]),
        (commands) => {
          const store = new StateStore({ datacenter: 'dc1' })
          const model = new NaiveStore()
          for (const [i, command] of commands.entries()) {
            const index = i + 1
            const result = store.apply(index, command)
            const expected = model.apply(index, command)
            if (result.ok) assert.deepEqual({ value: result.value }, expected)
            else assert.deepEqual({ refused: 'message' in result ? result.message : '' }, expected)
            compare(store, model)
          }
        },
      ),
      { numRuns: RUNS },
    )
  })
})

function compare(store: StateStore, model: NaiveStore): void {
  const { nodes, services, checks, kv, sessions } = model.tables
  assert.deepEqual(
    store.read('catalog.nodes', {}).value,
    sortedBy(nodes, (one) => one.node.toLowerCase()),
  )
  const entries = store.read('kv.list', { prefix: '' }).value
  assert.deepEqual(
    entries,
    kv.toSorted((a, b) => compareCodePoints(a.key, b.key)),
  )
  const prefix = KEYS[1] as string
  assert.deepEqual(
    store.read('kv.list', { prefix }).value,
    entries.filter((one) => one.key.startsWith(prefix)),
  )
  assert.deepEqual(
    store.read('session.list', {}).value,
    sortedBy(sessions, (one) => one.id),
  )
  for (const node of NODES) {
    const isHere = (one: { readonly node: string }) => one.node.toLowerCase() === node.toLowerCase()
    const found = store.read('catalog.node', { node }).value
    assert.deepEqual(
      found?.services ?? [],
      sortedBy(services.filter(isHere), (one) => one.id),
    )
    assert.deepEqual(
      found?.checks ?? [],
      sortedBy(checks.filter(isHere), (one) => one.checkId),
    )
    const held = store.read('session.list', { node }).value
    assert.deepEqual(
      held,
      sortedBy(sessions.filter(isHere), (one) => one.id),
    )
  }
  for (const name of SERVICES) {
    const isNamed = (text: string | undefined) => text?.toLowerCase() === name.toLowerCase()
    const own = services.filter((one) => isNamed(one.service))
    const proxies = services.filter((one) => isNamed(destinationOf(one)))
    compareGroup(store, checks, name, false, own)
    compareGroup(store, checks, name, true, proxies)
  }
}

function compareGroup(
  store: StateStore,
  allChecks: readonly CheckRecord[],
  service: string,
  connect: boolean,
  expected: readonly ServiceRecord[],
): void {
  const entries = store.read('health.service', { service, connect }).value
  const place = (one: ServiceRecord) => `${one.node.toLowerCase()}\0${one.id}`
  assert.deepEqual(
    entries.map((one) => one.service),
    sortedBy(expected, place),
  )
  for (const entry of entries) {
    const bears = (one: CheckRecord) =>
      one.node.toLowerCase() === entry.node.node.toLowerCase() &&
      (one.serviceId === '' || one.serviceId === entry.service.id)
    const rank = (one: CheckRecord) => `${one.serviceId === '' ? 0 : 1}${one.checkId}`
    assert.deepEqual(entry.checks, sortedBy(allChecks.filter(bears), rank))
  }
}

function sortedBy<T>(items: readonly T[], key: (item: T) => string): T[] {
  return items.toSorted((a, b) => (key(a) < key(b) ? -1 : 1))
}
