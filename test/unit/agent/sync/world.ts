/**
 * A local state and a state store, both real, with anti-entropy between them: one process, virtual time.
 */

import assert from 'node:assert/strict'
import {
  checkRegistrationFromBody,
  serviceRegistrationFromBody,
} from '../../../../agent/local/definitions.ts'
import { LocalState } from '../../../../agent/local/local-state.ts'
import { AntiEntropy } from '../../../../agent/sync/anti-entropy.ts'
import type { Command } from '../../../../core/catalog/commands.ts'
import { StateStore } from '../../../../core/catalog/state-store.ts'
import type { CheckDefinition, ServiceDefinition } from '../../../../core/catalog/types.ts'
import { type ErrorCode, FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import type { Member, Membership } from '../../../../core/membership.ts'
import { seededRng } from '../../../../core/rng.ts'
import type { ReadReply } from '../../../../core/rpc/reads.ts'
import type { ServerApi } from '../../../../core/rpc/server-api.ts'
import { catalogViewOf } from '../../../../core/sync/node-view.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'

export const NODE = 'vm-a'
const NODE_ID = '6f1a4c0e-51d6-7f5b-2a44-0d6a0b6f2b11'

/** The servers' side: a store, and the means to refuse. */
export class Catalog {
  readonly store = new StateStore({ datacenter: 'dc1' })
  readonly commands: Command[] = []
  reads = 0
  /** Writes that were on their way at the same time. */
  mostAtOnce = 0
  failure: ErrorCode | undefined
  /** Fails only commands that this is true of. */
  failing: (command: Command) => boolean = () => true
  #index = 0
  #underWay = 0
  readonly #rng = seededRng(11)

  apply(command: Command): void {
    const result = this.store.apply(++this.#index, command)
    if (!result.ok) {
      const message = 'message' in result ? result.message : 'transaction failed'
      throw new FairleadError(result.code === 'TXN_FAILED' ? 'REJECTED' : result.code, message)
    }
  }

  readonly api: Pick<ServerApi, 'read' | 'write'> = {
    read: async (name, request) => {
      await Promise.resolve()
      this.reads++
      if (this.failure === 'NO_LEADER') throw new FairleadError('NO_LEADER', 'No cluster leader')
      const { value, index } = this.store.read(name, request)
      return { value, index, knownLeader: true, lastContactMs: 0 }
    },
    write: async (command) => {
      // Those that are on their way at once arrive in any order.
      this.#underWay++
      this.mostAtOnce = Math.max(this.mostAtOnce, this.#underWay)
      for (let turns = this.#rng.range(1, 8); turns > 0; turns--) await Promise.resolve()
      this.#underWay--
      if (this.failure !== undefined && this.failing(command)) {
        throw new FairleadError(this.failure, 'refused by the test')
      }
      this.commands.push(command)
      this.apply(command)
      return { ok: true, index: this.#index, value: true }
    },
  }

  node(): ReadReply<'catalog.node'> {
    return this.store.read('catalog.node', { node: NODE }).value
  }

  /** Ids of services and checks, apart from those of the servers. */
  ids(): readonly string[] {
    const found = this.node()
    const services = (found?.services ?? []).map(({ id }) => id)
    const checks = (found?.checks ?? []).map(({ checkId }) => checkId)
    return [...services, ...checks].sort()
  }
}

class FakeMembership implements Membership {
  current: readonly Member[]
  readonly #listeners = new Set<(members: readonly Member[]) => void>()

  constructor() {
    this.current = [
      {
        name: NODE,
        address: '10.0.0.5',
        port: 8301,
        tags: { role: 'node', dc: 'dc1', id: NODE_ID },
        status: 'alive',
      },
    ]
  }

  self(): Member {
    return this.current[0] as Member
  }

  members(): readonly Member[] {
    return this.current
  }

  onChange(listener: (members: readonly Member[]) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  set(members: readonly Member[]): void {
    this.current = members
    for (const listener of this.#listeners) listener(members)
  }
}

export async function world(
  options: {
    readonly checkUpdateIntervalMs?: number
    readonly before?: (l: LocalState) => Promise<void>
    readonly catalog?: Catalog
  } = {},
) {
  const clock = new ManualClock()
  const catalog = options.catalog ?? new Catalog()
  const membership = new FakeMembership()
  const local = new LocalState(
    {
      nodeName: NODE,
      nodeId: NODE_ID,
      nodeMeta: { rack: 'r7' },
      sidecarPorts: { min: 21_000, max: 21_255 },
      scripts: { enableScripts: false, enableLocalScripts: false },
      outputMaxSize: 4096,
      discardOutput: false,
      definitions: { services: [], checks: [] },
    },
    { clock, log: silentLogger },
  )
  await local.start()
  await options.before?.(local)
  const sync = new AntiEntropy(
    {
      nodeAddress: '10.0.0.5',
      nodeTaggedAddresses: { lan: '10.0.0.5', lan_ipv4: '10.0.0.5' },
      checkUpdateIntervalMs: options.checkUpdateIntervalMs ?? 0,
    },
    { clock, rng: seededRng(7), log: silentLogger, local, servers: catalog.api, membership },
  )
  await sync.start()
  await sync.syncChanges()
  return { clock, catalog, local, sync, membership }
}

export async function register(local: LocalState, body: object): Promise<void> {
  await local.registerService(serviceRegistrationFromBody(body), {
    source: 'api',
    replaceExistingChecks: false,
  })
}

export async function addCheck(local: LocalState, body: object): Promise<void> {
  await local.registerCheck(checkRegistrationFromBody(body).spec, 'api', '')
}

export function remoteService(
  id: string,
  fields: Partial<ServiceDefinition> = {},
): ServiceDefinition {
  return { ...serviceRegistrationFromBody({ Name: id }).service, ...fields }
}

export function remoteCheck(
  checkId: string,
  fields: Partial<CheckDefinition> = {},
): CheckDefinition {
  return {
    checkId,
    name: checkId,
    status: 'passing',
    notes: '',
    output: '',
    serviceId: '',
    serviceName: '',
    serviceTags: [],
    type: '',
    interval: '',
    timeout: '',
    exposedPort: 0,
    definition: {},
    ...fields,
  }
}

export function remoteRegister(
  catalog: Catalog,
  what: { readonly service?: ServiceDefinition; readonly checks?: readonly CheckDefinition[] },
): void {
  catalog.apply({
    kind: 'register',
    request: {
      id: NODE_ID,
      node: NODE,
      address: '10.9.9.9',
      taggedAddresses: null,
      meta: null,
      skipNodeUpdate: true,
      ...(what.service === undefined ? {} : { service: what.service }),
      checks: what.checks ?? [],
    },
  })
}

/** Fails unless the catalog holds what the agent holds. */
export function assertAgree(local: LocalState, catalog: Catalog): void {
  const view = catalogViewOf(catalog.node())
  assert.deepEqual(view.node, {
    id: NODE_ID,
    node: NODE,
    address: '10.0.0.5',
    taggedAddresses: { lan: '10.0.0.5', lan_ipv4: '10.0.0.5' },
    meta: local.nodeMeta(),
  })
  view.services.delete('consul')
  view.checks.delete('serfHealth')
  const services = new Map([...local.services()].map(([id, entry]) => [id, entry.service]))
  const checks = new Map([...local.checks()].map(([id, entry]) => [id, entry.check]))
  assert.deepEqual(sorted(ownOnly(view.services)), sorted(ownOnly(services)))
  assert.deepEqual(sorted(view.checks), sorted(checks))
}

/** Without the addresses that the servers add. */
function ownOnly(
  services: ReadonlyMap<string, ServiceDefinition>,
): ReadonlyMap<string, ServiceDefinition> {
  const own = new Map<string, ServiceDefinition>()
  for (const [id, service] of services) {
    const tagged = Object.entries(service.taggedAddresses)
    const kept = tagged.filter(([name]) => !name.startsWith('consul-'))
    own.set(id, { ...service, taggedAddresses: Object.fromEntries(kept) })
  }
  return own
}

function sorted<T>(map: ReadonlyMap<string, T>): readonly [string, T][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1))
}
