/**
 * From root to root: who trusts only the old one still accepts leaves of the new, and the other way round;
 * OpenSSL is the judge of every chain.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readCertificate } from '../../../../runtime/pki/certificate.ts'
import { generateEcKey, generateRsaKey } from '../../../../runtime/pki/keys.ts'
import { createRootCertificate } from '../../../../runtime/pki/root-certificate.ts'
import { UPKEEP_MS } from '../../../../server/ca/certificate-authority.ts'
import { pass, RaftAndStore } from '../raft-and-store.ts'
import {
  activeRoot,
  authority,
  CLUSTER,
  change,
  csr,
  HOUR,
  opensslRefusal,
  rootsOf,
  WEB,
} from './authority.ts'

const DAY = 24 * HOUR

for (const kind of ['ec', 'rsa'] as const) {
  test(`a new ${kind} key makes a new root, which the old one vouches for`, async () => {
    await using base = await new RaftAndStore().start()
    const ca = authority(base, { config: { CSRMaxPerSecond: 0 } })
    await ca.lead()
    const old = activeRoot(base)
    const before = await ca.sign(await csr())
    const key = kind === 'ec' ? await generateEcKey(384) : await generateRsaKey(2048)
    await ca.configure(change(base, { PrivateKey: key.pem }))
    const fresh = activeRoot(base)
    assert.notEqual(fresh.id, old.id)
    assert.equal(fresh.privateKeyType, kind)
    assert.equal(rootsOf(base).length, 2)
    const past = rootsOf(base).find(({ id }) => id === old.id)
    assert.equal(past?.active, false)
    assert.equal(past?.rotatedOutAt, base.clock.wall())

    const after = await ca.sign(await csr())
    const now = base.clock.wall()
    assert.equal(opensslRefusal(after.certPem, [fresh.rootCertPem], now), undefined)
    assert.equal(opensslRefusal(after.certPem, [old.rootCertPem], now), undefined)
    assert.equal(
      opensslRefusal(after.certPem, [old.rootCertPem, fresh.rootCertPem], now),
      undefined,
    )
    assert.equal(opensslRefusal(before.certPem, [old.rootCertPem], now), undefined)
    assert.match(String(opensslRefusal(before.certPem, [fresh.rootCertPem], now)), /issuer/)
    assert.equal(readCertificate(after.certPem).authorityKeyId, fresh.signingKeyId)

    const [bridge] = fresh.intermediateCertsPem
    const facts = readCertificate(bridge ?? '')
    const root = readCertificate(fresh.rootCertPem)
    assert.equal(facts.subjectKeyId, root.subjectKeyId)
    assert.equal(facts.authorityKeyId, old.signingKeyId)
    assert.deepEqual(facts.uris, [`spiffe://${CLUSTER}.consul`])
    assert.equal(facts.notAfter - facts.notBefore, 7 * DAY + 60_000)
    assert.ok(after.certPem.endsWith(bridge ?? '-'))
    assert.deepEqual(readCertificate(after.certPem).uris, [WEB])
  })
}

test('neither log nor configuration shows a key that an operator gave', async () => {
  await using base = await new RaftAndStore().start()
  const written: string[] = []
  const ca = authority(
    base,
    { sealingKeys: [Buffer.alloc(32, 7)] },
    {
      write: (command, options) => {
        written.push(JSON.stringify(command))
        return base.writer.write(command, options)
      },
    },
  )
  await ca.lead()
  const { pem } = await generateEcKey()
  await ca.configure(change(base, { PrivateKey: pem }))
  const [, secretLine = ''] = pem.split('\n')
  assert.ok(secretLine.length > 40)
  assert.equal(written.join('').includes(secretLine), false)
  assert.equal(written.join('').includes('PRIVATE KEY'), false)
  assert.ok(base.store.caProvider()?.privateKeyPem.startsWith('fairlead-sealed:1:'))
  await ca.sign(await csr())
})

test('the same key, other lifetimes or a value that is as it was make no new root', async () => {
  await using base = await new RaftAndStore().start()
  const ca = authority(base)
  await ca.lead()
  const { pem } = await generateEcKey()
  await ca.configure(change(base, { PrivateKey: pem }))
  const { id } = activeRoot(base)
  await ca.configure(change(base, { PrivateKey: pem, LeafCertTTL: '5h' }))
  await ca.configure(change(base, { PrivateKeyType: 'ec', PrivateKeyBits: 256 }))
  await ca.configure(change(base, { RootCert: activeRoot(base).rootCertPem, PrivateKey: pem }))
  assert.equal(activeRoot(base).id, id)
  assert.equal(rootsOf(base).length, 2)
  assert.equal(base.store.read('ca.config', {}).value?.config['PrivateKeyBits'], 256)
  await ca.configure(change(base, { PrivateKeyBits: 384 }))
  assert.equal(activeRoot(base).privateKeyBits, 384)
  assert.equal(rootsOf(base).length, 3)
})

test('a root that may not stand above another cannot vouch for it; an operator may insist', async () => {
  await using base = await new RaftAndStore().start()
  const ca = authority(base)
  await ca.lead()
  const key = await generateEcKey()
  const RootCert = await createRootCertificate({
    key,
    commonName: 'Signs leaves only',
    trustDomain: `${CLUSTER}.consul`,
    serialNumber: 9,
    notBefore: base.clock.wall(),
    ttlMs: 8760 * HOUR,
    pathLength: 0,
  })
  await ca.configure(change(base, { RootCert, PrivateKey: key.pem }))
  const { id } = activeRoot(base)
  const next = change(base, { PrivateKeyBits: 384 })
  await assert.rejects(ca.configure(next), {
    code: 'REJECTED',
    message:
      /^The current CA Provider does not support cross-signing\. You can try again with Force/,
  })
  assert.equal(activeRoot(base).id, id)
  await ca.configure({ ...next, forceWithoutCrossSigning: true })
  assert.notEqual(activeRoot(base).id, id)
  assert.deepEqual(activeRoot(base).intermediateCertsPem, [])
})

test('an old root is forgotten after twice the life of a leaf, a bridge when it has ended', async () => {
  await using base = await new RaftAndStore().start()
  const ca = authority(base)
  await ca.lead()
  await ca.configure(change(base, { PrivateKey: (await generateEcKey()).pem }))
  const kept = 6 * DAY
  base.clock.jumpWall(kept - 2 * UPKEEP_MS)
  await pass(base.clock, UPKEEP_MS)
  assert.equal(rootsOf(base).length, 2)
  await pass(base.clock, 2 * UPKEEP_MS, UPKEEP_MS)
  assert.equal(rootsOf(base).length, 1)
  assert.equal(activeRoot(base).intermediateCertsPem.length, 1)
  base.clock.jumpWall(DAY)
  await pass(base.clock, UPKEEP_MS)
  assert.equal(activeRoot(base).intermediateCertsPem.length, 0)
  const leaf = await ca.sign(await csr())
  const roots = [activeRoot(base).rootCertPem]
  assert.equal(opensslRefusal(leaf.certPem, roots, base.clock.wall()), undefined)
  ca.resign()
})

test('who no longer leads looks after nothing', async () => {
  await using base = await new RaftAndStore().start()
  const ca = authority(base)
  await ca.lead()
  await pass(base.clock, 1)
  await ca.configure(change(base, { PrivateKey: (await generateEcKey()).pem }))
  ca.resign()
  base.clock.jumpWall(30 * DAY)
  await pass(base.clock, 2 * UPKEEP_MS, UPKEEP_MS)
  assert.equal(rootsOf(base).length, 2)
})

test('rotations asked for together happen one after the other', async () => {
  await using base = await new RaftAndStore().start()
  const ca = authority(base)
  await ca.lead()
  const keys = await Promise.all([generateEcKey(), generateEcKey(), generateEcKey()])
  const asked = keys.map(({ pem }) => ca.configure(change(base, { PrivateKey: pem })))
  const outcomes = await Promise.allSettled(asked)
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'fulfilled'],
  )
  assert.equal(rootsOf(base).length, 4)
  assert.equal(rootsOf(base).filter(({ active }) => active).length, 1)
  const leaf = await ca.sign(await csr())
  const roots = [activeRoot(base).rootCertPem]
  assert.equal(opensslRefusal(leaf.certPem, roots, base.clock.wall()), undefined)
})

test('another leader goes on with the new root; one without the sealing key says so', async () => {
  await using base = await new RaftAndStore().start()
  const [older, newer] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
  const first = authority(base)
  await first.lead()
  await first.configure(change(base, { PrivateKey: (await generateEcKey()).pem }))
  assert.ok(base.store.caProvider()?.privateKeyPem.startsWith('-----BEGIN'))
  first.resign()

  const sealing = authority(base, { sealingKeys: [older] })
  await sealing.lead()
  const sealed = base.store.caProvider()?.privateKeyPem ?? ''
  assert.ok(sealed.startsWith('fairlead-sealed:1:'))
  await sealing.sign(await csr())
  sealing.resign()
  await assert.rejects(authority(base).lead(), { code: 'CA_KEY_SEALED' })
  await assert.rejects(authority(base, { sealingKeys: [newer] }).lead(), { code: 'CA_KEY_SEALED' })

  const replacing = authority(base, { sealingKeys: [newer, older] })
  await replacing.lead()
  assert.notEqual(base.store.caProvider()?.privateKeyPem, sealed)
  replacing.resign()
  const last = authority(base, { sealingKeys: [newer] })
  await last.lead()
  const leaf = await last.sign(await csr())
  const roots = [activeRoot(base).rootCertPem]
  assert.equal(opensslRefusal(leaf.certPem, roots, base.clock.wall()), undefined)
  last.resign()
})
