/**
 * Differences of configurations (core/mesh/snapshot-patch.ts): sent, read and put together again.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type {
  Cluster,
  OutboundListener,
  ProxySnapshot,
} from '../../../../core/mesh/proxy-snapshot.ts'
import { applyPatch, patchOf, type SnapshotPatch } from '../../../../core/mesh/snapshot-patch.ts'

const clusters = fc
  .uniqueArray(
    fc.record({
      id: fc.constantFrom('a', 'b', 'c', 'd', '__proto__'),
      ports: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }),
    }),
    { selector: ({ id }) => id },
  )
  .map((given) =>
    given
      .map(({ id, ports }): Cluster => {
        const endpoints = ports.map((port, i) => {
          return { id: `n/${i}`, address: '10.0.0.1', port, weight: 1, healthy: port !== 3 }
        })
        return {
          id,
          serviceName: id,
          sni: id,
          spiffeUris: [`spiffe://x/${id}`],
          endpoints,
          connectTimeoutMs: 5_000,
        }
      })
      .sort((a, b) => (a.id < b.id ? -1 : 1)),
  )

/** In any order, as they come from the agent. */
const outbound = fc
  .uniqueArray(
    fc.record({
      id: fc.constantFrom('p', 'q', 'r', '__proto__'),
      port: fc.integer({ min: 1, max: 2 }),
    }),
    { selector: ({ id }) => id },
  )
  .map((given) =>
    given.map(({ id, port }): OutboundListener => {
      const source = { kind: 'identity', identityId: 'svc/web' } as const
      return { id, bind: { address: '127.0.0.1', port }, clusterId: 'a', protocol: 'tcp', source }
    }),
  )

const snapshots = fc.record({ clusters, outbound, trustDomain: fc.constantFrom('x', 'y') })

function snapshotOf(
  given: Pick<ProxySnapshot, 'clusters' | 'outbound' | 'trustDomain'>,
  version: number,
): ProxySnapshot {
  return {
    version,
    datacenter: 'dc1',
    nodeName: 'vm',
    rootsPem: ['root'],
    identities: [],
    inbound: [],
    callers: { services: [] },
    ...given,
  }
}

/** Over the socket. */
function sent<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T
}

describe('a patch', () => {
  it('makes of each snapshot the next, and leaves alone what did not change', () => {
    fc.assert(
      fc.property(fc.array(snapshots, { minLength: 2, maxLength: 6 }), (given) => {
        const all = given.map((each, i) => snapshotOf(each, i + 1))
        let received = sent(all[0] as ProxySnapshot)
        for (const [i, next] of all.slice(1).entries()) {
          const patch: SnapshotPatch = sent(patchOf(all[i] as ProxySnapshot, next))
          const made = applyPatch(received, patch)
          assert.ok(made !== undefined)
          assert.deepEqual(made, next)
          for (const name of ['clusters', 'outbound'] as const) {
            const changed = new Set(patch.snapshot[name].map(({ id }) => id))
            const before: readonly unknown[] = received[name]
            for (const each of made[name]) {
              if (!changed.has(each.id)) assert.ok(before.includes(each))
            }
          }
          received = made
        }
      }),
    )
  })

  it('says nothing of what is equal', () => {
    fc.assert(
      fc.property(snapshots, (given) => {
        const patch = patchOf(snapshotOf(given, 1), sent(snapshotOf(given, 2)))
        const { clusters: sentClusters, outbound: sentOutbound } = patch.snapshot
        assert.deepEqual([sentClusters, sentOutbound, patch.order], [[], [], {}])
      }),
    )
  })

  it('of another base is refused', () => {
    const [one, two] = [1, 2].map((version) =>
      snapshotOf({ clusters: [], outbound: [], trustDomain: 'x' }, version),
    )
    assert.ok(one !== undefined && two !== undefined)
    assert.equal(applyPatch(two, patchOf(one, two)), undefined)
  })

  it('that names what nobody has sent is refused', () => {
    const one = snapshotOf({ clusters: [], outbound: [], trustDomain: 'x' }, 1)
    const patch = { ...patchOf(one, { ...one, version: 2 }), order: { clusters: ['a'] } }
    assert.equal(applyPatch(one, patch), undefined)
  })
})
