/**
 * A real service fails and recovers: check, local state, anti-entropy and catalog together, on the
 * real clock.
 */

import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { CheckRunners } from '../../../../agent/checks/check-runners.ts'
import { serviceRegistrationFromBody } from '../../../../agent/local/definitions.ts'
import { LocalState } from '../../../../agent/local/local-state.ts'
import { AntiEntropy } from '../../../../agent/sync/anti-entropy.ts'
import { StateStore } from '../../../../core/catalog/state-store.ts'
import type { CheckStatus } from '../../../../core/catalog/types.ts'
import { silentLogger } from '../../../../core/log.ts'
import type { Member, Membership } from '../../../../core/membership.ts'
import { seededRng } from '../../../../core/rng.ts'
import type { ServerApi } from '../../../../core/rpc/server-api.ts'
import { instant } from '../../../../core/time.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'

const NODE = 'vm-a'
const NODE_ID = '6f1a4c0e-51d6-7f5b-2a44-0d6a0b6f2b11'

describe('the health of a service', () => {
  it('reaches the catalog when it fails and when it recovers', async () => {
    const store = new StateStore({ datacenter: 'dc1' })
    let index = 0
    const servers: Pick<ServerApi, 'read' | 'write'> = {
      read: async (name, request) => {
        const { value, index: at } = store.read(name, request)
        return { value, index: at, knownLeader: true, lastContactMs: 0 }
      },
      write: async (command) => {
        assert.ok(store.apply(++index, command).ok)
        return { ok: true, index, value: true }
      },
    }
    const local = new LocalState(
      {
        nodeName: NODE,
        nodeId: NODE_ID,
        nodeMeta: {},
        sidecarPorts: { min: 21_000, max: 21_255 },
        scripts: { enableScripts: false, enableLocalScripts: false },
        outputMaxSize: 4096,
        discardOutput: false,
        definitions: { services: [], checks: [] },
      },
      { clock: systemClock, log: silentLogger },
    )
    const deps = { clock: systemClock, rng: seededRng(3), log: silentLogger, local, servers }
    const self: Member = {
      name: NODE,
      address: '127.0.0.1',
      port: 8301,
      tags: { role: 'node', dc: 'dc1', id: NODE_ID },
      status: 'alive',
    }
    const membership: Membership = {
      self: () => self,
      members: () => [self],
      onChange: () => () => {},
    }
    const sync = new AntiEntropy(
      { nodeAddress: '127.0.0.1', nodeTaggedAddresses: {}, checkUpdateIntervalMs: 300_000 },
      { ...deps, membership },
    )
    const runners = new CheckRunners({ outputMaxSize: 4096 }, deps)
    for (const part of [local, sync, runners]) await part.start()

    let code = 200
    const service = createServer((_request, response) => response.writeHead(code).end())
    const port = await listen(service)
    await local.registerService(
      serviceRegistrationFromBody({
        Name: 'web',
        Port: port,
        Check: { HTTP: `http://127.0.0.1:${port}/health`, Interval: '1s', Timeout: '500ms' },
      }),
      { source: 'api', replaceExistingChecks: false },
    )
    await statusIs(store, 'passing')
    code = 503
    await statusIs(store, 'critical')
    code = 200
    await statusIs(store, 'passing')

    await local.deregisterService('web')
    assert.deepEqual(store.read('catalog.node', { node: NODE }).value?.services, [])
    for (const part of [runners, sync, local]) {
      await part.drain(instant(systemClock.now() + 1_000))
      await part.stop()
    }
    service.closeAllConnections()
    await new Promise((resolve) => service.close(resolve))
  })
})

/** Resolves when the catalog shows the status. */
async function statusIs(store: StateStore, wanted: CheckStatus): Promise<void> {
  for (;;) {
    const { value, watch } = store.read('health.checks', { service: 'web' })
    if (value[0]?.status === wanted) return
    await new Promise<void>((resolve) => store.watchOnce(watch, resolve))
  }
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}
