/**
 * Signatures of tokens: what jose signs is believed, what anybody changed is not.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { JsonObject } from '../../../../core/catalog/types.ts'
import { TOKEN_LENGTH_MAX, TokenKeys } from '../../../../runtime/jwt/compact-token.ts'

async function signer(algorithm: string, kid = 'k1') {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), kid, alg: algorithm } as JsonObject
  return {
    jwk,
    sign: (claims: JsonObject, header: object = {}) =>
      new SignJWT(claims as never)
        .setProtectedHeader({ alg: algorithm, kid, ...header })
        .sign(privateKey),
  }
}

for (const algorithm of [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'],
]) {
  test(`${algorithm} is verified, by its own key alone`, async () => {
    const [own, other] = [await signer(algorithm), await signer(algorithm)]
    const token = await own.sign({ sub: 'a', list: ['x'] })
    assert.deepEqual(new TokenKeys([own.jwk]).verify(token), { sub: 'a', list: ['x'] })
    assert.equal(new TokenKeys([other.jwk]).verify(token), undefined)
    // Several keys without names are tried one after the other.
    const { kid: _first, ...bare } = own.jwk
    const { kid: _second, ...otherBare } = other.jwk
    assert.ok(new TokenKeys([otherBare, bare]).verify(token))
    assert.equal(new TokenKeys([{ ...own.jwk, kid: 'k2' }]).verify(token), undefined)
    assert.equal(new TokenKeys([{ ...own.jwk, use: 'enc' }]).verify(token), undefined)
  })
}

test('symmetric keys, no signature and critical extensions are refused', async () => {
  const { jwk, sign } = await signer('RS256')
  const keys = new TokenKeys([jwk, { kty: 'oct', k: 'c2VjcmV0', kid: 'k1' }])
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const body = part({ sub: 'root' })
  assert.equal(keys.verify(`${part({ alg: 'none' })}.${body}.`), undefined)
  assert.equal(keys.verify(`${part({ alg: 'HS256', kid: 'k1' })}.${body}.AAAA`), undefined)
  const hidden = await sign({}, { crit: ['b64'], b64: true }).catch(() => undefined)
  if (hidden !== undefined) assert.equal(keys.verify(hidden), undefined)
  // The key of another algorithm, under the name of one that it does not fit.
  const ec = await signer('ES256')
  const token = await ec.sign({ sub: 'a' })
  assert.equal(new TokenKeys([{ ...jwk, alg: 'ES256' }]).verify(token), undefined)
  assert.equal(keys.verify('a'.repeat(TOKEN_LENGTH_MAX + 1)), undefined)
})

test('any change of a token, and anything at all, gives nothing and never throws', async () => {
  const { jwk, sign } = await signer('ES256')
  const keys = new TokenKeys([jwk, { kty: 'nonsense' }, {}])
  const token = await sign({ sub: 'a', admin: false })
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.'
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: token.length - 1 }),
      fc.constantFrom(...alphabet),
      (at, letter) => {
        const changed = token.slice(0, at) + letter + token.slice(at + 1)
        const found = keys.verify(changed)
        // The last letter of a part has bits that base64url does not count.
        if (found !== undefined) assert.deepEqual(found, { sub: 'a', admin: false })
      },
    ),
  )
  fc.assert(fc.property(fc.string(), (text) => keys.verify(text) === undefined))
})
