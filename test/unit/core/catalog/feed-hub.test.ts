/**
 * Topics, deltas and resumption of the change feed (feed-hub.ts, topics.ts).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { FeedFrame, Topic } from '../../../../core/catalog/feed.ts'
import { StateStore } from '../../../../core/catalog/state-store.ts'
import { wallTime } from '../../../../core/time.ts'
import { check, Driver, service, sidecar } from './store-fixture.ts'

function follow(driver: Driver, topic: Topic, key: string, fromIndex?: number) {
  const frames: FeedFrame[] = []
  const close = driver.store.follow({ topic, key }, fromIndex, (frame) => frames.push(frame))
  return { frames, close }
}

/** `+id` for an item, `-id` for a deletion, with the index in front. */
function shown(frames: readonly FeedFrame[]): string[] {
  return frames.map((frame) => {
    if (frame.kind === 'snapshot') {
      return `${frame.index}: = ${frame.items.map((item) => item.id).join(' ')}`.trimEnd()
    }
    const changes = [
      ...frame.upserts.map((item) => `+${item.id}`),
      ...frame.deletes.map((id) => `-${id}`),
    ]
    return `${frame.index}: ${changes.join(' ')}`
  })
}

function allow(driver: Driver, sourceName: string, destinationName: string): void {
  const intention = {
    id: '',
    description: '',
    sourceName,
    destinationName,
    action: 'allow' as const,
    permissions: [],
    meta: {},
  }
  driver.ok({ kind: 'intention.set', intention, now: wallTime(1) })
}

describe('following a service', () => {
  it('gives a snapshot at once, then what changes, and nothing else', () => {
    const driver = new Driver()
    driver.ok(driver.register('n1', { service: service({ service: 'web' }) }))
    const web = follow(driver, 'health', 'WEB')
    driver.ok(driver.register('n2', { service: service({ service: 'Web', id: 'w2' }) }))
    driver.ok(driver.register('n3', { service: service({ service: 'db' }) }))
    driver.ok(driver.register('n2', { checks: [check('disk', 'critical')] }))
    driver.ok(driver.deregister('n1'))
    assert.deepEqual(shown(web.frames), ['1: = n1/web', '2: +n2/w2', '4: +n2/w2', '5: -n1/web'])
    web.close()
    web.close()
    driver.ok(driver.deregister('n2'))
    assert.equal(web.frames.length, 4)
  })

  it('follows an instance from one name to another', () => {
    const driver = new Driver()
    driver.ok(driver.register('n1', { service: service({ service: 'a', id: 'x' }) }))
    const [a, b] = [follow(driver, 'health', 'a'), follow(driver, 'health', 'b')]
    driver.ok(driver.register('n1', { service: service({ service: 'b', id: 'x' }) }))
    assert.deepEqual(shown(a.frames), ['1: = n1/x', '2: -n1/x'])
    assert.deepEqual(shown(b.frames), ['1: =', '2: +n1/x'])
  })

  it('replaces the item when the spelling of its node changes', () => {
    const driver = new Driver()
    driver.ok(driver.register('n1', { service: service({ service: 'a' }) }))
    const a = follow(driver, 'health', 'a')
    driver.ok(driver.register('N1'))
    assert.deepEqual(shown(a.frames), ['1: = n1/a', '2: +N1/a -n1/a'])
  })

  it('knows the proxies of a destination', () => {
    const driver = new Driver()
    const web = follow(driver, 'connect', 'web')
    const addresses = follow(driver, 'virtual-ips', '')
    driver.ok(driver.register('n1', { service: service({ service: 'web' }) }))
    driver.ok(driver.register('n1', { service: sidecar('web') }))
    driver.ok(driver.register('n1', { service: sidecar('db', { id: 'web-sidecar-proxy' }) }))
    driver.ok(driver.deregister('n1'))
    assert.deepEqual(shown(web.frames), [
      '0: =',
      '2: +n1/web-sidecar-proxy',
      '3: -n1/web-sidecar-proxy',
    ])
    assert.deepEqual(shown(addresses.frames), ['0: =', '2: +web', '3: +db', '4: -web -db'])
  })
})

describe('following other topics', () => {
  it('sends rules for every destination to each destination', () => {
    const driver = new Driver()
    const db = follow(driver, 'intentions', 'db')
    const any = follow(driver, 'intentions', '*')
    allow(driver, 'web', 'db')
    allow(driver, 'web', '*')
    allow(driver, 'web', 'api')
    driver.ok({ kind: 'intention.delete', by: { sourceName: 'web', destinationName: '*' } })
    assert.deepEqual(shown(db.frames), ['0: =', '1: +web/db', '2: +web/*', '4: -web/*'])
    assert.deepEqual(shown(any.frames), ['0: =', '2: +web/*', '4: -web/*'])
  })

  it('sends all config entries of a kind', () => {
    const driver = new Driver()
    const web = follow(driver, 'config', 'service-defaults')
    const set = { kind: 'config.set', entryKind: 'service-defaults' } as const
    driver.ok({ ...set, name: 'web', body: { Protocol: 'http' } })
    driver.ok({ ...set, name: 'other', body: {} })
    driver.ok({ kind: 'config.delete', entryKind: 'service-defaults', name: 'web' })
    assert.deepEqual(shown(web.frames), ['0: =', '1: +web', '2: +other', '3: -web'])
  })

  it('sends the roots as one item, from the beginning', () => {
    const driver = new Driver()
    const roots = follow(driver, 'roots', '')
    const config = { clusterId: 'C', provider: 'consul', config: {} }
    driver.ok({ kind: 'ca.config.set', config })
    driver.ok({ kind: 'ca.config.set', config: { ...config, config: { a: 1 } } })
    assert.deepEqual(shown(roots.frames), ['0: = roots', '1: +roots'])
  })
})

describe('coming back to a topic', () => {
  it('resumes where the history reaches, across two channels in log order', () => {
    const driver = new Driver()
    allow(driver, 'a', 'db')
    allow(driver, 'b', '*')
    allow(driver, 'c', 'db')
    assert.deepEqual(shown(follow(driver, 'intentions', 'db', 1).frames), ['2: +b/*', '3: +c/db'])
    assert.deepEqual(shown(follow(driver, 'intentions', 'db', 3).frames), [])
    assert.deepEqual(shown(follow(driver, 'intentions', 'db', 0).frames).length, 3)
  })

  it('gives a snapshot when the history is too short, or the index is of the future', () => {
    const driver = new Driver(new StateStore({ datacenter: 'dc1', feeds: { historyItemsMax: 2 } }))
    for (const source of ['a', 'b', 'c']) allow(driver, source, 'db')
    assert.deepEqual(shown(follow(driver, 'intentions', 'db', 1).frames), ['2: +b/db', '3: +c/db'])
    const snapshot = ['3: = a/db b/db c/db']
    assert.deepEqual(shown(follow(driver, 'intentions', 'db', 0).frames), snapshot)
    assert.deepEqual(shown(follow(driver, 'intentions', 'db', 4).frames), snapshot)
  })

  it('starts anew after a restore, for everyone', () => {
    const other = new Driver()
    allow(other, 'x', 'db')
    const driver = new Driver()
    const db = follow(driver, 'intentions', 'db')
    let woken = 0
    driver.store.watchOnce(['anything'], () => {
      woken += 1
    })
    allow(driver, 'a', 'db')
    driver.store.restore(other.store.snapshot().image())
    assert.deepEqual(shown(db.frames), ['0: =', '1: +a/db', '1: = x/db'])
    assert.equal(woken, 1)
  })

  it('is refused beyond the bound, until somebody leaves', () => {
    const driver = new Driver(new StateStore({ datacenter: 'dc1', feeds: { followersMax: 1 } }))
    const first = follow(driver, 'roots', '')
    assert.throws(() => follow(driver, 'health', 'a'), { code: 'BUSY' })
    first.close()
    assert.equal(follow(driver, 'config', 'no-slash').frames.length, 1)
  })

  it('lets a sink follow and close while it is called', () => {
    const driver = new Driver()
    const late: FeedFrame[] = []
    const close = driver.store.follow({ topic: 'health', key: 'a' }, undefined, (frame) => {
      if (frame.kind === 'snapshot') return
      close()
      driver.store.follow({ topic: 'health', key: 'a' }, undefined, (one) => late.push(one))
    })
    driver.ok(driver.register('n1', { service: service({ service: 'a' }) }))
    driver.ok(driver.register('n2', { service: service({ service: 'a' }) }))
    assert.deepEqual(shown(late), ['1: = n1/a', '2: +n2/a'])
  })
})
