/**
 * The comparison of a fleet, on pictures known to be good and on each way to spoil one.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  type AgentSays,
  type CheckEntry,
  disagreements,
  type Expectation,
  type FleetPicture,
  type InstanceEntry,
  type ServiceEntry,
} from './fleet-agreement.ts'

const STATUSES = ['passing', 'warning', 'critical'] as const

interface Slot {
  readonly id: string
  readonly service: string
  readonly port: number
  readonly status: (typeof STATUSES)[number]
}

const ADDRESS = { s1: '10.0.0.1', a: '10.0.0.2', b: '10.0.0.3', dead: '10.0.0.4' } as const
type Host = keyof typeof ADDRESS

/** A picture in which all agree: what the hosts run is what everybody tells. */
function goodPicture(running: Readonly<Record<Host, readonly Slot[]>>): FleetPicture {
  const hosts = Object.keys(ADDRESS) as Host[]
  const services: ServiceEntry[] = [
    { node: 's1', id: 'consul', service: 'consul', port: 8300, tags: [] },
  ]
  const checks: CheckEntry[] = []
  for (const node of hosts) {
    const status = node === 'dead' ? 'critical' : 'passing'
    checks.push({ node, id: 'serfHealth', serviceId: '', status })
    for (const { id, service, port, status } of running[node]) {
      services.push({ node, id, service, port, tags: ['blue'] })
      checks.push({ node, id: `check-${id}`, serviceId: id, status })
    }
  }
  const views = new Map<string, InstanceEntry[]>([
    ['web', []],
    ['db', []],
  ])
  const srv = new Map<string, string[]>([
    ['web', []],
    ['db', []],
  ])
  for (const entry of services) {
    const own = checks.filter(
      ({ node, serviceId }) => node === entry.node && ['', entry.id].includes(serviceId),
    )
    const nodeAddress = ADDRESS[entry.node as Host]
    views.get(entry.service)?.push({ ...entry, nodeAddress, checks: own })
    if (own.every(({ status }) => status !== 'critical')) {
      srv.get(entry.service)?.push(`${entry.node} ${entry.port}`)
    }
  }
  const members = new Map(hosts.map((name) => [name, name === 'dead' ? 'failed' : 'alive']))
  const agents = (['s1', 'a', 'b'] as const).map(
    (name): AgentSays => ({
      name,
      address: ADDRESS[name],
      isServer: name === 's1',
      services: services.filter((entry) => entry.node === name && entry.service !== 'consul'),
      checks: checks.filter(({ node, id }) => node === name && id !== 'serfHealth'),
      members,
      views,
      srv,
      acknowledged: new Map<string, Expectation>(
        running[name].map((slot) => [slot.id, { ...slot, tags: ['blue'] }]),
      ),
    }),
  )
  const nodes = new Map(Object.entries(ADDRESS))
  return { catalog: { nodes, services, checks }, agents, dead: ['dead'] }
}

const slots = (ids: readonly string[]): fc.Arbitrary<readonly Slot[]> =>
  fc
    .tuple(
      ...ids.map((id) =>
        fc.option(
          fc.record({
            id: fc.constant(id),
            service: fc.constantFrom('web', 'db'),
            port: fc.integer({ min: 1, max: 65_535 }),
            status: fc.constantFrom(...STATUSES),
          }),
        ),
      ),
    )
    .map((drawn) => drawn.filter((slot) => slot !== null))

const FULL = goodPicture({
  s1: [{ id: 'web-1', service: 'web', port: 1, status: 'passing' }],
  a: [{ id: 'web-1', service: 'web', port: 2, status: 'warning' }],
  b: [{ id: 'db-1', service: 'db', port: 3, status: 'critical' }],
  dead: [{ id: 'db-1', service: 'db', port: 4, status: 'passing' }],
})

function withAgent(name: string, change: (agent: AgentSays) => Partial<AgentSays>): FleetPicture {
  const agents = FULL.agents.map((agent) =>
    agent.name === name ? { ...agent, ...change(agent) } : agent,
  )
  return { ...FULL, agents }
}

function withCatalog(change: Partial<FleetPicture['catalog']>): FleetPicture {
  return { ...FULL, catalog: { ...FULL.catalog, ...change } }
}

const web = (agent: AgentSays): readonly InstanceEntry[] => agent.views.get('web') ?? []

const SPOILED: readonly (readonly [string, FleetPicture, RegExp])[] = [
  [
    'a node that is missing',
    withCatalog({ nodes: new Map([...FULL.catalog.nodes].filter(([name]) => name !== 'a')) }),
    /catalog of nodes: "a" is missing/,
  ],
  [
    'a node that nobody is',
    withCatalog({ nodes: new Map([...FULL.catalog.nodes, ['ghost', '10.0.0.9']]) }),
    /catalog of nodes: "ghost" is too many/,
  ],
  [
    'a node at another address',
    withCatalog({ nodes: new Map([...FULL.catalog.nodes, ['a', '10.0.0.9']]) }),
    /catalog of nodes: "a" is 10\.0\.0\.9/,
  ],
  [
    'a live node that counts as failed',
    withCatalog({
      checks: FULL.catalog.checks.map((check) =>
        check.node === 'a' && check.id === 'serfHealth' ? { ...check, status: 'critical' } : check,
      ),
    }),
    /catalog of nodes: "a" is 10\.0\.0\.2 critical/,
  ],
  [
    'a dead node that counts as alive',
    withCatalog({
      checks: FULL.catalog.checks.map((check) =>
        check.node === 'dead' && check.id === 'serfHealth'
          ? { ...check, status: 'passing' }
          : check,
      ),
    }),
    /catalog of nodes: "dead" is 10\.0\.0\.4 passing/,
  ],
  [
    'a service that the catalog lacks',
    withCatalog({ services: FULL.catalog.services.filter(({ node }) => node !== 'a') }),
    /services of a, against those of the host: "web-1" is missing/,
  ],
  [
    'a service that the host does not run',
    withAgent('a', () => ({ services: [] })),
    /services of a, against those of the host: "web-1" is too many/,
  ],
  [
    'a check with another status',
    withAgent('a', ({ checks }) => ({ checks: checks.map((c) => ({ ...c, status: 'passing' })) })),
    /checks of a, against those of the host: "check-web-1" is of "web-1" warning instead of/,
  ],
  [
    'a registration that was acknowledged and is gone',
    withAgent('b', ({ acknowledged }) => ({
      acknowledged: new Map<string, Expectation>([
        ...acknowledged,
        ['db-9', { id: 'db-9', service: 'db', port: 9, tags: [], status: 'passing' }],
      ]),
    })),
    /b has db-9 absent; acknowledged was db "db-9" on 9/,
  ],
  [
    'a deregistration that came back',
    withAgent('b', () => ({ acknowledged: new Map([['db-1', 'absent' as const]]) })),
    /b has db-1 db "db-1" on 3 .* acknowledged was absent/,
  ],
  [
    'a service that nobody registered',
    withAgent('b', () => ({ acknowledged: new Map() })),
    /b has db-1, which nobody registered/,
  ],
  [
    'a member that is taken for failed',
    withAgent('b', ({ members }) => ({ members: new Map([...members, ['a', 'failed']]) })),
    /members that b sees: "a" is failed instead of alive/,
  ],
  [
    'a view that lacks an instance',
    withAgent('b', (agent) => ({ views: new Map([['web', web(agent).slice(1)]]) })),
    /web as b tells it by HTTP: "s1\/web-1" is missing/,
  ],
  [
    'a view with an instance twice',
    withAgent('b', (agent) => ({
      views: new Map([['web', [...web(agent), ...web(agent).slice(0, 1)]]]),
    })),
    /web as b tells it by HTTP: "s1\/web-1" is .* and again/,
  ],
  [
    'a view with an old port',
    withAgent('b', (agent) => ({
      views: new Map([['web', web(agent).map((entry) => ({ ...entry, port: 99 }))]]),
    })),
    /web as b tells it by HTTP: "a\/web-1" is web "web-1" on 99/,
  ],
  [
    'a view with an old check',
    withAgent('b', (agent) => ({
      views: new Map([['web', web(agent).map((entry) => ({ ...entry, checks: [] }))]]),
    })),
    /web as b tells it by HTTP: "a\/web-1" is .* instead of .*check-web-1 warning/,
  ],
  [
    'a DNS answer that lacks an instance',
    withAgent('b', ({ srv }) => ({ srv: new Map([...srv, ['web', ['s1 1']]]) })),
    /web as b tells it by DNS: "a 2" is missing/,
  ],
  [
    'a DNS answer with an instance that is critical',
    withAgent('b', ({ srv }) => ({ srv: new Map([...srv, ['db', ['b 3']]]) })),
    /db as b tells it by DNS: "b 3" is too many/,
  ],
]

describe('the comparison of a fleet', () => {
  it('finds nothing where all agree, whatever they run', () => {
    const running = fc.record({
      s1: slots(['web-1']),
      a: slots(['web-1', 'db-1', 'x']),
      b: slots(['web-1', 'y']),
      dead: slots(['z']),
    })
    fc.assert(
      fc.property(running, (each) => {
        assert.deepEqual(disagreements(goodPicture(each)), [])
      }),
    )
  })

  for (const [what, picture, line] of SPOILED) {
    it(`finds ${what}`, () => {
      const found = disagreements(picture)
      assert.ok(
        found.some((each) => line.test(each)),
        `${line} is not among: ${found.join(' · ')}`,
      )
    })
  }

  it('does not judge what it cannot know', () => {
    const acknowledged = new Map<string, Expectation>([
      ['web-1', 'unknown'],
      ['web-2', 'unknown'],
    ])
    assert.deepEqual(disagreements(withAgent('a', () => ({ acknowledged }))), [])
  })
})
