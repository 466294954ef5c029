/**
 * Intentions, config entries, the CA and virtual addresses in the store.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Command, IntentionWrite } from '../../../../core/catalog/commands.ts'
import { startDraft } from '../../../../core/catalog/draft.ts'
import { emptyState } from '../../../../core/catalog/state.ts'
import type { CaRoot, IntentionAction } from '../../../../core/catalog/types.ts'
import {
  allocateVirtualIp,
  OFFSET_MAX,
  settleVirtualIps,
} from '../../../../core/catalog/virtual-ips.ts'
import { wallTime } from '../../../../core/time.ts'
import { Driver, service, sidecar } from './store-fixture.ts'

function rule(
  sourceName: string,
  destinationName: string,
  given: Partial<IntentionWrite> = {},
  now = 1000,
): Command {
  const action: IntentionAction = 'allow'
  const base = { id: '', description: '', action, permissions: [], meta: {} }
  const intention = { ...base, sourceName, destinationName, ...given }
  return { kind: 'intention.set', intention, now: wallTime(now) }
}

describe('intentions', () => {
  it('are replaced by pair, keeping their beginning', () => {
    const driver = new Driver()
    driver.ok(rule('web', 'db'))
    driver.ok(rule('web', 'db', { action: 'deny' }, 2000))
    const found = driver.read('intention.get', { sourceName: 'web', destinationName: 'db' })
    assert.deepEqual(
      [found?.action, found?.precedence, found?.createdAt, found?.updatedAt],
      ['deny', 9, 1000, 2000],
    )
    assert.deepEqual([found?.createIndex, found?.modifyIndex], [1, 2])
    driver.ok(rule('web', 'db', { action: 'deny' }, 3000))
    assert.equal(driver.indexOf('intention.list', {}), 2)
  })

  it('with an id are found and moved by it; a pair held by another is refused', () => {
    const driver = new Driver()
    driver.ok(rule('web', 'db', { id: 'i1' }))
    driver.ok(rule('web', 'api'))
    assert.equal(
      driver.refused(rule('web', 'db', { id: 'i2' })),
      'duplicate intention found: default/web => default/db',
    )
    assert.equal(
      driver.refused(rule('web', 'api', { id: 'i1' })),
      'duplicate intention found: default/web => default/api',
    )
    driver.ok(rule('*', 'db', { id: 'i1' }))
    assert.equal(driver.read('intention.get', { id: 'i1' })?.sourceName, '*')
    assert.equal(driver.read('intention.get', { sourceName: 'web', destinationName: 'db' }), null)
    driver.ok(rule('*', 'db', { action: 'deny' }))
    assert.equal(driver.read('intention.get', { id: 'i1' })?.action, 'deny')
    driver.ok({ kind: 'intention.delete', by: { id: 'i1' } })
    assert.equal(driver.store.read('intention.get', { id: 'i1' }).found, false)
  })

  it('are validated', () => {
    const driver = new Driver()
    assert.equal(
      driver.refused(rule('web', 'db', { action: '' })),
      "Sources[0].Action must be set to 'allow' or 'deny'",
    )
  })

  describe('of one destination', () => {
    function entry(
      sources: Record<string, IntentionWrite['action']>,
      cas?: number,
      now = 1000,
    ): Command {
      const intentions = Object.entries(sources).map(([sourceName, action]) => ({
        ...{ id: '', description: '', permissions: [], meta: {} },
        ...{ sourceName, destinationName: 'db', action },
      }))
      const given = { destinationName: 'db', intentions, now: wallTime(now) }
      return { kind: 'intention.replace', ...given, ...(cas === undefined ? {} : { cas }) }
    }
    const sourcesOf = (driver: Driver): unknown =>
      driver.read('intention.list', {}).map((found) => [found.sourceName, found.modifyIndex])

    it('are replaced together and share an index', () => {
      const driver = new Driver()
      driver.ok(rule('web', 'db', { id: 'i1' }))
      driver.ok(rule('web', 'other'))
      assert.equal(driver.ok(entry({ web: 'allow', api: 'deny' })), true)
      assert.deepEqual(sourcesOf(driver), [
        ['api', 3],
        ['web', 3],
        ['web', 2],
      ])
      assert.equal(driver.read('intention.get', { id: 'i1' })?.createIndex, 1)
      driver.ok(entry({ web: 'allow', api: 'deny' }, undefined, 2000))
      assert.equal(driver.indexOf('intention.list', {}), 3)
      driver.ok(entry({ web: 'allow' }))
      assert.deepEqual(sourcesOf(driver), [
        ['web', 5],
        ['web', 2],
      ])
      driver.ok(entry({}))
      assert.deepEqual(sourcesOf(driver), [['web', 2]])
    })

    it('change only at the expected index', () => {
      const driver = new Driver()
      assert.equal(driver.ok(entry({ web: 'allow' }, 5)), false)
      assert.equal(driver.ok(entry({ web: 'allow' }, 0)), true)
      assert.equal(driver.ok(entry({ web: 'deny' }, 0)), false)
      assert.equal(driver.ok(entry({ web: 'deny' }, 2)), true)
      assert.equal(driver.ok(entry({}, 2)), false)
      assert.equal(driver.ok(entry({}, 4)), true)
      assert.equal(driver.ok(entry({}, 0)), false)
      assert.equal(driver.ok(entry({})), true)
    })

    it('are refused as a whole', () => {
      const driver = new Driver()
      assert.equal(
        driver.refused(entry({ web: 'allow', api: '' })),
        "Sources[1].Action must be set to 'allow' or 'deny'",
      )
      const twice = entry({ web: 'allow' }) as Extract<Command, { kind: 'intention.replace' }>
      const { intentions } = twice
      assert.equal(
        driver.refused({ ...twice, intentions: [...intentions, ...intentions] }),
        'Sources[1] defines "web" more than once',
      )
      assert.equal(
        driver.refused({ ...twice, destinationName: 'x' }),
        'Sources[0] has another destination than its entry',
      )
      assert.equal(driver.refused({ ...twice, destinationName: '' }), 'Name is required')
      assert.deepEqual(sourcesOf(driver), [])
    })
  })

  it('are deleted by pair, quietly when absent', () => {
    const driver = new Driver()
    driver.ok(rule('web', 'db'))
    const by = { sourceName: 'web', destinationName: 'db' }
    assert.equal(driver.ok({ kind: 'intention.delete', by }), true)
    assert.equal(driver.ok({ kind: 'intention.delete', by }), true)
    assert.deepEqual(driver.read('intention.list', {}), [])
    assert.equal(driver.indexOf('intention.list', {}), 2)
  })

  it('match a source or a destination, wildcards included, most exact first', () => {
    const driver = new Driver()
    for (const [source, destination] of [
      ['*', '*'],
      ['web', '*'],
      ['*', 'db'],
      ['web', 'db'],
      ['api', 'db'],
      ['web', 'db2'],
    ] as const) {
      driver.ok(rule(source, destination))
    }
    const match = (by: 'source' | 'destination', name: string) =>
      driver
        .read('intention.match', { by, name })
        .map((one) => `${one.sourceName}>${one.destinationName}`)
    assert.deepEqual(match('destination', 'db'), ['api>db', 'web>db', '*>db', 'web>*', '*>*'])
    assert.deepEqual(match('destination', '*'), ['web>*', '*>*'])
    assert.deepEqual(match('source', 'api'), ['api>db', '*>db', '*>*'])
    assert.deepEqual(match('source', 'web'), ['web>db', 'web>db2', '*>db', 'web>*', '*>*'])
  })
})

describe('config entries', () => {
  function put(name: string, body: { readonly [key: string]: string }, cas?: number): Command {
    const base = { kind: 'config.set', entryKind: 'service-defaults', name, body } as const
    return cas === undefined ? base : { ...base, cas }
  }

  it('are kept by kind and name, whatever their case', () => {
    const driver = new Driver()
    driver.ok(put('Web', { Protocol: 'http' }))
    driver.ok(put('web', { Protocol: 'tcp' }))
    const found = driver.read('config.get', { entryKind: 'Service-Defaults', name: 'WEB' })
    assert.deepEqual(found, {
      kind: 'service-defaults',
      name: 'Web',
      body: { Protocol: 'tcp' },
      createIndex: 1,
      modifyIndex: 2,
    })
    assert.equal(driver.read('config.list', { entryKind: 'service-defaults' }).length, 1)
    assert.equal(driver.store.read('config.list', { entryKind: 'mesh' }).found, false)
    driver.ok(put('web', { Protocol: 'tcp' }))
    assert.equal(driver.indexOf('config.list', { entryKind: 'service-defaults' }), 2)
  })

  it('change and go only at the expected index', () => {
    const driver = new Driver()
    assert.equal(driver.ok(put('web', { a: '1' }, 7)), false)
    assert.equal(driver.ok(put('web', { a: '1' }, 0)), true)
    assert.equal(driver.ok(put('web', { a: '2' }, 0)), false)
    assert.equal(driver.ok(put('web', { a: '2' }, 2)), true)
    const cut = { kind: 'config.delete', entryKind: 'service-defaults', name: 'web' } as const
    assert.equal(driver.ok({ ...cut, cas: 2 }), false)
    assert.equal(driver.ok({ ...cut, cas: 4 }), true)
    assert.equal(driver.ok({ ...cut, cas: 4 }), false)
    assert.equal(driver.ok(cut), true)
  })

  it('refuse what has no key or another home', () => {
    const driver = new Driver()
    assert.equal(
      driver.refused({ kind: 'config.delete', entryKind: '', name: 'x' }),
      'Must provide both a kind and name to delete',
    )
    assert.equal(driver.refused(put('', {})), 'Name is required')
    const intentions = { kind: 'config.set', entryKind: 'service-intentions', name: 'x', body: {} }
    assert.match(driver.refused(intentions as Command), /kept as intentions/)
  })
})

describe('the certificate authority', () => {
  const config = { clusterId: 'ABC-1', provider: 'consul', config: { LeafCertTTL: '72h' } }
  const provider = { rootId: 'r1', privateKeyPem: 'PEM' }

  function root(id: string, active: boolean): Omit<CaRoot, 'createIndex' | 'modifyIndex'> {
    return {
      id,
      name: 'Root',
      serialNumber: 1,
      signingKeyId: 'k',
      externalTrustDomain: 'abc',
      notBefore: 0,
      notAfter: 1,
      rootCertPem: 'PEM',
      intermediateCertsPem: [],
      active,
      privateKeyType: 'ec',
      privateKeyBits: 256,
    }
  }

  it('keeps the first cluster id for ever', () => {
    const driver = new Driver()
    driver.ok({ kind: 'ca.config.set', config })
    assert.equal(driver.read('ca.roots', {}).trustDomain, 'abc-1.consul')
    driver.ok({ kind: 'ca.config.set', config: { ...config, clusterId: 'other', config: {} } })
    const found = driver.read('ca.config', {})
    assert.deepEqual([found?.clusterId, found?.config, found?.modifyIndex], ['ABC-1', {}, 2])
    assert.equal(driver.ok({ kind: 'ca.config.set', config, cas: 1 }), false)
    assert.equal(driver.ok({ kind: 'ca.config.set', config, cas: 2 }), true)
  })

  it('replaces all roots at once, at the index a read reported', () => {
    const driver = new Driver()
    driver.ok({ kind: 'noop' })
    driver.ok({ kind: 'ca.config.set', config })
    const cas = driver.indexOf('ca.roots', {})
    const first = { kind: 'ca.roots.set', roots: [root('r1', true)], provider, cas } as const
    assert.equal(driver.ok(first), true)
    assert.equal(driver.ok(first), false)
    const both = [root('r1', false), root('r2', true)]
    const next = { rootId: 'r2', privateKeyPem: 'PEM2' }
    const rotated = { ...first, roots: both, provider: next, cas: driver.indexOf('ca.roots', {}) }
    assert.equal(driver.ok(rotated), true)
    const found = driver.read('ca.roots', {})
    assert.equal(found.activeRootId, 'r2')
    assert.deepEqual(
      found.roots.map((one) => [one.createIndex, one.modifyIndex]),
      [
        [3, 5],
        [5, 5],
      ],
    )
    assert.deepEqual(driver.store.caProvider(), next)
    assert.equal(JSON.stringify(driver.read('ca.roots', {})).includes('PEM2'), false)
  })

  it('needs exactly one active root', () => {
    const driver = new Driver()
    for (const roots of [[], [root('a', true), root('b', true)]]) {
      assert.equal(
        driver.refused({ kind: 'ca.roots.set', roots, provider, cas: 0 }),
        'there must be exactly one active CA root',
      )
    }
    const many = Array.from({ length: 65 }, (_, i) => root(`r${i}`, i === 0))
    assert.equal(
      driver.refused({ kind: 'ca.roots.set', roots: many, provider, cas: 0 }),
      'there must be at most 64 CA roots',
    )
    const one = { kind: 'ca.roots.set', roots: [root('a', true)], provider } as const
    assert.equal(driver.ok({ ...one, cas: 7 }), false)
    assert.equal(driver.ok({ ...one, cas: 0 }), true)
  })

  it('gives each serial number once', () => {
    const driver = new Driver()
    const take = (count: number) => driver.ok({ kind: 'ca.serial.take', count })
    assert.deepEqual([take(1), take(5), take(1)], [1, 2, 7])
    assert.match(driver.refused({ kind: 'ca.serial.take', count: 0 }), /^count must be in/)
  })
})

describe('virtual addresses', () => {
  it('belong to destinations of proxies and to native services', () => {
    const driver = new Driver()
    driver.ok(driver.register('n1', { service: service({ service: 'plain' }) }))
    driver.ok(driver.register('n1', { service: sidecar('web') }))
    driver.ok(driver.register('n2', { service: sidecar('WEB') }))
    driver.ok(
      driver.register('n1', { service: service({ service: 'db', connectNative: true, port: 9 }) }),
    )
    const owned = driver.read('catalog.virtual-ips', {})
    assert.deepEqual(
      owned.map((one) => [one.service, one.virtualIp]),
      [
        ['db', '240.0.0.2'],
        ['web', '240.0.0.1'],
      ],
    )
    const [proxy] = driver.read('catalog.service', { service: 'web-sidecar-proxy' })
    assert.deepEqual(proxy?.service.taggedAddresses, {
      'consul-virtual': { address: '240.0.0.1', port: 21000 },
    })
    const [native] = driver.read('catalog.service', { service: 'db' })
    assert.deepEqual(native?.service.taggedAddresses['consul-virtual'], {
      address: '240.0.0.2',
      port: 9,
    })
  })

  it('do not make an identical registration a change', () => {
    const driver = new Driver()
    driver.ok(driver.register('n1', { service: sidecar('web') }))
    driver.ok(driver.register('n1', { service: sidecar('web') }))
    assert.equal(driver.indexOf('catalog.virtual-ips', {}), 1)
    assert.equal(driver.indexOf('catalog.service', { service: 'web', connect: true }), 1)
  })

  it('are given back with the last instance of any sort, and used again, lowest first', () => {
    const driver = new Driver()
    driver.ok(driver.register('n1', { service: service({ service: 'a' }) }))
    for (const name of ['a', 'b', 'c']) driver.ok(driver.register('n1', { service: sidecar(name) }))
    const owned = () => driver.read('catalog.virtual-ips', {}).map((one) => one.service)
    driver.ok(driver.deregister('n1', { serviceId: 'b-sidecar-proxy' }))
    driver.ok(driver.deregister('n1', { serviceId: 'a-sidecar-proxy' }))
    assert.deepEqual(owned(), ['a', 'c'])
    driver.ok(driver.deregister('n1', { serviceId: 'a' }))
    assert.deepEqual(owned(), ['c'])
    for (const name of ['x', 'y', 'z']) driver.ok(driver.register('n1', { service: sidecar(name) }))
    const offsets = driver.read('catalog.virtual-ips', {}).map((one) => [one.service, one.offset])
    assert.deepEqual(offsets, [
      ['c', 3],
      ['x', 1],
      ['y', 2],
      ['z', 4],
    ])
  })

  it('are joined by manual ones, each of one service at a time', () => {
    const driver = new Driver()
    const set = (name: string, ...ips: string[]) =>
      driver.ok({ kind: 'virtual-ip.set', service: name, ips })
    const manual = () =>
      driver.read('catalog.virtual-ips', {}).map((one) => [one.service, one.manualIps])
    assert.equal(set('web', '10.96.0.1'), false)
    for (const name of ['web', 'db']) driver.ok(driver.register('n1', { service: sidecar(name) }))
    assert.equal(set('WEB', '10.96.0.2', '10.96.0.1', '10.96.0.2'), '[]')
    const index = driver.indexOf('catalog.virtual-ips', {})
    assert.equal(set('web', '10.96.0.1', '10.96.0.2'), '[]')
    assert.equal(driver.indexOf('catalog.virtual-ips', {}), index)
    assert.equal(set('db', '10.96.0.1'), '["web"]')
    assert.deepEqual(manual(), [
      ['db', ['10.96.0.1']],
      ['web', ['10.96.0.2']],
    ])
    set('web')
    assert.deepEqual(manual()[1], ['web', undefined])
    const ips = Array.from({ length: 9 }, (_, i) => `10.96.1.${i}`)
    assert.match(
      driver.refused({ kind: 'virtual-ip.set', service: 'web', ips }),
      /^ManualVIPs can have at most 8 addresses/,
    )
  })

  it('end where the smaller range ends', () => {
    const draft = startDraft(emptyState(), 1, 'dc1')
    assert.equal(allocateVirtualIp(draft, 'a', 1)?.virtualIp, '240.0.0.1')
    assert.equal(allocateVirtualIp(draft, 'b', 1), undefined)
    assert.equal(allocateVirtualIp(draft, 'a', 1)?.offset, 1)
    settleVirtualIps(draft)
    assert.equal(draft.next.virtualIps.size, 0)
    draft.next.offsetCounter = OFFSET_MAX - 1
    draft.next.freeOffsets = draft.next.freeOffsets.delete('0000000000000001')
    const last = allocateVirtualIp(draft, 'z')
    assert.equal(last?.virtualIp, '240.127.255.254')
    assert.equal(allocateVirtualIp(draft, 'zz'), undefined)
  })
})
