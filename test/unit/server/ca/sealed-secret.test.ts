/**
 * Sealed secrets: opened by their key and for their root alone.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SecretSealer } from '../../../../server/ca/sealed-secret.ts'

const KEY = Buffer.alloc(32, 1)
const OTHER = Buffer.alloc(32, 2)
const SECRET = '-----BEGIN EC PRIVATE KEY-----\nabc\n-----END EC PRIVATE KEY-----\n'

test('what is sealed shows nothing, differs each time, and opens again', () => {
  const sealer = new SecretSealer([KEY])
  const sealed = sealer.seal(SECRET, 'r1')
  assert.equal(sealed.includes('abc'), false)
  assert.notEqual(sealer.seal(SECRET, 'r1'), sealed)
  assert.equal(sealer.open(sealed, 'r1'), SECRET)
  assert.equal(new SecretSealer([OTHER, KEY]).open(sealed, 'r1'), SECRET)
})

test('another key, another root and every changed character are refused', () => {
  const sealer = new SecretSealer([KEY])
  const sealed = sealer.seal(SECRET, 'r1')
  const refusal = { code: 'CA_KEY_SEALED' }
  assert.throws(() => new SecretSealer([OTHER]).open(sealed, 'r1'), refusal)
  assert.throws(() => new SecretSealer([]).open(sealed, 'r1'), refusal)
  assert.throws(() => sealer.open(sealed, 'r2'), refusal)
  const from = sealed.lastIndexOf(':') + 1
  for (let at = from; at < sealed.length - 4; at += 7) {
    const changed = `${sealed.slice(0, at)}${sealed[at] === 'A' ? 'B' : 'A'}${sealed.slice(at + 1)}`
    assert.throws(() => sealer.open(changed, 'r1'), refusal)
  }
  assert.throws(() => sealer.open(sealed.slice(0, from + 4), 'r1'), refusal)
})

test('without keys a secret stands in clear; with one, what does is outdated', () => {
  assert.equal(new SecretSealer([]).seal(SECRET, 'r1'), SECRET)
  const sealer = new SecretSealer([KEY])
  assert.equal(sealer.isOutdated(SECRET), true)
  assert.equal(sealer.isOutdated(new SecretSealer([OTHER]).seal(SECRET, 'r1')), true)
  assert.equal(sealer.isOutdated(sealer.seal(SECRET, 'r1')), false)
  assert.equal(sealer.isOutdated(''), false)
  assert.equal(new SecretSealer([]).isOutdated(SECRET), false)
})
