/**
 * Certificates of a client agent over real RPC: got, renewed before they end, and asked for again while servers refuse.
 */

import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { AutoEncrypt } from '../../../../agent/tls/auto-encrypt.ts'
import { FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import { seededRng } from '../../../../core/rng.ts'
import { wallTime } from '../../../../core/time.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { createAgentAuthority } from '../../../../runtime/pki/agent-certificates.ts'
import { parseCsr } from '../../../../runtime/pki/csr.ts'
import { readPrivateKey } from '../../../../runtime/pki/keys.ts'
import { LeafSigner } from '../../../../runtime/pki/leaf-signer.ts'
import { RpcHost } from '../../../../runtime/rpc/rpc-host.ts'
import type { CertificateAndKey } from '../../../../runtime/tls/tls-files.ts'
import { rpcHandlers } from '../../../unit/runtime/rpc/rpc-handlers.ts'

/** The signer begins a certificate a minute ago: so much of its life is over at once. */
const LIFE_MS = 62_000

test('a certificate is got despite refusals, and renewed', async () => {
  const authority = await createAgentAuthority({
    commonName: '',
    days: 1,
    onlyDomains: [],
    clusterUri: '',
    now: wallTime(Date.now()),
  })
  const signer = await LeafSigner.open(authority.certPem, readPrivateKey(authority.keyPem))
  const asked: { readonly uri: string; readonly secret: string }[] = []
  const host = new RpcHost(
    { address: '127.0.0.1', port: 0 },
    {
      handlers: rpcHandlers({
        signLeaf: async (request, _signal, secret) => {
          const csr = await parseCsr((request as { csrPem: string }).csrPem)
          asked.push({ uri: csr.uri, secret })
          if (asked.length === 1) throw new FairleadError('NO_LEADER', 'No cluster leader')
          return signer.sign({
            ...csr,
            serialNumber: asked.length,
            now: systemClock.wall(),
            ttlMs: LIFE_MS,
          })
        },
      }),
      log: silentLogger,
    },
  )
  await host.start()
  const got: CertificateAndKey[] = []
  const twice = Promise.withResolvers<void>()
  const autoEncrypt = new AutoEncrypt(
    { datacenter: 'dc1', nodeName: 'n1', dnsNames: ['n1.example'], ipAddresses: ['10.0.0.1'] },
    {
      clock: systemClock,
      rng: seededRng(1),
      log: silentLogger,
      servers: () => [`127.0.0.1:${host.port}`],
      tls: () => undefined,
      secret: () => 'token',
      onCertificate: (own) => {
        got.push(own)
        if (got.length === 2) twice.resolve()
      },
    },
  )
  try {
    assert.equal(autoEncrypt.isReady, false)
    await autoEncrypt.start()
    await twice.promise
    assert.equal(autoEncrypt.isReady, true)
    assert.match(asked[0]?.uri ?? '', /\/agent\/client\/dc\/dc1\/id\/n1$/)
    assert(asked.every(({ secret }) => secret === 'token'))
    const [first, second] = got.map(({ certPem }) => new X509Certificate(certPem))
    assert.notEqual(first?.serialNumber, second?.serialNumber)
    assert.match(
      second?.subjectAltName ?? '',
      /DNS:localhost, DNS:n1\.example, IP Address:127\.0\.0\.1/,
    )
    assert(second?.checkPrivateKey(createPrivateKey(got[1]?.keyPem ?? '')))
  } finally {
    await autoEncrypt.stop()
    await host.stop()
  }
})
