/**
 * URI names out of certificates: real ones, damaged ones, and noise.
 */

import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { before, it } from 'node:test'
import fc from 'fast-check'
import { wallTime } from '../../../../core/time.ts'
import { sanUris } from '../../../../proxy/tls/san-uri.ts'
import { createKeyAndCsr, parseCsr } from '../../../../runtime/pki/csr.ts'
import { generateEcKey } from '../../../../runtime/pki/keys.ts'
import { LeafSigner } from '../../../../runtime/pki/leaf-signer.ts'
import { createRootCertificate } from '../../../../runtime/pki/root-certificate.ts'

const URI = 'spiffe://td.consul/ns/default/dc/dc1/svc/web'
let leaf: Buffer
let root: Buffer

before(async () => {
  const key = await generateEcKey()
  const rootPem = await createRootCertificate({
    key,
    commonName: 'r',
    trustDomain: 'td.consul',
    serialNumber: 1,
    notBefore: wallTime(1e12),
    ttlMs: 1e12,
  })
  const { csrPem } = await createKeyAndCsr({
    uri: URI,
    dnsNames: ['a.example'],
    ipAddresses: ['127.0.0.1'],
  })
  const signer = await LeafSigner.open(rootPem, key)
  const signed = await signer.sign({
    ...(await parseCsr(csrPem)),
    serialNumber: 2,
    now: wallTime(1.5e12),
    ttlMs: 1e9,
  })
  leaf = new X509Certificate(signed.certPem).raw
  root = new X509Certificate(rootPem).raw
})

it('reads the one URI beside other names', () => {
  assert.deepEqual(sanUris(leaf), [URI])
  assert.deepEqual(sanUris(root), ['spiffe://td.consul'])
})

it('answers nothing for what is cut off anywhere', () => {
  for (let length = 0; length < leaf.length; length++) {
    const answer = sanUris(leaf.subarray(0, length))
    assert.equal(answer, undefined, `cut to ${length}`)
  }
})

it('never throws, and never finds another name, when bytes are changed', () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(255), (place, value) => {
      const damaged = Buffer.from(leaf)
      damaged[place % damaged.length] = value
      const answer = sanUris(damaged)
      // A name of another kind becomes a URI by its tag.
      assert.ok(answer === undefined || answer.length <= (value === 0x86 ? 2 : 1))
    }),
    { numRuns: 3000 },
  )
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => void sanUris(noise)))
})
