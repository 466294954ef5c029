/**
 * The table of mesh.md 4.5, rule by rule and text by text.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../../../../core/catalog/types.ts'
import { readCaConfig } from '../../../../server/ca/ca-config.ts'

const HOUR = 3_600_000

test('an empty configuration has the defaults of the reference', () => {
  assert.deepEqual(readCaConfig({}), {
    leafTtlMs: 72 * HOUR,
    intermediateTtlMs: 8760 * HOUR,
    rootTtlMs: 87_600 * HOUR,
    privateKeyType: 'ec',
    privateKeyBits: 256,
    csrMaxPerSecond: 50,
    csrMaxConcurrent: 0,
    privateKeyPem: '',
    rootCertPem: '',
  })
})

test('durations may be Go text or nanoseconds', () => {
  assert.equal(readCaConfig({ LeafCertTTL: '1h30m' }).leafTtlMs, 1.5 * HOUR)
  assert.equal(readCaConfig({ LeafCertTTL: 2 * HOUR * 1e6 }).leafTtlMs, 2 * HOUR)
})

const REFUSED: readonly (readonly [string, JsonObject, string])[] = [
  ['a short leaf', { LeafCertTTL: '59m' }, 'leaf cert TTL must be greater or equal than 1h0m0s'],
  ['a long leaf', { LeafCertTTL: '8761h' }, 'leaf cert TTL must be less than 8760h0m0s'],
  [
    'a short intermediate',
    { LeafCertTTL: '1h', IntermediateCertTTL: '2h' },
    'Intermediate Cert TTL must be greater or equal than 3h',
  ],
  [
    'an intermediate below three leaves',
    { LeafCertTTL: '72h', IntermediateCertTTL: '100h' },
    'Intermediate Cert TTL must be greater or equal than 3 * LeafCertTTL (>=216h0m0s)',
  ],
  [
    'a root below the intermediate',
    { RootCertTTL: '8000h' },
    'root cert TTL is set and is not greater than intermediate cert ttl. root cert ttl: 8000h0m0s, intermediate cert ttl: 8760h0m0s',
  ],
  [
    'odd EC bits',
    { PrivateKeyBits: 300 },
    'EC key length must be one of (224, 256, 384, 521) bits',
  ],
  [
    'odd RSA bits',
    { PrivateKeyType: 'rsa', PrivateKeyBits: 1024 },
    'RSA key length must be 2048 or 4096 bits',
  ],
  ['another key type', { PrivateKeyType: 'dsa' }, "private key type must be either 'ec' or 'rsa'"],
  ['a root alone', { RootCert: 'x' }, 'must provide a private key when providing a root cert'],
  ['a duration that is none', { LeafCertTTL: 'soon' }, 'LeafCertTTL is not a duration'],
  ['a negative rate', { CSRMaxPerSecond: -1 }, 'CSRMaxPerSecond is not a number of zero or more'],
]

for (const [what, config, message] of REFUSED) {
  test(`refuses ${what}`, () => {
    assert.throws(() => readCaConfig(config), { code: 'BAD_REQUEST', message })
  })
}

test('SkipValidate lifts the rules on time, and only those', () => {
  assert.equal(readCaConfig({ LeafCertTTL: '1m', SkipValidate: true }).leafTtlMs, 60_000)
  assert.throws(() => readCaConfig({ PrivateKeyBits: 300, SkipValidate: true }))
})
