/**
 * Execution of prepared queries over several datacenters (prepared-queries.ts): each a state store of its own.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  PreparedQueries,
  type QueryAnswer,
  type QueryRequest,
} from '../../../../agent/queries/prepared-queries.ts'
import { FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import type { QueryFailover } from '../../../../core/queries/types.ts'
import { seededRng } from '../../../../core/rng.ts'
import type { ReadName, Reads } from '../../../../core/rpc/reads.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { Driver, registration, service } from '../../core/catalog/store-fixture.ts'
import { preparedQuery, queryService } from '../../core/queries/query-fixture.ts'

const OWN = 'dc1'

function datacenter(...nodes: readonly string[]): Driver {
  const driver = new Driver()
  for (const node of nodes) {
    const request = registration(node, { service: service({ service: 'web' }) })
    driver.ok({ kind: 'register', request })
  }
  return driver
}

interface World {
  readonly stores: Readonly<Record<string, Driver>>
  /** Datacenters that are known and do not answer. */
  readonly broken?: readonly string[]
}

function world({ stores, broken = [] }: World) {
  const asked: string[] = []
  const read: QueryRequest['read'] = async <N extends ReadName>(
    name: N,
    request: Reads[N]['request'],
    where: string | undefined,
  ) => {
    const home = where ?? OWN
    if (name === 'health.service') asked.push(home)
    if (broken.includes(home)) throw new FairleadError('NO_SERVERS', 'No servers')
    const store = stores[home]
    if (store === undefined) {
      throw new FairleadError('NO_PATH_TO_DATACENTER', 'No path to datacenter')
    }
    const { value, index } = store.store.read(name, request)
    return { value, index, knownLeader: true, lastContactMs: home === OWN ? 0 : 7 }
  }
  const queries = new PreparedQueries(
    { nodeName: 'a', datacenter: OWN, disableCoordinates: true },
    {
      servers: { read: (name, request) => read(name, request, undefined) },
      clock: new ManualClock(),
      rng: seededRng(1),
      log: silentLogger,
    },
  )
  const execute = async (given: Partial<QueryRequest> = {}): Promise<QueryAnswer> => {
    return await queries.execute({
      nameOrId: 'q',
      near: '',
      limit: 0,
      connect: false,
      clientAddress: '',
      datacenter: undefined,
      signal: new AbortController().signal,
      read,
      ...given,
    })
  }
  return { execute, asked }
}

function defined(driver: Driver, failover: Partial<QueryFailover>, near = ''): Driver {
  const none = { nearestN: 0, datacenters: null, targets: null }
  const query = preparedQuery({
    id: 'id',
    name: 'q',
    service: queryService({ near, failover: { ...none, ...failover } }),
  })
  driver.ok({ kind: 'query.set', mode: 'create', query })
  return driver
}

function nodesOf({ entries }: QueryAnswer): readonly string[] {
  return entries.map(({ node }) => node.node)
}

describe('an execution', () => {
  it('asks nobody else while there is an instance here', async () => {
    const dc1 = defined(datacenter('a', 'b'), { datacenters: ['dc2'] })
    const { execute, asked } = world({ stores: { dc1, dc2: datacenter('x') } })
    const answer = await execute()
    assert.deepEqual(nodesOf(answer).toSorted(), ['a', 'b'])
    assert.deepEqual([answer.datacenter, answer.failovers, asked], ['dc1', 0, ['dc1']])
  })

  it('takes the first of the listed datacenters that has instances, and counts those it asked', async () => {
    const datacenters = ['dc9', 'dc3', 'DC2', 'dc4', 'dc5']
    const dc1 = defined(datacenter(), { datacenters })
    const stores = { dc1, dc2: datacenter(), dc4: datacenter('x', 'y', 'z'), dc5: datacenter('v') }
    const { execute, asked } = world({ stores, broken: ['dc3'] })
    const answer = await execute({ limit: 2 })
    assert.equal(answer.entries.length, 2)
    // dc9 is unknown and not counted; dc3 fails and dc2 is empty, which are.
    assert.deepEqual([answer.datacenter, answer.failovers], ['dc4', 3])
    assert.deepEqual(asked, ['dc1', 'dc9', 'dc3', 'dc2', 'dc4'])
  })

  it('is empty and from here when there is none anywhere', async () => {
    const dc1 = defined(datacenter(), { datacenters: ['dc2', 'dc9'] })
    const answer = await world({ stores: { dc1, dc2: datacenter() } }).execute()
    assert.deepEqual([nodesOf(answer), answer.datacenter, answer.failovers], [[], 'dc1', 1])
  })

  it('fails when its own datacenter does, and where it is sent to', async () => {
    const dc1 = defined(datacenter(), {})
    const { execute } = world({ stores: { dc1 }, broken: ['dc3'] })
    await assert.rejects(execute({ datacenter: 'dc3' }), { code: 'NO_SERVERS' })
    await assert.rejects(execute({ datacenter: 'dc9' }), { code: 'NO_PATH_TO_DATACENTER' })
    await assert.rejects(execute({ nameOrId: 'nope' }), { code: 'NOT_FOUND' })
  })

  it('begins in the datacenter it is sent to, in no order of ours', async () => {
    const dc2 = defined(datacenter('x', 'y'), {}, 'y')
    const { execute } = world({ stores: { dc1: datacenter('a'), dc2 } })
    const firsts = new Set<string | undefined>()
    for (let i = 0; i < 64; i++) {
      const answer = await execute({ datacenter: 'dc2' })
      assert.deepEqual([answer.datacenter, answer.lastContactMs], ['dc2', 7])
      firsts.add(nodesOf(answer)[0])
    }
    assert.equal(firsts.size, 2)
  })

  it('puts the own node first where the query says so, and what the caller names before that', async () => {
    const dc1 = defined(datacenter('b', 'a', 'c'), {}, '_agent')
    const { execute } = world({ stores: { dc1 } })
    for (let i = 0; i < 8; i++) {
      assert.equal(nodesOf(await execute())[0], 'a')
      assert.equal(nodesOf(await execute({ near: 'C' }))[0], 'c')
    }
  })

  it('ends when the caller goes away', async () => {
    const dc1 = defined(datacenter(), { datacenters: ['dc2', 'dc3'] })
    const { execute, asked } = world({ stores: { dc1 }, broken: ['dc2', 'dc3'] })
    await assert.rejects(execute({ signal: AbortSignal.abort(new Error('gone')) }), /gone/)
    assert.deepEqual(asked, ['dc1', 'dc2'])
  })
})
