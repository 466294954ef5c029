/**
 * Keys behind URLs, fetched from a real server, with time under control.
 */

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { FRESH_MS, KeySets, LONGEST_MS, REFETCH_MS } from '../../../../runtime/jwt/key-sets.ts'

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const JWKS = JSON.stringify({ keys: [publicKey.export({ format: 'jwk' })] })

async function subject() {
  const state = { asked: 0, isDown: false, issuer: '' }
  const server = createServer((request, response) => {
    state.asked += 1
    response.statusCode = state.isDown ? 503 : 200
    const isDiscovery = request.url === '/.well-known/openid-configuration'
    response.end(
      isDiscovery ? JSON.stringify({ issuer: state.issuer || url, jwks_uri: `${url}/keys` }) : JWKS,
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const clock = new ManualClock()
  const sets = new KeySets({ clock })
  const source = { discoveryUrl: '', jwksUrl: `${url}/keys`, caCert: '' }
  return {
    state,
    clock,
    url,
    sets,
    ask: (again = false) => sets.of(source, again),
    discover: () => sets.of({ discoveryUrl: url, jwksUrl: '', caCert: '' }),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describe('sets of keys', () => {
  test('are fetched anew when they are old, so that a withdrawn key ends', async () => {
    await using it = await subject()
    await it.ask()
    it.clock.advance(FRESH_MS - 1)
    await it.ask()
    assert.equal(it.state.asked, 1)
    it.clock.advance(1)
    await it.ask()
    assert.equal(it.state.asked, 2)
  })

  test('count on while they cannot be fetched, but not for ever', async () => {
    await using it = await subject()
    const first = await it.ask()
    it.state.isDown = true
    it.clock.advance(LONGEST_MS - 1)
    assert.equal(await it.ask(), first)
    it.clock.advance(1)
    await assert.rejects(it.ask(), /cannot get the keys of the auth method: .* answered 503/)
    it.state.isDown = false
    it.clock.advance(REFETCH_MS)
    await it.ask()
  })

  test('many who ask at a time, or after a failure, make one request', async () => {
    await using it = await subject()
    it.state.isDown = true
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => it.ask()))
    assert.ok(outcomes.every(({ status }) => status === 'rejected'))
    await assert.rejects(it.ask(true))
    assert.equal(it.state.asked, 1)
    it.state.isDown = false
    it.clock.advance(REFETCH_MS)
    await Promise.all(Array.from({ length: 20 }, () => it.ask(true)))
    assert.equal(it.state.asked, 2)
    await it.ask(true)
    assert.equal(it.state.asked, 2)
  })

  test('a discovery document speaks for its own issuer alone', async () => {
    await using it = await subject()
    assert.equal((await it.discover()).issuer, it.url)
    await using other = await subject()
    other.state.issuer = 'https://issuer.example'
    await assert.rejects(other.discover(), /that of the issuer "https:\/\/issuer.example"/)
  })
})
