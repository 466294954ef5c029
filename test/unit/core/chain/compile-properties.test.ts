/**
 * Whatever the entries: a chain ends in its targets, weights add up, and nothing throws (mesh.md 9).
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Json, JsonObject } from '../../../../core/catalog/types.ts'
import { compileChain, NO_OVERRIDES } from '../../../../core/chain/compile.ts'
import { nextOf } from '../../../../core/chain/flatten.ts'
import { type ChainNode, isProblem } from '../../../../core/chain/types.ts'
import { type Written, written } from './written-entries.ts'

const NAMES = ['a', 'b', 'c', 'd']
const SUBSETS = ['v1', 'v2']

const name = fc.constantFrom(...NAMES)
const leg = fc.record(
  { Service: name, ServiceSubset: fc.constantFrom(...SUBSETS) },
  { requiredKeys: [] },
)
const splitter = fc
  .uniqueArray(fc.tuple(leg, fc.integer({ min: 1, max: 10_000 })), {
    minLength: 1,
    maxLength: 4,
    selector: ([to]) => `${to.Service ?? ''}/${to.ServiceSubset ?? ''}`,
  })
  .map((legs) => ({ Splits: inHundredths(legs) }))
const router = fc
  .array(leg, { maxLength: 3 })
  .map((legs) => ({ Routes: legs.map((Destination) => ({ Destination })) }))
const resolver = fc.record(
  {
    Subsets: fc.constant({ v1: { Filter: 'a == b' }, v2: { OnlyPassing: true } }),
    DefaultSubset: fc.constantFrom('v1'),
    Redirect: leg,
    Failover: fc.dictionary(fc.constantFrom('*', ...SUBSETS), leg),
  },
  { requiredKeys: ['Subsets'] },
)

/** Weights that make 100 in steps of 0.01. */
function inHundredths(legs: readonly (readonly [object, number])[]): Json[] {
  const sum = legs.reduce((total, [, weight]) => total + weight, 0)
  let left = 10_000
  return legs.map(([to, weight], i) => {
    const steps = i === legs.length - 1 ? left : Math.floor((weight * 10_000) / sum)
    left -= steps
    return { ...to, Weight: steps / 100 }
  })
}

function entriesOf(kind: string, body: fc.Arbitrary<object>): fc.Arbitrary<[string, object][]> {
  return fc
    .uniqueArray(fc.tuple(name, body), { selector: ([n]) => n, maxLength: NAMES.length })
    .map((pairs) => pairs.map(([n, b]) => [`${kind}/${n}`, b]))
}

const entries: fc.Arbitrary<Written> = fc
  .tuple(
    entriesOf('service-router', router),
    entriesOf('service-splitter', splitter),
    entriesOf('service-resolver', resolver),
  )
  .map((lists) => ({
    'proxy-defaults/global': { Config: { protocol: 'http' } },
    ...(Object.fromEntries(lists.flat()) as Written),
  }))

function compile(of: Written, serviceName: string) {
  return compileChain(
    {
      serviceName,
      datacenter: 'dc1',
      trustDomain: 't.consul',
      overrides: NO_OVERRIDES,
      layer7OnLayer4: 'refused',
    },
    written(of),
  )
}

test('each path of a compiled chain ends in a resolver whose targets are there', () => {
  let compiled = 0
  fc.assert(
    fc.property(entries, name, (of, service) => {
      const chain = compile(of, service)
      if (isProblem(chain)) {
        assert.match(chain.problem, /circular|does not have a subset/)
        return
      }
      compiled += 1
      const seen = new Set<string>()
      const open = [chain.startNode]
      for (let key = open.pop(); key !== undefined; key = open.pop()) {
        const node: ChainNode | undefined = chain.nodes[key]
        assert.ok(node !== undefined, key)
        if (seen.has(key)) continue
        seen.add(key)
        open.push(...nextOf(node))
        if (node.type === 'resolver') {
          assert.ok(node.resolver.target in chain.targets)
          for (const id of node.resolver.failover?.targets ?? []) assert.ok(id in chain.targets)
          assert.ok(!node.resolver.failover?.targets.includes(node.resolver.target))
        } else {
          assert.ok(nextOf(node).length > 0)
        }
        if (node.type !== 'splitter') continue
        for (const { nextNode } of node.splits) assert.ok(!nextNode.startsWith('splitter:'))
        const sum = node.splits.reduce((total, split) => total + split.weight, 0)
        assert.ok(Math.abs(sum - 100) <= 0.005 * node.splits.length + 1e-6, `${sum}`)
      }
      assert.equal(seen.size, Object.keys(chain.nodes).length, 'every node is reachable')
    }),
    { numRuns: 500 },
  )
  assert.ok(compiled > 50, `only ${compiled} chains compiled`)
})

test('bodies of any JSON give a chain or a problem, never an exception', () => {
  const anyBody = fc.dictionary(
    fc.constantFrom('Routes', 'Splits', 'Subsets', 'Redirect', 'Failover', 'Config', 'Protocol'),
    fc.jsonValue() as fc.Arbitrary<Json>,
  ) as fc.Arbitrary<JsonObject>
  const kinds = ['service-router', 'service-splitter', 'service-resolver', 'service-defaults']
  const any = fc.tuple(...kinds.map((kind) => entriesOf(kind, anyBody)))
  fc.assert(
    fc.property(any, name, (lists, service) => {
      const result = compile(Object.fromEntries(lists.flat()) as Written, service)
      assert.equal(typeof (isProblem(result) ? result.problem : result.startNode), 'string')
    }),
    { numRuns: 500 },
  )
})
