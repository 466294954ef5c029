/**
 * The CA on a real replicated state: made once, signing while it leads, refusing what it must.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../../../../core/catalog/types.ts'
import { isSignedBy, readCertificate } from '../../../../runtime/pki/certificate.ts'
import { generateEcKey, generateRsaKey } from '../../../../runtime/pki/keys.ts'
import { createRootCertificate } from '../../../../runtime/pki/root-certificate.ts'
import { pass, RaftAndStore } from '../raft-and-store.ts'
import { activeRoot, authority, CLUSTER, change, csr, HOUR } from './authority.ts'

function activeRootPem(base: RaftAndStore): string {
  return activeRoot(base).rootCertPem
}

async function operatorRoot(kind: 'ec' | 'rsa', base: RaftAndStore): Promise<JsonObject> {
  const key = kind === 'ec' ? await generateEcKey() : await generateRsaKey(2048)
  const RootCert = await createRootCertificate({
    key,
    commonName: 'Our own root',
    trustDomain: `${CLUSTER}.consul`,
    serialNumber: 77,
    notBefore: base.clock.wall(),
    ttlMs: 87_600 * HOUR,
  })
  return { RootCert, PrivateKey: key.pem }
}

test('a new cluster gets its id, configuration and root, and signs', async () => {
  await using base = await new RaftAndStore().start()
  const ca = authority(base)
  await ca.lead()
  const config = base.store.read('ca.config', {}).value
  assert.equal(config?.clusterId, CLUSTER)
  assert.equal(config?.provider, 'consul')
  assert.equal(config?.config['LeafCertTTL'], '72h0m0s')
  const { value } = base.store.read('ca.roots', {})
  assert.equal(value.trustDomain, `${CLUSTER}.consul`)
  assert.equal(value.roots.length, 1)
  assert.equal(value.roots[0]?.name, 'Consul CA Primary Cert')
  assert.equal(value.roots[0]?.serialNumber, 1)
  const leaf = await ca.sign(await csr())
  assert.ok(isSignedBy(leaf.certPem, activeRootPem(base)))
  assert.equal(leaf.notAfter - leaf.notBefore, 72 * HOUR)
  assert.equal(leaf.index, base.store.lastIndex)
})

test('without a given cluster id a new one is made, in lower case', async () => {
  await using base = await new RaftAndStore().start()
  await authority(base, { clusterId: '' }).lead()
  const { trustDomain } = base.store.read('ca.roots', {}).value
  assert.equal(trustDomain, 'abcdef00-0000-4000-8000-000000000000.consul')
})

test('leading again, here or elsewhere, keeps the root and writes nothing', async () => {
  await using base = await new RaftAndStore().start()
  await authority(base).lead()
  const root = activeRootPem(base)
  const index = base.store.lastIndex
  const other = authority(base, { clusterId: 'another' })
  await other.lead()
  assert.equal(base.store.lastIndex, index)
  assert.ok(isSignedBy((await other.sign(await csr())).certPem, root))
})

test('a snapshot of before there was a CA, restored while one is made, is given one too', async () => {
  await using base = await new RaftAndStore().start()
  const before = [...base.store.snapshot().image()]
  let restores = 0
  const ca = authority(
    base,
    {},
    {
      write: async (command, options) => {
        const written = await base.writer.write(command, options)
        if (command.kind === 'ca.roots.set' && restores++ === 0) base.store.restore(before)
        return written
      },
    },
  )
  await ca.lead()
  assert.equal(restores, 2)
  assert.ok(isSignedBy((await ca.sign(await csr())).certPem, activeRootPem(base)))
})

test('after such a restore nothing is signed by the root that is gone', async () => {
  await using base = await new RaftAndStore().start()
  const before = [...base.store.snapshot().image()]
  const ca = authority(base)
  await ca.lead()
  const gone = activeRootPem(base)
  base.store.restore(before)
  const leaf = await ca.sign(await csr())
  assert.ok(isSignedBy(leaf.certPem, activeRootPem(base)))
  assert.equal(isSignedBy(leaf.certPem, gone), false)
})

test('it signs only while it leads, and says that it is a matter of time', async () => {
  await using base = await new RaftAndStore().start()
  const ca = authority(base)
  const refusal = {
    code: 'BUSY',
    message: 'CA is uninitialized and unable to sign certificates yet: no active root',
  }
  await assert.rejects(ca.sign(await csr()), refusal)
  await ca.lead()
  await ca.sign(await csr())
  ca.resign()
  await assert.rejects(ca.sign(await csr()), refusal)
})

for (const kind of ['ec', 'rsa'] as const) {
  test(`an operator's own ${kind} root is honoured, and its key is no one's to read`, async () => {
    await using base = await new RaftAndStore().start()
    const config = await operatorRoot(kind, base)
    const ca = authority(base, { config })
    await ca.lead()
    assert.equal(activeRootPem(base), config['RootCert'])
    const root = base.store.read('ca.roots', {}).value.roots[0]
    assert.equal(root?.privateKeyType, kind)
    assert.equal(root?.serialNumber, 77)
    const leaf = await ca.sign(await csr())
    assert.ok(isSignedBy(leaf.certPem, String(config['RootCert'])))
    assert.equal(readCertificate(leaf.certPem).authorityKeyId, root?.signingKeyId)
    assert.equal(JSON.stringify(base.store.read('ca.config', {}).value).includes('PRIVATE'), false)
  })
}

test("an operator's key that does not belong to the root is refused and nothing is kept", async () => {
  await using base = await new RaftAndStore().start()
  const { RootCert } = await operatorRoot('ec', base)
  const config = { RootCert: RootCert ?? '', PrivateKey: (await generateEcKey()).pem }
  await assert.rejects(authority(base, { config }).lead(), { code: 'BAD_REQUEST' })
  assert.equal(base.store.read('ca.roots', {}).value.roots.length, 0)
})

test('settings that break a rule are refused before anything runs', async () => {
  await using base = await new RaftAndStore().start()
  assert.throws(() => authority(base, { leafTtlMs: 60_000 }), {
    code: 'BAD_REQUEST',
    message: 'leaf cert TTL must be greater or equal than 1h0m0s',
  })
})

test('a new leaf TTL counts from the next leaf on, with the same root', async () => {
  await using base = await new RaftAndStore().start()
  const ca = authority(base)
  await ca.lead()
  const root = activeRootPem(base)
  await ca.configure(change(base, { LeafCertTTL: '2h' }))
  const leaf = await ca.sign(await csr())
  assert.equal(leaf.notAfter - leaf.notBefore, 2 * HOUR)
  assert.equal(activeRootPem(base), root)
  await assert.rejects(ca.configure(change(base, { LeafCertTTL: '1m' })), { code: 'BAD_REQUEST' })
  await assert.rejects(ca.configure(change(base, {}, 'unheard-of')), { code: 'NOT_SUPPORTED' })
})

test('an expired root signs nothing', async () => {
  await using base = await new RaftAndStore().start()
  const ca = authority(base, { rootTtlMs: 9000 * HOUR })
  await ca.lead()
  base.clock.jumpWall(9001 * HOUR)
  await assert.rejects(ca.sign(await csr()), {
    code: 'REJECTED',
    message: /^root expired: certificate expired, expiration date: /,
  })
})

test('over the rate, a request is refused with the text that clients know', async () => {
  await using base = await new RaftAndStore().start()
  const ca = authority(base, { config: { CSRMaxPerSecond: 1 } })
  await ca.lead()
  const requests = await Promise.all([csr(), csr()])
  await ca.sign(requests[0])
  await assert.rejects(ca.sign(requests[1]), {
    code: 'RATE_LIMITED',
    message: 'Rate limit reached, try again later',
  })
  await pass(base.clock, 1000)
  await ca.sign(requests[1])
})

test('with the mesh turned off there is no CA', async () => {
  await using base = await new RaftAndStore().start()
  const ca = authority(base, { isEnabled: false })
  await ca.lead()
  assert.equal(base.store.read('ca.config', {}).value, null)
  await assert.rejects(ca.sign(await csr()), {
    code: 'REJECTED',
    message: 'Connect must be enabled in order to use this endpoint',
  })
})
