/**
 * A server renews its own certificate in time, in its file and in force; a key that is missing changes nothing.
 */

import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { OwnRenewal } from '../../../../agent/tls/own-renewal.ts'
import type { TlsConfig } from '../../../../core/config/tls.ts'
import { silentLogger } from '../../../../core/log.ts'
import { wallTime } from '../../../../core/time.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import {
  createAgentAuthority,
  createAgentCertificate,
} from '../../../../runtime/pki/agent-certificates.ts'
import { isIssuedUnder } from '../../../../runtime/tls/certificate-chain.ts'
import { TLS_OFF } from '../../server/running-server.ts'

const DAY_MS = 24 * 3_600_000
const BEGIN = Date.UTC(2026, 0, 1)

async function setUp(): Promise<
  { readonly config: TlsConfig; readonly own: string; readonly ca: string } & AsyncDisposable
> {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-renewal-'))
  const now = wallTime(BEGIN)
  const made = { commonName: '', onlyDomains: [], clusterUri: '', now }
  const authority = await createAgentAuthority({ ...made, days: 3_650 })
  const other = await createAgentAuthority({ ...made, days: 3_650 })
  const leaf = await createAgentCertificate({
    authority,
    role: 'server',
    commonName: 'server.dc1.consul',
    dnsNames: ['a.server.dc1.consul', 'server.dc1.consul', 'localhost'],
    ipAddresses: ['127.0.0.1', '10.0.0.5'],
    days: 90,
    now,
  })
  const [ca, key, own] = ['ca.pem', 'ca-key.pem', 'server.pem'].map((name) => join(folder, name))
  // The authority that was before it is still trusted.
  await writeFile(ca ?? '', other.certPem + authority.certPem)
  await writeFile(key ?? '', authority.keyPem)
  await writeFile(own ?? '', leaf.certPem + leaf.keyPem)
  const files = { caFile: ca ?? '', certFile: own ?? '', keyFile: own ?? '' }
  return {
    config: {
      ...TLS_OFF,
      authorityKeyFile: key ?? '',
      internalRpc: { ...TLS_OFF.internalRpc, ...files },
    },
    own: own ?? '',
    ca: authority.certPem,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

async function runOnce(config: TlsConfig, afterDays: number): Promise<number> {
  let renewals = 0
  const renewal = new OwnRenewal(config, {
    clock: new ManualClock({ wall: BEGIN + afterDays * DAY_MS }),
    log: silentLogger,
    onRenewed: async () => {
      renewals += 1
    },
  })
  await renewal.start()
  await renewal.stop()
  return renewals
}

test('a certificate of which a third is left is replaced by one of the same names', async () => {
  await using host = await setUp()
  const before = await readFile(host.own, 'utf8')
  assert.equal(await runOnce(host.config, 59), 0)
  assert.equal(await readFile(host.own, 'utf8'), before)
  assert.equal(await runOnce(host.config, 61), 1)
  const after = await readFile(host.own, 'utf8')
  const [old, made] = [new X509Certificate(before), new X509Certificate(after)]
  assert.notEqual(made.serialNumber, old.serialNumber)
  assert.equal(made.subjectAltName, old.subjectAltName)
  assert.equal(made.subject, old.subject)
  assert.ok(made.checkPrivateKey(createPrivateKey(after)))
  assert.ok(isIssuedUnder(made, [host.ca]))
  const life = (certificate: X509Certificate): number =>
    certificate.validToDate.getTime() - certificate.validFromDate.getTime()
  assert.equal(life(made), life(old))
  assert.equal(await runOnce(host.config, 62), 0)
})

test('also one that is over, and not without the key of the authority', async () => {
  await using host = await setUp()
  const before = await readFile(host.own, 'utf8')
  const without = { ...host.config, authorityKeyFile: `${host.config.authorityKeyFile}.gone` }
  assert.equal(await runOnce(without, 120), 0)
  assert.equal(await readFile(host.own, 'utf8'), before)
  assert.equal(await runOnce(host.config, 120), 1)
})

test('is for servers whose certificate and key are one file', async () => {
  await using host = await setUp()
  assert.ok(OwnRenewal.isFor(host.config))
  assert.ok(!OwnRenewal.isFor({ ...host.config, authorityKeyFile: '' }))
  const { internalRpc } = host.config
  const apart = { ...host.config, internalRpc: { ...internalRpc, keyFile: '/other' } }
  assert.ok(!OwnRenewal.isFor(apart))
})
