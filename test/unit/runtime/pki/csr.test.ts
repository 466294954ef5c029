/**
 * Signing requests: made, read back, and refused for every reason there is.
 */

import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { FairleadError } from '../../../../core/errors.ts'
import { createKeyAndCsr, parseCsr } from '../../../../runtime/pki/csr.ts'
import { keyIdentifiers } from '../../../../runtime/pki/key-identifiers.ts'
import { pemBlocks, toPem } from '../../../../runtime/pki/pem.ts'
import { loadX509 } from '../../../../runtime/pki/x509-library.ts'

const URI = 'spiffe://x.consul/ns/default/dc/dc1/svc/web'

type NameJson = { type: 'url' | 'dns' | 'email'; value: string }

async function csrWith(
  names: readonly NameJson[],
  pair: { privateKey: KeyObject; publicKey: KeyObject } = generateKeyPairSync('ec', {
    namedCurve: 'prime256v1',
  }),
  algorithm: { name: string; namedCurve?: string; hash?: string } = {
    name: 'ECDSA',
    namedCurve: 'P-256',
    hash: 'SHA-256',
  },
): Promise<string> {
  const x509 = await loadX509()
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    keys: {
      privateKey: pair.privateKey.toCryptoKey(algorithm, false, ['sign']),
      publicKey: pair.publicKey.toCryptoKey(algorithm, true, ['verify']),
    },
    signingAlgorithm: algorithm,
    extensions: names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension([...names])],
  })
  return toPem('CERTIFICATE REQUEST', new Uint8Array(csr.rawData))
}

test('a request made here reads back with its names and its key', async () => {
  const { csrPem, privateKeyPem } = await createKeyAndCsr({
    uri: URI,
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1', '::1'],
  })
  const csr = await parseCsr(csrPem)
  assert.equal(csr.uri, URI)
  assert.deepEqual(csr.dnsNames, ['localhost'])
  assert.deepEqual(csr.ipAddresses, ['127.0.0.1', '::1'])
  const own = createPublicKey(privateKeyPem).export({ type: 'spki', format: 'der' })
  assert.deepEqual(Buffer.from(csr.publicKeyDer), own)
})

test('two requests never share a key', async () => {
  const [one, two] = await Promise.all([
    createKeyAndCsr({ uri: URI }),
    createKeyAndCsr({ uri: URI }),
  ])
  assert.notEqual(one.privateKeyPem, two.privateKeyPem)
})

test('any number of URIs but one is refused by its number', async () => {
  for (const count of [0, 2, 3]) {
    const names: NameJson[] = Array.from({ length: count }, (_, i) => ({
      type: 'url',
      value: `${URI}${i}`,
    }))
    await assert.rejects(parseCsr(await csrWith(names)), {
      code: 'BAD_REQUEST',
      message: `CSR SAN contains an invalid number of URIs: ${count}`,
    })
  }
})

test('an e-mail name is refused', async () => {
  const csr = await csrWith([
    { type: 'url', value: URI },
    { type: 'email', value: 'a@example.com' },
  ])
  await assert.rejects(parseCsr(csr), {
    message: 'CSR SAN does not allow specifying email addresses',
  })
})

test('more names than the bound are refused', async () => {
  const names: NameJson[] = [{ type: 'url', value: URI }]
  for (let i = 0; i < 64; i++) names.push({ type: 'dns', value: `h${i}.example` })
  await assert.rejects(parseCsr(await csrWith(names)), { code: 'BAD_REQUEST' })
})

test('a weak RSA key is refused', async () => {
  const pair = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const csr = await csrWith([{ type: 'url', value: URI }], pair, {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
  })
  await assert.rejects(parseCsr(csr), { code: 'BAD_REQUEST', message: /RSA of at least 2048/ })
})

test('a request whose key was exchanged is refused', async () => {
  const { csrPem } = await createKeyAndCsr({ uri: URI })
  const other = await createKeyAndCsr({ uri: URI })
  const der = Buffer.from(pemBlocks(csrPem)[0]?.der ?? [])
  const spki = createPublicKey(other.privateKeyPem).export({ type: 'spki', format: 'der' })
  const own = createPublicKey(await privateOf(csrPem)).export({ type: 'spki', format: 'der' })
  const at = der.indexOf(own)
  assert.ok(at > 0)
  spki.copy(der, at)
  await assert.rejects(parseCsr(toPem('CERTIFICATE REQUEST', der)), {
    message: 'CSR is not signed by the key it names',
  })
})

async function privateOf(csrPem: string): Promise<string> {
  const { publicKeyDer } = await parseCsr(csrPem)
  return toPem('PUBLIC KEY', publicKeyDer)
}

test('what is no request is refused with a reason', async () => {
  await assert.rejects(parseCsr('hello'), { message: 'No PEM-encoded CSR was found' })
  await assert.rejects(parseCsr('x'.repeat(20_000)), { message: /longer than/ })
  await assert.rejects(parseCsr(toPem('CERTIFICATE REQUEST', Buffer.from('garbage'))), {
    code: 'BAD_REQUEST',
    message: 'CSR cannot be read',
  })
})

test('a damaged request is refused, or still says what its key signed', async () => {
  const { csrPem } = await createKeyAndCsr({ uri: URI })
  const whole = await parseCsr(csrPem)
  const der = Buffer.from(pemBlocks(csrPem)[0]?.der ?? [])
  let refused = 0
  await fc.assert(
    fc.asyncProperty(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
      const damaged = Buffer.from(der)
      damaged[at] = (damaged[at] ?? 0) ^ flip
      try {
        // Lengths of the outermost envelope are not signed, so some damage there goes unseen.
        assert.deepEqual(await parseCsr(toPem('CERTIFICATE REQUEST', damaged)), whole)
      } catch (thrown) {
        assert.ok(thrown instanceof FairleadError, String(thrown))
        assert.equal(thrown.code, 'BAD_REQUEST')
        refused += 1
      }
    }),
    { numRuns: 150 },
  )
  assert.ok(refused > 100)
})

test('key identifiers of arbitrary bytes never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const ids = keyIdentifiers(bytes)
      assert.equal(typeof ids.subject, 'string')
      assert.equal(typeof ids.authority, 'string')
    }),
  )
})

test('PEM text of any kind splits without throwing, and blocks come back whole', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), (ders) => {
      const text = ders.map((der) => `noise\n${toPem('THING', der)}`).join('')
      assert.deepEqual(
        pemBlocks(text).map((block) => Buffer.from(block.der)),
        ders.map((der) => Buffer.from(der)),
      )
    }),
  )
})
