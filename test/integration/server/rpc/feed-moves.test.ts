/**
 * An agent and its servers over real connections: it moves to the server that is its own when that comes, and goes
 * on at another when one goes, without missing a change.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SubscribedViews } from '../../../../agent/view/catalog-views.ts'
import { StateStore } from '../../../../core/catalog/state-store.ts'
import { silentLogger } from '../../../../core/log.ts'
import { seededRng } from '../../../../core/rng.ts'
import { type Clock, type Instant, instant } from '../../../../core/time.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { HashRing } from '../../../../runtime/hash-ring/hash-ring.ts'
import { RpcHost } from '../../../../runtime/rpc/rpc-host.ts'
import { RpcServerApi } from '../../../../runtime/rpc/rpc-server-api.ts'
import { FeedSessions } from '../../../../server/feeds/feed-sessions.ts'
import { rpcHandlers } from '../../../unit/runtime/rpc/rpc-handlers.ts'
import { register, service } from '../../../unit/server/raft-and-store.ts'

const HURRY = 50

/** So that seconds of settling are milliseconds. */
const hurried: Clock = {
  now: () => systemClock.now(),
  wall: () => systemClock.wall(),
  timer: (at: Instant, fn) => {
    const now = systemClock.now()
    return systemClock.timer(instant(now + Math.max(0, at - now) / HURRY), fn)
  },
  sleep: (ms, signal) => systemClock.sleep(ms / HURRY, signal),
}

class TestServer implements AsyncDisposable {
  readonly store = new StateStore({ datacenter: 'dc1' })
  readonly sessions: FeedSessions
  readonly #host: RpcHost

  constructor() {
    const { store } = this
    this.sessions = new FeedSessions({
      store,
      clock: systemClock,
      hasLeader: () => true,
      start: {
        store,
        clock: systemClock,
        epoch: () => 'c/1',
        ready: async () => {},
        catchUp: async () => {},
      },
    })
    this.#host = new RpcHost(
      { address: '127.0.0.1', port: 0 },
      {
        handlers: rpcHandlers(),
        feeds: (stream) => this.sessions.accept(stream),
        log: silentLogger,
      },
    )
  }

  async start(): Promise<this> {
    await this.#host.start()
    return this
  }

  get address(): string {
    return `127.0.0.1:${this.#host.port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.sessions.close()
    await this.#host.stop()
  }
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve))
}

test('an agent is fed by its own server when that is there, and by the other when it is not', async () => {
  await using one = await new TestServer().start()
  await using other = await new TestServer().start()
  let index = 0
  const write = (node: string): void => {
    index += 1
    for (const { store } of [one, other]) {
      store.apply(index, register(node, { service: service('web') }))
    }
  }
  const both = [one.address, other.address]
  const ring = new HashRing(both)
  const nodeId = Array.from({ length: 1000 }, (_, i) => `agent-${i}`).find(
    (id) => ring.owner(id) === other.address,
  )
  assert.ok(nodeId !== undefined)
  let known = [one.address]
  const deps = { clock: hurried, rng: seededRng(1), log: silentLogger }
  const api = new RpcServerApi(
    { servers: () => known, members: () => 2, nodeId, holdMs: 5000 },
    deps,
  )
  const views = new SubscribedViews({ ...deps, servers: api })
  const view = views.open('health', 'web')
  write('n1')
  await view.ready()
  await until(() => view.items().size === 1)
  assert.equal(one.sessions.size, 1)
  known = both
  api.serversChanged()
  await until(() => other.sessions.size === 1 && one.sessions.size === 0)
  write('n2')
  await until(() => view.items().size === 2)
  await until(() => !view.isStale)
  assert.equal(other.sessions.size, 1)
  known = [one.address]
  other.sessions.close()
  write('n3')
  await until(() => view.items().size === 3)
  assert.equal(one.sessions.size, 1)
  await views.stop()
  await api.close()
  await until(() => one.sessions.size === 0)
})
