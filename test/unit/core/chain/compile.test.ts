/**
 * Chains compiled from entries written down here (mesh.md 9 and vector 7 of section 16).
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ChainOverrides, compileChain, NO_OVERRIDES } from '../../../../core/chain/compile.ts'
import { type CompiledChain, isProblem } from '../../../../core/chain/types.ts'
import { type Written, written } from './written-entries.ts'

const TRUST_DOMAIN = '11111111-2222-3333-4444-555555555555.consul'
const HTTP = { Protocol: 'http' }

function compiled(
  serviceName: string,
  entries: Written,
  overrides: Partial<ChainOverrides> = {},
  layer7OnLayer4: 'ignored' | 'refused' = 'ignored',
): CompiledChain | { readonly problem: string } {
  return compileChain(
    {
      serviceName,
      datacenter: 'dc1',
      trustDomain: TRUST_DOMAIN,
      overrides: { ...NO_OVERRIDES, ...overrides },
      layer7OnLayer4,
    },
    written(entries),
  )
}

function chain(...args: Parameters<typeof compiled>): CompiledChain {
  const result = compiled(...args)
  if (isProblem(result)) assert.fail(result.problem)
  return result
}

function problem(...args: Parameters<typeof compiled>): string {
  const result = compiled(...args)
  if (!isProblem(result)) assert.fail('the chain compiled')
  return result.problem
}

/** Weight and target of each leg of a splitter. */
function legs(c: CompiledChain, key: string): (readonly [number, string])[] {
  const node = c.nodes[key]
  if (node?.type !== 'splitter') assert.fail(`${key} is no splitter`)
  return node.splits.map((split) => [split.weight, split.nextNode])
}

const R = (id: string): string => `resolver:${id}.default.default.dc1`

describe('a service without entries', () => {
  test('has a default chain that leads to itself', () => {
    const c = chain('main', {})
    assert.equal(c.isDefault, true)
    assert.equal(c.protocol, 'tcp')
    assert.equal(c.startNode, R('main'))
    assert.deepEqual(Object.keys(c.nodes), [R('main')])
    assert.deepEqual(c.targets['main.default.default.dc1'], {
      id: 'main.default.default.dc1',
      service: 'main',
      subset: '',
      datacenter: 'dc1',
      peer: '',
      subsetFilter: '',
      onlyPassing: false,
      meshGatewayMode: '',
      dialedDirectly: false,
      connectTimeoutNs: 5e9,
      isExternal: false,
      sni: `main.default.dc1.internal.${TRUST_DOMAIN}`,
      name: `main.default.dc1.internal.${TRUST_DOMAIN}`,
      localityMode: '',
    })
  })

  test('takes the protocol of all proxies, which a service-defaults without one hides', () => {
    const all = { 'proxy-defaults/global': { Config: { protocol: 'grpc' } } }
    assert.equal(chain('main', all).protocol, 'grpc')
    assert.equal(chain('main', { ...all, 'service-defaults/main': {} }).protocol, 'tcp')
    assert.equal(chain('main', all).isDefault, true)
  })

  test('needs a name, a datacenter and a trust domain', () => {
    assert.equal(problem('', {}), 'serviceName is required')
  })
})

describe('a resolver', () => {
  test('with a timeout is no longer the default', () => {
    const c = chain('main', { 'service-resolver/main': { ConnectTimeout: '33s' } })
    assert.equal(c.isDefault, false)
    assert.equal(c.targets['main.default.default.dc1']?.connectTimeoutNs, 33e9)
  })

  test('that is empty leaves the chain the default', () => {
    assert.equal(chain('main', { 'service-resolver/main': {} }).isDefault, true)
  })

  test('redirects to another service, whose default subset applies', () => {
    const c = chain('main', {
      'service-resolver/main': { Redirect: { Service: 'other' } },
      'service-resolver/other': {
        DefaultSubset: 'v2',
        Subsets: { v2: { Filter: 'Service.Meta.version == v2', OnlyPassing: true } },
      },
    })
    assert.equal(c.startNode, R('v2.other'))
    const target = c.targets['v2.other.default.default.dc1']
    assert.equal(target?.sni, `v2.other.default.dc1.internal.${TRUST_DOMAIN}`)
    assert.equal(target?.subsetFilter, 'Service.Meta.version == v2')
    assert.equal(target?.onlyPassing, true)
    assert.equal(Object.keys(c.targets).length, 1)
    assert.equal(c.isDefault, false)
  })

  test('redirects to another datacenter and to a peer', () => {
    const away = chain('main', { 'service-resolver/main': { Redirect: { Datacenter: 'dc9' } } })
    assert.equal(away.startNode, 'resolver:main.default.default.dc9')
    const peer = chain('main', {
      'service-resolver/main': { Redirect: { Service: 'other', Peer: 'east' } },
    })
    assert.equal(peer.startNode, 'resolver:other.default.default.external.east')
    assert.equal(
      peer.targets['other.default.default.external.east']?.sni,
      `other.default.default.east.external.${TRUST_DOMAIN}`,
    )
  })

  test('that redirects in a circle is a problem with the circle in it', () => {
    const text = problem('a', {
      'service-resolver/a': { Redirect: { Service: 'b' } },
      'service-resolver/b': { Redirect: { Service: 'a' } },
    })
    const [a, b] = ['a.default.default.dc1', 'b.default.default.dc1']
    assert.equal(text, `detected circular resolver redirect: [${a} -> ${b} -> ${a}]`)
  })

  test('that redirects to a subset nobody defined is a problem', () => {
    const entries = {
      'service-resolver/main': { Redirect: { Service: 'other', ServiceSubset: 'v9' } },
    }
    assert.equal(problem('main', entries), 'service "other" does not have a subset named "v9"')
  })

  test('fails over to datacenters, to targets, to a service, in order and never to itself', () => {
    const over = (failover: object): readonly string[] => {
      const c = chain('main', { 'service-resolver/main': { Failover: { '*': { ...failover } } } })
      const node = c.nodes[R('main')]
      if (node?.type !== 'resolver') assert.fail('no resolver')
      const targets = node.resolver.failover?.targets ?? []
      for (const id of targets) assert.ok(id in c.targets)
      return targets
    }
    assert.deepEqual(over({ Datacenters: ['dc3', 'dc1', 'dc2'] }), [
      'main.default.default.dc3',
      'main.default.default.dc2',
    ])
    assert.deepEqual(over({ Service: 'backup' }), ['backup.default.default.dc1'])
    assert.deepEqual(over({ Targets: [{ Service: 'b' }, { Datacenter: 'dc2' }, { Peer: 'p' }] }), [
      'b.default.default.dc1',
      'main.default.default.dc2',
      'main.default.default.external.p',
    ])
    assert.deepEqual(over({ Service: 'main' }), [])
  })

  test('fails over by subset, and the targets follow their own redirects but not their own failover', () => {
    const c = chain('main', {
      'service-resolver/main': {
        DefaultSubset: 'v1',
        Subsets: { v1: { Filter: 'a == b' }, v2: { Filter: 'c == d' } },
        Failover: { v1: { ServiceSubset: 'v2' }, '*': { Service: 'never' } },
      },
    })
    const node = c.nodes[R('v1.main')]
    assert.ok(node?.type === 'resolver')
    assert.deepEqual(node.resolver.failover?.targets, ['v2.main.default.default.dc1'])
    const onward = chain('main', {
      'service-resolver/main': { Failover: { '*': { Service: 'b' } } },
      'service-resolver/b': { Redirect: { Service: 'c' } },
      'service-resolver/c': { Failover: { '*': { Service: 'd' } } },
    })
    const start = onward.nodes[R('main')]
    assert.ok(start?.type === 'resolver')
    assert.deepEqual(start.resolver.failover?.targets, ['c.default.default.dc1'])
    assert.equal(Object.keys(onward.targets).length, 2)
  })

  test('of a service outside the mesh has its name replaced, and nothing else', () => {
    const external = { 'service-defaults/main': { ExternalSNI: 'main.example.com' } }
    const target = chain('main', external).targets['main.default.default.dc1']
    assert.equal(target?.sni, 'main.example.com')
    assert.equal(target?.name, `main.default.dc1.internal.${TRUST_DOMAIN}`)
    assert.equal(target?.isExternal, true)
    const words = {
      redirects: { Redirect: { Datacenter: 'dc2' } },
      subsets: { Subsets: { v1: { Filter: 'a == b' } } },
      failover: { Failover: { '*': { Datacenters: ['dc2'] } } },
    }
    for (const [what, body] of Object.entries(words)) {
      assert.equal(
        problem('main', { ...external, 'service-resolver/main': body }),
        `service "main" has an external SNI set; cannot define ${what} for external services`,
      )
    }
  })
})

describe('a router', () => {
  const router = {
    'service-defaults/main': HTTP,
    'service-router/main': {
      Routes: [{ Match: { HTTP: { PathPrefix: '/other' } }, Destination: { Service: 'other' } }],
    },
  }

  test('leads to its destinations, and at last to its own service', () => {
    const c = chain('main', { ...router, 'service-defaults/other': HTTP })
    const node = c.nodes['router:main.default.default']
    assert.ok(node?.type === 'router')
    assert.equal(c.startNode, 'router:main.default.default')
    assert.deepEqual(
      node.routes.map((route) => route.nextNode),
      [R('other'), R('main')],
    )
    assert.deepEqual(node.routes.at(-1)?.definition, {
      Match: { HTTP: { PathPrefix: '/' } },
      Destination: { Service: 'main' },
    })
  })

  test('needs one protocol along the chain', () => {
    assert.equal(
      problem('main', router),
      'discovery chain "main" uses inconsistent protocols; service "other" has "tcp" which is not "http"',
    )
  })

  test('of a tcp service is passed by, and refused when it is written', () => {
    const entries = { 'service-router/main': { Routes: [] } }
    assert.equal(chain('main', entries).startNode, R('main'))
    assert.equal(
      problem('main', entries, {}, 'refused'),
      'discovery chain "main" uses a protocol "tcp" that does not permit advanced routing or splitting behavior',
    )
  })

  test('with a subset goes to its resolver past the splitter', () => {
    const c = chain('main', {
      'service-defaults/main': HTTP,
      'service-router/main': { Routes: [{ Destination: { ServiceSubset: 'v1' } }] },
      'service-splitter/main': { Splits: [{ Weight: 100, ServiceSubset: 'v2' }] },
      'service-resolver/main': { Subsets: { v1: { Filter: 'a == b' }, v2: { Filter: 'a == c' } } },
    })
    const node = c.nodes['router:main.default.default']
    assert.ok(node?.type === 'router')
    assert.deepEqual(
      node.routes.map((route) => route.nextNode),
      [R('v1.main'), 'splitter:main.default.default'],
    )
  })
})

describe('a splitter', () => {
  const split = (...of: (readonly [number, string])[]): { Splits: object[] } => ({
    Splits: of.map(([Weight, Service]) => ({ Weight, Service })),
  })
  const http = (...names: string[]): Written =>
    Object.fromEntries(names.map((name) => [`service-defaults/${name}`, HTTP]))

  test('of splitters becomes one', () => {
    const c = chain('main', {
      ...http('main', 'a', 'b', 'c', 'd'),
      'service-splitter/main': split([50, 'a'], [50, 'b']) as never,
      'service-splitter/a': split([60, 'a'], [40, 'c']) as never,
      'service-splitter/b': split([33.33, 'b'], [66.67, 'd']) as never,
    })
    assert.deepEqual(legs(c, 'splitter:main.default.default'), [
      [30, R('a')],
      [20, R('c')],
      [16.67, R('b')],
      [33.34, R('d')],
    ])
    assert.deepEqual(Object.keys(c.nodes).length, 5)
  })

  test('that leads back to itself through another is a problem with the circle in it', () => {
    const [a, b] = ['splitter:a.default.default', 'splitter:b.default.default']
    assert.equal(
      problem('a', {
        ...http('a', 'b'),
        'service-splitter/a': split([100, 'b']) as never,
        'service-splitter/b': split([100, 'a']) as never,
      }),
      `detected circular reference: [${a} -> ${b} -> ${a}]`,
    )
  })

  test('of splitters joins headers: inner wins for requests, outer for responses', () => {
    const c = chain('main', {
      ...http('main', 'a'),
      'service-splitter/main': {
        Splits: [
          {
            Weight: 100,
            Service: 'a',
            RequestHeaders: { Set: { x: 'outer', o: '1' }, Remove: ['p'] },
            ResponseHeaders: { Set: { y: 'outer' } },
          },
        ],
      },
      'service-splitter/a': {
        Splits: [
          {
            Weight: 100,
            ServiceSubset: '',
            RequestHeaders: { Set: { x: 'inner' }, Add: { n: '2' }, Remove: ['q'] },
            ResponseHeaders: { Set: { y: 'inner' } },
          },
        ],
      },
    })
    const node = c.nodes['splitter:main.default.default']
    assert.ok(node?.type === 'splitter')
    const definition = node.splits[0]?.definition
    assert.deepEqual(definition?.['RequestHeaders'], {
      Add: { n: '2' },
      Set: { x: 'inner', o: '1' },
      Remove: ['p', 'q'],
    })
    assert.deepEqual(definition?.['ResponseHeaders'], { Set: { y: 'outer' } })
  })

  test('takes over the first hashing balancer of its legs', () => {
    const c = chain('main', {
      ...http('main', 'a', 'b'),
      'service-splitter/main': split([50, 'a'], [50, 'b']) as never,
      'service-resolver/a': { LoadBalancer: { Policy: 'least_request' } },
      'service-resolver/b': { LoadBalancer: { Policy: 'maglev' } },
    })
    const node = c.nodes['splitter:main.default.default']
    assert.ok(node?.type === 'splitter')
    assert.deepEqual(node.loadBalancer, { Policy: 'maglev' })
  })

  test('of splitters cannot multiply without end', () => {
    const entries: Record<string, object> = {}
    for (let depth = 0; depth < 12; depth++) {
      for (const side of ['l', 'r']) {
        entries[`service-defaults/${side}${depth}`] = HTTP
        entries[`service-splitter/${side}${depth}`] = split(
          [50, `l${depth + 1}`],
          [50, `r${depth + 1}`],
        )
      }
    }
    entries['service-defaults/l12'] = HTTP
    entries['service-defaults/r12'] = HTTP
    assert.match(problem('l0', entries as never), /has more than 1000 destinations once splitters/)
  })

  test('chain of splitters has a length at which it ends', () => {
    const entries: Record<string, object> = {}
    for (let depth = 0; depth < 3000; depth++) {
      entries[`service-defaults/s${depth}`] = HTTP
      entries[`service-splitter/s${depth}`] = split([100, `s${depth + 1}`])
    }
    assert.equal(problem('s0', entries as never), 'discovery chain "s0" has more than 1000 nodes')
  })
})

describe('overrides', () => {
  test('that change nothing leave no hash', () => {
    const c = chain('main', {}, { protocol: 'tcp', connectTimeoutNs: 5e9 })
    assert.equal(c.customizationHash, '')
  })

  test('that change something are told apart by the hash', () => {
    const hashes = [
      chain('main', {}, { protocol: 'http' }),
      chain('main', {}, { protocol: 'grpc' }),
      chain('main', {}, { connectTimeoutNs: 9e9 }),
      chain('main', {}, { meshGatewayMode: 'remote' }),
    ].map((c) => c.customizationHash)
    assert.equal(new Set(hashes).size, 4)
    for (const hash of hashes) assert.match(hash, /^[0-9a-f]{8}$/)
    assert.equal(chain('main', {}, { protocol: 'http' }).protocol, 'http')
  })

  test('of the protocol to tcp pass routers and splitters by', () => {
    const entries = {
      'service-defaults/main': HTTP,
      'service-router/main': { Routes: [] },
    }
    assert.equal(chain('main', entries, { protocol: 'tcp' }).startNode, R('main'))
  })
})

describe('mirrors of a route', () => {
  const entries: Written = {
    'service-defaults/main': HTTP,
    'service-defaults/shadow': HTTP,
    'service-router/main': {
      Routes: [
        {
          Destination: {
            Mirror: [
              { Service: 'shadow', Percent: 5 },
              { ServiceSubset: 'v2', KeepHost: true },
            ],
          },
        },
      ],
    },
    'service-resolver/main': { Subsets: { v2: { Filter: '' } } },
  }

  test('lead to targets of their own', () => {
    const c = chain('main', entries)
    const node = c.nodes[c.startNode]
    assert.ok(node?.type === 'router')
    assert.deepEqual(node.routes[0]?.mirrors, [
      { nextNode: R('shadow'), percent: 5, keepsHost: false },
      { nextNode: R('v2.main'), percent: 100, keepsHost: true },
    ])
    assert.equal(node.routes[1]?.mirrors, undefined)
    assert.deepEqual(Object.keys(c.targets), [
      'main.default.default.dc1',
      'shadow.default.default.dc1',
      'v2.main.default.default.dc1',
    ])
  })

  test('have to understand the requests', () => {
    const to = (mirror: { readonly [key: string]: string }): Written => ({
      ...entries,
      'service-router/main': { Routes: [{ Destination: { Mirror: [mirror] } }] },
    })
    assert.match(problem('main', to({ Service: 'bytes' })), /inconsistent protocols/)
    assert.match(problem('main', to({ ServiceSubset: 'v9' })), /does not have a subset/)
  })
})
