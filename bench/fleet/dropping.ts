/**
 * What is between gossip's verdict on a host and an agent's views without it: 10,000 members, 50 services of 200
 * instances, all followed, also as destinations of the mesh.
 *
 * The agent's own code in this process, without sockets: a state store, its feeds, the views, and the failed nodes that
 * they show (agent/view/failed-nodes.ts). One member after another fails and is back; from the pool's call until the
 * last holder has read its instances anew. When gossip comes to its verdict at each of 10,000 members is what
 * `npm run sim:gossip -- --only detection` tells. Run alone: `node bench/fleet/dropping.ts`.
 */

import { serviceRegistrationFromBody } from '../../agent/local/definitions.ts'
import { SubscribedViews } from '../../agent/view/catalog-views.ts'
import { FailedNodes } from '../../agent/view/failed-nodes.ts'
import type { FeedFrame, TopicKey } from '../../core/catalog/feed.ts'
import { StateStore } from '../../core/catalog/state-store.ts'
import { silentLogger } from '../../core/log.ts'
import type { Member, Membership } from '../../core/membership.ts'
import { seededRng } from '../../core/rng.ts'
import type { Subscription } from '../../core/rpc/server-api.ts'
import { systemClock } from '../../runtime/clock/system-clock.ts'
import { type Figure, median, printFigures } from '../figures.ts'

const MEMBERS = 10_000
const SERVICES = 50
const INSTANCES = 200
const FAILURES = 60
const WARM_FAILURES = 20
const MARK = { name: 'the mark of a change', value: 1_000 }

export async function benchDropping(): Promise<Figure[]> {
  const store = filledStore()
  const pool = new Pool()
  const views = new SubscribedViews({
    servers: { subscribe: (topic) => subscribed(store, topic) },
    clock: systemClock,
    rng: seededRng(1),
    log: silentLogger,
    failed: new FailedNodes(pool),
  })
  await views.start()
  let pending = 0
  let onDone = (): void => {}
  for (let service = 0; service < SERVICES; service++) {
    for (const topic of ['health', 'connect'] as const) {
      const view = views.open(topic, `service${service}`)
      await view.ready()
      view.onChange(() => {
        if (view.items().size !== INSTANCES) throw new Error('an instance is missing')
        pending -= 1
        if (pending === 0) onDone()
      })
    }
  }
  const took: number[] = []
  const cpu: number[] = []
  for (let i = -WARM_FAILURES; i < FAILURES; i++) {
    const { promise, resolve } = Promise.withResolvers<void>()
    pending = 2 * SERVICES
    onDone = resolve
    const begun = performance.now()
    const before = process.cpuUsage()
    // Each fails, and is back before the next one does.
    pool.set(`host${(i + WARM_FAILURES) >> 1}`, i % 2 === 0 ? 'failed' : 'alive')
    await promise
    if (i < 0) continue
    took.push(performance.now() - begun)
    const { user, system } = process.cpuUsage(before)
    cpu.push((user + system) / 1_000)
  }
  await views.stop()
  return [
    { name: 'from the verdict to the last view, median', value: median(took), unit: 'ms' },
    { name: 'the same, worst', value: Math.max(...took), unit: 'ms', mark: MARK },
    { name: 'CPU', value: median(cpu), unit: 'ms' },
  ]
}

/** Every host runs one instance of every service. */
function filledStore(): StateStore {
  const store = new StateStore({ datacenter: 'dc1' })
  let index = 0
  for (let host = 0; host < INSTANCES; host++) {
    const node = {
      id: '',
      node: `host${host}`,
      address: `10.0.0.${host}`,
      taggedAddresses: null,
      meta: null,
      skipNodeUpdate: false,
    }
    const serfHealth = {
      checkId: 'serfHealth',
      name: 'Serf Health Status',
      status: 'passing',
      notes: '',
      output: 'Agent alive and reachable',
      serviceId: '',
      serviceName: '',
      serviceTags: [],
      type: '',
      interval: '',
      timeout: '',
      exposedPort: 0,
      definition: {},
    } as const
    store.apply(++index, { kind: 'register', request: { ...node, checks: [serfHealth] } })
    for (let service = 0; service < SERVICES; service++) {
      const name = `service${service}`
      for (const body of [
        { Name: name, ID: name, Port: 8_080 },
        {
          Kind: 'connect-proxy',
          Name: `${name}-sidecar-proxy`,
          ID: `${name}-sidecar-proxy`,
          Port: 21_000,
          Proxy: { DestinationServiceName: name },
        },
      ]) {
        const { service: definition } = serviceRegistrationFromBody(body)
        store.apply(++index, {
          kind: 'register',
          request: { ...node, service: definition, checks: [] },
        })
      }
    }
  }
  return store
}

function subscribed(store: StateStore, topic: TopicKey): Subscription {
  const frames: FeedFrame[] = []
  let wake = (): void => {}
  let isClosed = false
  const unfollow = store.follow(topic, undefined, (frame) => {
    frames.push(frame)
    wake()
  })
  return {
    epoch: 'bench/1',
    close: () => {
      isClosed = true
      unfollow()
      wake()
    },
    async *[Symbol.asyncIterator]() {
      while (!isClosed) {
        const frame = frames.shift()
        if (frame !== undefined) yield frame
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    },
  }
}

class Pool implements Membership {
  #members: readonly Member[] = Array.from({ length: MEMBERS }, (_, i) => ({
    name: `host${i}`,
    address: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
    port: 8_301,
    tags: { role: 'node', dc: 'dc1' },
    status: 'alive' as const,
  }))
  readonly #listeners = new Set<(members: readonly Member[]) => void>()

  self(): Member {
    return this.#members[0] as Member
  }

  members(): readonly Member[] {
    return this.#members
  }

  onChange(listener: (members: readonly Member[]) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  set(name: string, status: Member['status']): void {
    this.#members = this.#members.map((each) => (each.name === name ? { ...each, status } : each))
    for (const listener of this.#listeners) listener(this.#members)
  }
}

if (import.meta.main) {
  printFigures('A failed host on its way out of the views', await benchDropping())
}
