/**
 * Vault as the authority: what is missing is made there, leaves are signed there, and its token is no one's to read.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../../../../core/catalog/types.ts'
import { readCertificate } from '../../../../runtime/pki/certificate.ts'
import {
  activeRoot,
  authority,
  change,
  csr,
  HOUR,
  opensslRefusal,
  realTime,
  rootsOf,
  until,
  WEB,
} from './authority.ts'
import { FakeVault } from './fake-vault.ts'

function configOf(vault: FakeVault): JsonObject {
  return {
    CSRMaxPerSecond: 0,
    Address: vault.address,
    Token: vault.token,
    RootPKIPath: 'connect-root',
    IntermediatePKIPath: 'teams/connect-intermediate/',
  }
}

test('an empty Vault gets mounts, root, intermediate and role, and signs', async () => {
  await using base = await realTime()
  await using vault = await FakeVault.start()
  const ca = authority(base)
  await ca.lead()
  const builtIn = activeRoot(base)
  await ca.configure(change(base, configOf(vault), 'vault'))
  const root = activeRoot(base)
  assert.equal(root.name, 'Vault CA Primary Cert')
  assert.deepEqual(vault.calls.slice(0, 4), [
    'GET connect-root/ca/pem',
    'POST sys/mounts/connect-root',
    'POST connect-root/root/generate/internal',
    'GET teams/connect-intermediate/ca/pem',
  ])
  const leaf = await ca.sign(await csr())
  const now = base.clock.wall()
  assert.deepEqual(readCertificate(leaf.certPem).uris, [WEB])
  assert.equal(opensslRefusal(leaf.certPem, [root.rootCertPem], now), undefined)
  assert.equal(opensslRefusal(leaf.certPem, [builtIn.rootCertPem], now), undefined)

  assert.equal(JSON.stringify(base.store.read('ca.config', {}).value).includes(vault.token), false)
  assert.equal(base.store.caProvider()?.privateKeyPem, vault.token)
  ca.resign()

  // Another server begins to lead, with what is there; then the token is kept when it is not given again.
  vault.calls.length = 0
  const other = authority(base)
  await other.lead()
  assert.deepEqual(
    vault.calls.filter((path) => /generate|mounts|set-signed/.test(path)),
    [],
  )
  await other.configure(change(base, { LeafCertTTL: '2h' }, 'vault'))
  assert.equal(activeRoot(base).id, root.id)
  await other.sign(await csr())

  // And away from Vault, whose root vouches for the built-in one.
  await other.configure(change(base, { CSRMaxPerSecond: 0 }))
  const last = await other.sign(await csr())
  const later = base.clock.wall()
  assert.equal(opensslRefusal(last.certPem, [activeRoot(base).rootCertPem], later), undefined)
  assert.equal(opensslRefusal(last.certPem, [root.rootCertPem], later), undefined)
  assert.equal(rootsOf(base).length, 3)
  other.resign()
})

test('the intermediate is renewed once half of its life is over, the token more often', async () => {
  await using base = await realTime()
  await using vault = await FakeVault.start()
  const ca = authority(base, { provider: 'vault', config: configOf(vault) })
  await ca.lead()
  await until(base, 1, () => vault.calls.includes('POST auth/token/renew-self'))
  const before = activeRoot(base)
  base.clock.jumpWall(200 * 24 * HOUR)
  await until(base, HOUR, () => activeRoot(base).signingKeyId !== before.signingKeyId)
  assert.equal(activeRoot(base).id, before.id)
  assert.equal(activeRoot(base).intermediateCertsPem.length, 1)
  ca.resign()
})

test('what Vault says is told, its limit is a limit, and its token is in no message', async () => {
  await using base = await realTime()
  await using vault = await FakeVault.start()
  const ca = authority(base, { config: { CSRMaxPerSecond: 0 } })
  await ca.lead()
  const wrong = { ...configOf(vault), Token: 's.wrong' }
  await assert.rejects(ca.configure(change(base, wrong, 'vault')), {
    code: 'REJECTED',
    message: 'Vault answered 403: permission denied',
  })
  assert.equal(rootsOf(base).length, 1)
  await ca.configure(change(base, configOf(vault), 'vault'))
  await ca.sign(await csr())
  vault.failing = { status: 429, body: { errors: ['request path "x" rate limit exceeded'] } }
  await assert.rejects(ca.sign(await csr()), {
    code: 'RATE_LIMITED',
    message: 'Rate limit reached, try again later',
  })
  vault.failing = { status: 503, body: { errors: ['Vault is sealed'] } }
  await assert.rejects(ca.sign(await csr()), { message: 'Vault answered 503: Vault is sealed' })
  vault.failing = { status: 200, body: { data: { certificate: activeRoot(base).rootCertPem } } }
  await assert.rejects(ca.sign(await csr()), {
    message: /that the CA provider signed may sign others/,
  })
  // It is lost for good: an operator insists.
  vault.failing = { status: 503, body: { errors: ['Vault is sealed'] } }
  const back = change(base, { CSRMaxPerSecond: 0 })
  await assert.rejects(ca.configure(back), { code: 'REJECTED' })
  await ca.configure({ ...back, forceWithoutCrossSigning: true })
  await ca.sign(await csr())
  ca.resign()
})

for (const [key, value, message] of [
  ['Address', 'vault:8200', /^Address "vault:8200" is not the URL of a Vault/],
  ['RootPKIPath', '', /^RootPKIPath is required/],
  ['RootPKIPath', '../sys', /is not the path of a mount/],
  ['IntermediatePKIPath', 'connect-root', /must be different/],
  ['Token', '', /^Token is required/],
  ['CAFile', '/no/such/file', /CAFile "\/no\/such\/file" cannot be read/],
] as const) {
  test(`a Vault configuration with ${key} "${value}" is refused`, async () => {
    await using base = await realTime()
    await using vault = await FakeVault.start()
    const ca = authority(base)
    await ca.lead()
    const wanted = { ...configOf(vault), [key]: value }
    await assert.rejects(ca.configure(change(base, wanted, 'vault')), {
      code: 'BAD_REQUEST',
      message,
    })
    ca.resign()
  })
}
