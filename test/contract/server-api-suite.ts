/**
 * What every implementation of ServerApi owes an agent; run on the local one and on the one over RPC.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Command } from '../../core/catalog/commands.ts'
import type { SubscriptionFrame } from '../../core/catalog/feed.ts'
import { startCoordinate } from '../../core/coordinates/coordinate.ts'
import type { ServerApi } from '../../core/rpc/server-api.ts'
import { wallTime } from '../../core/time.ts'
import { isSignedBy, readCertificate } from '../../runtime/pki/certificate.ts'
import { createKeyAndCsr } from '../../runtime/pki/csr.ts'
import { CLUSTER_ID } from '../integration/server/running-server.ts'
import { register, remove, service, session, set } from '../unit/server/raft-and-store.ts'

export interface SubjectUnderTest extends AsyncDisposable {
  readonly api: ServerApi
}

const TRUST_DOMAIN = `${CLUSTER_ID}.consul`

export function serverApiContract(name: string, make: () => Promise<SubjectUnderTest>): void {
  describe(`${name} as ServerApi`, () => {
    let subject: SubjectUnderTest
    let api: ServerApi
    let unique = 0
    /** A name no other test uses. */
    const fresh = (prefix: string): string => `${prefix}-${++unique}`

    before(async () => {
      subject = await make()
      api = subject.api
    })
    after(() => subject[Symbol.asyncDispose]())

    const write = async (command: Command): Promise<number> => {
      const written = await api.write(command)
      assert.ok(written.ok)
      return written.index
    }

    test('a write that was answered is seen by the next read, at its index or later', async () => {
      const key = fresh('k')
      const index = await write(set(key, 'v\u0000\u00ff'))
      const read = await api.read('kv.get', { key })
      assert.equal(read.index, index)
      assert.equal(read.knownLeader, true)
      assert.equal(read.lastContactMs, 0)
      assert.deepEqual(read.value?.value, new Uint8Array(Buffer.from('v\u0000\u00ff')))
      assert.equal(read.value?.flags, 0n)
    })

    test('all consistency modes answer, and the own datacentre may be named', async () => {
      const key = fresh('k')
      await write(set(key, '1'))
      for (const consistency of ['default', 'consistent', 'stale'] as const) {
        const read = await api.read('kv.get', { key }, { consistency, datacenter: 'DC1' })
        assert.notEqual(read.value, null)
      }
    })

    test('another datacentre is refused, for reads and writes', async () => {
      const refusal = { code: 'NO_PATH_TO_DATACENTER', message: /No path to datacenter$/ }
      await assert.rejects(api.read('catalog.nodes', {}, { datacenter: 'dc9' }), refusal)
      await assert.rejects(api.write(set('x', '1'), { datacenter: 'dc9' }), refusal)
    })

    test('an index is never 0', async () => {
      const { index } = await api.read('kv.list', { prefix: fresh('nothing') })
      assert.ok(index >= 1)
    })

    test('the value of a write is that of its kind', async () => {
      const key = fresh('k')
      const entry = { key, value: new Uint8Array([1]), flags: 2n ** 63n, session: '' }
      const cas = (index: number): Command => ({
        kind: 'kv',
        op: { verb: 'cas', entry, index },
        now: wallTime(0),
      })
      const first = await api.write(cas(0))
      assert.ok(first.ok && first.value === true)
      const second = await api.write(cas(0))
      assert.ok(second.ok && second.value === false)
      const { value } = await api.read('kv.get', { key })
      assert.equal(value?.flags, 2n ** 63n)
    })

    test('what breaks a rule is refused with the text of the rule, and changes nothing', async () => {
      await assert.rejects(api.write(session(fresh('s'), 10_000, 'no-such-node')), {
        code: 'REJECTED',
        message: /Missing node registration$/,
      })
    })

    test('a transaction that fails says which operation and why', async () => {
      const key = fresh('k')
      const written = await api.write({
        kind: 'txn',
        ops: [
          { type: 'kv', op: { verb: 'get-or-empty', key } },
          { type: 'kv', op: { verb: 'get', key } },
        ],
        now: wallTime(0),
      })
      assert.equal(written.ok, false)
      if (!written.ok) assert.equal(written.txnErrors[0]?.opIndex, 1)
    })

    test('what only the leader may write is refused', async () => {
      const commands: readonly Command[] = [
        { kind: 'ca.serial.take', count: 1 },
        { kind: 'tombstone.reap', index: 1 },
        { kind: 'coordinate.batch', updates: [] },
        {
          kind: 'ca.roots.set',
          roots: [],
          provider: { rootId: 'mine', privateKeyPem: 'mine' },
          cas: 0,
        },
      ]
      for (const command of commands) {
        await assert.rejects(api.write(command), { code: 'PERMISSION_DENIED' })
      }
    })

    test('where a node stands is noted and written soon after, or refused', async () => {
      const index = await write(register('n-place'))
      const place = { node: 'n-place', segment: '', coordinate: startCoordinate() }
      await api.placeNode(place)
      const read = await api.read('coordinate.node', { node: 'n-place' }, { minIndex: index })
      assert.deepEqual(read.value, [place])
      const other = { ...place, coordinate: startCoordinate(2) }
      const refusal = { code: 'REJECTED', message: /incompatible coordinate$/ }
      await assert.rejects(api.placeNode(other), refusal)
    })

    test('a session without an id gets one', async () => {
      await write(register('n-session'))
      const written = await api.write(session('', 0, 'n-session'))
      assert.ok(written.ok && typeof written.value === 'string')
      assert.match(written.ok ? String(written.value) : '', /^[0-9a-f-]{36}$/)
    })

    test('renewing tells whether the session is there', async () => {
      await write(register('n-renew'))
      const written = await api.write(session('', 10_000, 'n-renew'))
      const id = written.ok ? String(written.value) : ''
      const renewed = await api.renewSession(id)
      assert.equal(renewed?.id, id)
      assert.equal(renewed?.ttlMs, 10_000)
      assert.equal(await api.renewSession('00000000-0000-0000-0000-000000000000'), null)
    })

    test('a blocked read answers when what it read has changed', async () => {
      const key = fresh('k')
      const minIndex = await write(set(key, '1'))
      const blocked = api.read('kv.get', { key }, { minIndex, waitMs: 30_000 })
      const index = await write(set(key, '2'))
      const read = await blocked
      assert.equal(read.index, index)
      assert.equal(Buffer.from(read.value?.value ?? []).toString(), '2')
    })

    test('a blocked read whose wait ends comes back with the index it had', async () => {
      const key = fresh('k')
      const minIndex = await write(set(key, '1'))
      assert.equal((await api.read('kv.get', { key }, { minIndex, waitMs: 20 })).index, minIndex)
    })

    test('an abort ends a blocked read with its reason', async () => {
      const key = fresh('k')
      const minIndex = await write(set(key, '1'))
      const controller = new AbortController()
      const options = { minIndex, waitMs: 30_000, signal: controller.signal }
      const blocked = assert.rejects(api.read('kv.get', { key }, options), /no more/)
      await api.status()
      controller.abort(new Error('no more'))
      await blocked
      await assert.rejects(api.read('kv.get', { key }, { signal: controller.signal }), /no more/)
    })

    test('a subscription brings a snapshot, then what changes, until it is closed', async () => {
      const name = fresh('web')
      await write(register('n-a', { service: service(name) }))
      const subscription = api.subscribe({ topic: 'health', key: name })
      const frames = subscription[Symbol.asyncIterator]()
      const snapshot = await nextFrame(frames)
      assert.equal(snapshot.kind, 'snapshot')
      if (snapshot.kind === 'snapshot') {
        assert.deepEqual(
          snapshot.items.map((item) => item.id),
          [`n-a/${name}`],
        )
      }
      const added = await write(register('n-b', { service: service(name) }))
      const delta = await nextFrame(frames)
      assert.equal(delta.kind, 'delta')
      assert.equal(delta.index, added)
      const removed = await write({
        kind: 'deregister',
        request: { node: 'n-a', serviceId: name },
      })
      const gone = await nextFrame(frames)
      assert.equal(gone.index, removed)
      assert.deepEqual(gone.kind === 'delta' ? gone.deletes : [], [`n-a/${name}`])
      const last = frames.next()
      subscription.close()
      subscription.close()
      assert.equal((await last).done, true)
    })

    test('a subscription resumes after the position it names', async () => {
      const topic = { topic: 'health', key: fresh('web') } as const
      const index = await write(register('n-c', { service: service(topic.key) }))
      const first = api.subscribe(topic)
      assert.equal(first.epoch, '')
      await nextFrame(first[Symbol.asyncIterator]())
      const { epoch } = first
      assert.match(epoch, /^.+\/\d+$/)
      first.close()
      const later = await write(register('n-d', { service: service(topic.key) }))
      const second = api.subscribe(topic, { epoch, index })
      const frame = await nextFrame(second[Symbol.asyncIterator]())
      assert.equal(frame.kind, 'delta')
      assert.equal(frame.index, later)
      second.close()
    })

    test('a subscription that missed nothing begins with where it is', async () => {
      const topic = { topic: 'health', key: fresh('web') } as const
      const index = await write(register('n-e', { service: service(topic.key) }))
      const first = api.subscribe(topic)
      await nextFrame(first[Symbol.asyncIterator]())
      const { epoch } = first
      first.close()
      const second = api.subscribe(topic, { epoch, index })
      const { value } = await second[Symbol.asyncIterator]().next()
      assert.equal(value?.kind, 'bookmark')
      assert.ok(value?.index >= index)
      second.close()
    })

    test('a position of another epoch counts for nothing', async () => {
      const topic = { topic: 'health', key: fresh('web') } as const
      const index = await write(register('n-f', { service: service(topic.key) }))
      const subscription = api.subscribe(topic, { epoch: 'another/1', index: index + 1000 })
      assert.equal((await nextFrame(subscription[Symbol.asyncIterator]())).kind, 'snapshot')
      subscription.close()
    })

    test('a subscription from the future is refused', async () => {
      const topic = { topic: 'health', key: fresh('web') } as const
      const index = await write(register('n-g', { service: service(topic.key) }))
      const first = api.subscribe(topic)
      await nextFrame(first[Symbol.asyncIterator]())
      const { epoch } = first
      first.close()
      const second = api.subscribe(topic, { epoch, index: index + 1000 })
      await assert.rejects(second[Symbol.asyncIterator]().next(), { code: 'BUSY' })
    })

    test('the roots name an active one of our trust domain', async () => {
      const { value } = await untilRoots(api)
      assert.equal(value.trustDomain, TRUST_DOMAIN)
      const active = value.roots.find((root) => root.active)
      assert.equal(active?.id, value.activeRootId)
      const facts = readCertificate(active?.rootCertPem ?? '')
      assert.equal(facts.fingerprint, active?.id)
      assert.equal(facts.subjectKeyId, active?.signingKeyId)
    })

    test('a leaf is signed by the active root, with a growing serial number and index', async () => {
      const uri = `spiffe://${TRUST_DOMAIN}/ns/default/dc/dc1/svc/web`
      const leaves = []
      for (let i = 0; i < 2; i++) {
        const { csrPem } = await createKeyAndCsr({ uri })
        leaves.push(await api.signLeaf(csrPem))
      }
      const { value } = await untilRoots(api)
      const root = value.roots.find((one) => one.active)?.rootCertPem ?? ''
      for (const leaf of leaves) {
        assert.ok(isSignedBy(leaf.certPem, root))
        assert.equal(leaf.uri, uri)
        assert.equal(readCertificate(leaf.certPem).serialNumber, leaf.serialNumber)
      }
      const [one, two] = leaves
      assert.ok(one !== undefined && two !== undefined)
      assert.ok(two.index > one.index)
      assert.notEqual(one.serialNumber, two.serialNumber)
    })

    test('a request for somebody else is not signed', async () => {
      const uri = `spiffe://${TRUST_DOMAIN}/ns/default/dc/dc2/svc/web`
      const { csrPem } = await createKeyAndCsr({ uri })
      await assert.rejects(api.signLeaf(csrPem), {
        code: 'BAD_REQUEST',
        message: /SPIFFE ID in CSR from a different datacenter: dc2, we are dc1$/,
      })
    })

    test('the status names the leader and the peers', async () => {
      const status = await api.status()
      assert.match(status.leader, /^127\.0\.0\.1:\d+$/)
      assert.deepEqual(status.peers, [status.leader])
      assert.equal(status.isLeader, true)
      assert.equal(status.raft['state'], 'Leader')
      for (const value of Object.values(status.raft)) assert.equal(typeof value, 'string')
    })

    test('an entry over the limit of Raft is refused and nothing is written', async () => {
      const key = fresh('big')
      const entry = { key, value: new Uint8Array(1_100_000), flags: 0n, session: '' }
      const command: Command = { kind: 'kv', op: { verb: 'set', entry }, now: wallTime(0) }
      await assert.rejects(api.write(command), { code: 'TOO_LARGE' })
      assert.equal((await api.read('kv.get', { key })).value, null)
    })

    test('deleting what is absent is a write like any other', async () => {
      await write(remove(fresh('absent')))
    })

    test('calls are answered in bulk', async () => {
      const key = fresh('bulk')
      const writes = Array.from({ length: 200 }, (_, i) => write(set(`${key}/${i}`, `${i}`)))
      await Promise.all(writes)
      const read = await api.read('kv.keys', { prefix: `${key}/`, separator: '' })
      assert.equal(read.value.length, 200)
    })
  })
}

/** Bookmarks come when they want. */
async function nextFrame(
  frames: AsyncIterator<SubscriptionFrame>,
): Promise<Exclude<SubscriptionFrame, { kind: 'bookmark' }>> {
  for (;;) {
    const next = await frames.next()
    assert.equal(next.done, false)
    if (next.value.kind !== 'bookmark') return next.value
  }
}

/** The CA is made right after the leader is there, and a moment later than the rest. */
async function untilRoots(api: ServerApi) {
  let read = await api.read('ca.roots', {})
  while (read.value.activeRootId === '') {
    read = await api.read('ca.roots', {}, { minIndex: read.index, waitMs: 5000 })
  }
  return read
}
