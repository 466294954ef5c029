/**
 * Chains of the built-in CA, judged by node:crypto and, when it is installed, by openssl.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { seededRng } from '../../../../core/rng.ts'
import { wallTime } from '../../../../core/time.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { isSignedBy, readCertificate } from '../../../../runtime/pki/certificate.ts'
import { createKeyAndCsr, parseCsr } from '../../../../runtime/pki/csr.ts'
import { generateEcKey, generateRsaKey, type PrivateKey } from '../../../../runtime/pki/keys.ts'
import { LeafSigner } from '../../../../runtime/pki/leaf-signer.ts'
import { createRootCertificate, rootCommonName } from '../../../../runtime/pki/root-certificate.ts'

const TRUST_DOMAIN = '11111111-2222-3333-4444-555555555555.consul'
const URI = `spiffe://${TRUST_DOMAIN}/ns/default/dc/dc1/svc/web`
const HOUR = 3_600_000

const hasOpenssl = spawnSync('openssl', ['version']).status === 0

async function makeRoot(key: PrivateKey, serialNumber = 7): Promise<string> {
  return createRootCertificate({
    key,
    commonName: rootCommonName(TRUST_DOMAIN, seededRng(1)),
    trustDomain: TRUST_DOMAIN,
    serialNumber,
    notBefore: systemClock.wall(),
    ttlMs: 87_600 * HOUR,
  })
}

async function issue(
  rootPem: string,
  key: PrivateKey,
  options: { dnsNames?: string[]; ipAddresses?: string[]; serialNumber?: number } = {},
): Promise<{ certPem: string; privateKeyPem: string; notBefore: number; notAfter: number }> {
  const { csrPem, privateKeyPem } = await createKeyAndCsr({ uri: URI, ...options })
  const csr = await parseCsr(csrPem)
  const signer = await LeafSigner.open(rootPem, key)
  const leaf = await signer.sign({
    ...csr,
    serialNumber: options.serialNumber ?? 9,
    now: systemClock.wall(),
    ttlMs: 72 * HOUR,
  })
  return { ...leaf, privateKeyPem }
}

test('the root is a CA with the trust domain as its URI and one key id for subject and authority', async () => {
  const root = await makeRoot(await generateEcKey())
  const facts = readCertificate(root)
  assert.equal(facts.isCa, true)
  assert.deepEqual(facts.uris, [`spiffe://${TRUST_DOMAIN}`])
  assert.equal(facts.serialNumber, '07')
  assert.equal(facts.subjectKeyId, facts.authorityKeyId)
  assert.equal(facts.subjectKeyId.split(':').length, 32)
  assert.match(facts.fingerprint, /^([0-9a-f]{2}:){19}[0-9a-f]{2}$/)
  const parsed = new X509Certificate(root)
  assert.match(parsed.subject, /^CN=pri-[a-z0-9]{8}\.consul\.ca\.11111111\.consul$/)
  assert.ok(root.endsWith('-----END CERTIFICATE-----\n'))
})

test('a leaf has no subject, one URI, and lies between a minute ago and its TTL', async () => {
  const key = await generateEcKey()
  const root = await makeRoot(key)
  const before = systemClock.wall()
  const leaf = await issue(root, key)
  const facts = readCertificate(leaf.certPem)
  assert.deepEqual(facts.uris, [URI])
  assert.equal(facts.isCa, false)
  assert.equal(facts.authorityKeyId, readCertificate(root).subjectKeyId)
  assert.equal(facts.notBefore, leaf.notBefore)
  assert.equal(facts.notAfter, leaf.notBefore + 72 * HOUR)
  assert.ok(leaf.notBefore <= before - 59_000 && leaf.notBefore >= before - 62_000)
  const parsed = new X509Certificate(leaf.certPem)
  assert.equal(parsed.subject ?? '', '')
  assert.ok(isSignedBy(leaf.certPem, root))
  assert.ok(leaf.privateKeyPem.startsWith('-----BEGIN EC PRIVATE KEY-----\n'))
})

test('a leaf of one root is not taken for one of another', async () => {
  const key = await generateEcKey()
  const leaf = await issue(await makeRoot(key), key)
  assert.equal(isSignedBy(leaf.certPem, await makeRoot(await generateEcKey())), false)
})

test('serial numbers with a high first bit stay positive', async () => {
  const key = await generateEcKey()
  const root = await makeRoot(key)
  for (const [serialNumber, text] of [
    [128, '80'],
    [255, 'ff'],
    [256, '01:00'],
    [0x8000, '80:00'],
  ] as const) {
    const leaf = await issue(root, key, { serialNumber })
    assert.equal(readCertificate(leaf.certPem).serialNumber, text)
  }
})

test('a leaf never outlives the root', async () => {
  const key = await generateEcKey()
  const root = await createRootCertificate({
    key,
    commonName: 'short',
    trustDomain: TRUST_DOMAIN,
    serialNumber: 1,
    notBefore: systemClock.wall(),
    ttlMs: 2 * HOUR,
  })
  assert.equal((await issue(root, key)).notAfter, readCertificate(root).notAfter)
})

test('a root and a key that do not belong together are refused', async () => {
  const root = await makeRoot(await generateEcKey())
  await assert.rejects(LeafSigner.open(root, await generateEcKey()), {
    code: 'BAD_REQUEST',
    message: 'The CA certificate is for a different private key',
  })
})

test('a leaf cannot serve as a CA', async () => {
  const key = await generateEcKey()
  const leaf = await issue(await makeRoot(key), key)
  await assert.rejects(LeafSigner.open(leaf.certPem, key), { code: 'BAD_REQUEST' })
})

test('openssl accepts the chain for servers and clients', { skip: !hasOpenssl }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-pki-'))
  try {
    for (const key of [
      await generateEcKey(),
      await generateEcKey(384),
      await generateRsaKey(2048),
    ]) {
      const root = await makeRoot(key)
      const leaf = await issue(root, key, {
        dnsNames: ['localhost'],
        ipAddresses: ['127.0.0.1', '::1'],
      })
      await writeFile(join(folder, 'root.pem'), root)
      await writeFile(join(folder, 'leaf.pem'), leaf.certPem)
      for (const purpose of ['sslserver', 'sslclient']) {
        const run = spawnSync(
          'openssl',
          ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', 'root.pem', 'leaf.pem'],
          { cwd: folder, encoding: 'utf8' },
        )
        assert.equal(run.status, 0, run.stdout + run.stderr)
      }
      const text = spawnSync('openssl', ['x509', '-in', 'leaf.pem', '-noout', '-text'], {
        cwd: folder,
        encoding: 'utf8',
      }).stdout
      assert.match(text, /Subject Alternative Name: critical\s+URI:spiffe:/)
      assert.match(text, /Basic Constraints: critical\s+CA:FALSE/)
      assert.match(text, /Digital Signature, Key Encipherment, Data Encipherment, Key Agreement\s/)
      assert.match(text, /TLS Web Client Authentication, TLS Web Server Authentication\s/)
      assert.match(text, /IP Address:0:0:0:0:0:0:0:1/)
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test('times past 2049 are written in the form X.509 wants', async () => {
  const key = await generateEcKey()
  const root = await createRootCertificate({
    key,
    commonName: 'far',
    trustDomain: TRUST_DOMAIN,
    serialNumber: 1,
    notBefore: wallTime(Date.UTC(2049, 5, 1)),
    ttlMs: 87_600 * HOUR,
  })
  assert.equal(readCertificate(root).notAfter, Date.UTC(2049, 5, 1) + 87_600 * HOUR)
})
