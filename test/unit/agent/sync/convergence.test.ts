/**
 * Whatever local changes, remote edits, failures and overlapping syncs came before, one full sync makes the
 * catalog equal to the local state.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { FairleadError } from '../../../../core/errors.ts'
import {
  addCheck,
  assertAgree,
  NODE,
  register,
  remoteCheck,
  remoteRegister,
  remoteService,
  world,
} from './world.ts'

describe('whatever happened on either side', () => {
  const ids = fc.constantFrom('a', 'b', 'c')
  const tags = fc.array(fc.constantFrom('x', 'y'), { maxLength: 2 })
  const statuses = fc.constantFrom('passing', 'warning', 'critical')
  const step = fc.oneof(
    fc.record({
      act: fc.constant('register' as const),
      id: ids,
      tags,
      port: fc.integer({ min: 1, max: 3 }),
      checks: fc.nat(2),
      sidecar: fc.boolean(),
      override: fc.boolean(),
    }),
    fc.record({ act: fc.constant('deregister' as const), id: ids }),
    fc.record({ act: fc.constant('check' as const), id: ids, status: statuses }),
    fc.record({ act: fc.constant('uncheck' as const), id: ids }),
    fc.record({ act: fc.constant('maintain' as const), id: ids, enabled: fc.boolean() }),
    fc.record({ act: fc.constant('remote-service' as const), id: ids, tags }),
    fc.record({ act: fc.constant('remote-check' as const), id: ids, status: statuses }),
    fc.record({ act: fc.constant('remote-remove-service' as const), id: ids }),
    fc.record({ act: fc.constant('remote-remove-check' as const), id: ids }),
    fc.record({ act: fc.constant('remote-remove-node' as const) }),
    fc.record({ act: fc.constant('fail' as const), failing: fc.boolean() }),
    fc.record({ act: fc.constant('full' as const) }),
  )
  type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

  async function perform(step: Step, w: Awaited<ReturnType<typeof world>>): Promise<void> {
    const { local, catalog, sync } = w
    switch (step.act) {
      case 'register':
        return register(local, {
          Name: step.id,
          Tags: step.tags,
          Port: step.port,
          EnableTagOverride: step.override,
          Checks: Array(step.checks).fill({ TTL: '1h' }),
          ...(step.sidecar ? { Connect: { SidecarService: {} } } : {}),
        })
      case 'deregister':
        return local.services().has(step.id) ? local.deregisterService(step.id) : undefined
      case 'check':
        if (!local.checks().has(step.id)) {
          return addCheck(local, { Name: step.id, TTL: '1h', Status: step.status })
        }
        return local.reportCheck(step.id, step.status as 'passing', step.status)
      case 'uncheck':
        return local.checks().has(step.id) ? local.deregisterCheck(step.id) : undefined
      case 'maintain':
        return local.services().has(step.id)
          ? local.setServiceMaintenance(step.id, step.enabled, '')
          : undefined
      case 'remote-service':
        return remoteRegister(catalog, { service: remoteService(step.id, { tags: step.tags }) })
      case 'remote-check':
        return remoteRegister(catalog, {
          checks: [remoteCheck(step.id, { status: step.status as 'passing' })],
        })
      case 'remote-remove-service':
        return catalog.apply({
          kind: 'deregister',
          request: { node: NODE, serviceId: step.id },
        })
      case 'remote-remove-check':
        return catalog.apply({ kind: 'deregister', request: { node: NODE, checkId: step.id } })
      case 'remote-remove-node':
        return catalog.apply({ kind: 'deregister', request: { node: NODE } })
      case 'fail':
        catalog.failure = step.failing ? 'NO_LEADER' : undefined
        return undefined
      case 'full':
        return sync.syncAll()
    }
  }

  it('a full sync makes the catalog equal to the local state', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(step, fc.boolean()), { minLength: 1, maxLength: 25 }),
        async (steps) => {
          const w = await world()
          // Steps that are not waited for overlap with running syncs.
          const running: Promise<void>[] = []
          for (const [each, waits] of steps) {
            const done = perform(each, w)
            // A step may find gone what an unfinished one before it takes away.
            if (waits) await done.catch(ignoreUnknown)
            else running.push(done)
          }
          await Promise.allSettled(running)
          w.catalog.failure = undefined
          await w.sync.syncAll()
          await w.sync.syncChanges()
          assertAgree(w.local, w.catalog)
          await w.sync.stop()
          await w.local.stop()
          assert.equal(w.clock.armed, 0)
        },
      ),
      { numRuns: 150 },
    )
  })
})

function ignoreUnknown(thrown: unknown): void {
  if (!(thrown instanceof FairleadError && thrown.code === 'NOT_FOUND')) throw thrown
}
