/**
 * Key sets of providers: at hand at once where they can be, fetched again, kept while they cannot be had.
 */

import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { JwtKeys } from '../../../../agent/mesh/jwt-keys.ts'
import type { ConfigEntryRecord, JsonObject } from '../../../../core/catalog/types.ts'
import { silentLogger } from '../../../../core/log.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'

function entry(set: JsonObject, name = 'okta'): ConfigEntryRecord {
  const body = { Kind: 'jwt-provider', Name: name, JSONWebKeySet: set }
  return { kind: 'jwt-provider', name, body, createIndex: 1, modifyIndex: 1 }
}

function setUp() {
  const clock = new ManualClock()
  let changes = 0
  const keys = new JwtKeys({ clock, log: silentLogger, onChange: () => void changes++ })
  return { clock, keys, changes: () => changes }
}

/** Requests over real sockets need real turns of the event loop. */
async function until(holds: () => boolean): Promise<void> {
  for (let turns = 0; turns < 200_000 && !holds(); turns++) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok(holds())
}

async function serve(answer: () => string): Promise<Server> {
  const server = createServer((_request, response) => {
    const text = answer()
    response.writeHead(text === '' ? 500 : 200).end(text)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

test('keys of an entry are there at once; an entry that is gone leaves nothing', () => {
  const { clock, keys } = setUp()
  const jwks = JSON.stringify({ keys: [{ kty: 'RSA', kid: 'a' }, 'no key'] })
  keys.want([entry({ Local: { JWKS: Buffer.from(jwks).toString('base64') } })])
  assert.deepEqual(keys.of('okta'), [{ kty: 'RSA', kid: 'a' }])
  keys.want([entry({ Local: { JWKS: Buffer.from('{}').toString('base64') } })])
  assert.deepEqual(keys.of('okta'), [])
  keys.want([])
  assert.deepEqual(keys.of('okta'), [])
  assert.equal(clock.armed, 0)
})

test('keys are fetched again when their time is over, and kept while they cannot be had', async () => {
  const { clock, keys, changes } = setUp()
  let published = '{"keys":[{"kid":"1"}]}'
  let asked = 0
  const server = await serve(() => {
    asked++
    return published
  })
  try {
    const URI = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`
    const remote = { URI, CacheDuration: '1m' }
    keys.want([entry({ Remote: remote })])
    assert.deepEqual(keys.of('okta'), [])
    await until(() => changes() === 1 && clock.armed === 1)
    assert.deepEqual(keys.of('okta'), [{ kid: '1' }])

    published = ''
    clock.advance(60_000)
    await until(() => asked === 2 && clock.armed === 1)
    assert.deepEqual(keys.of('okta'), [{ kid: '1' }])
    published = '{"keys":[{"kid":"2"}]}'
    clock.advance(5_000)
    await until(() => changes() === 2 && clock.armed === 1)
    assert.deepEqual(keys.of('okta'), [{ kid: '2' }])

    // Another setting for the same place keeps them until they have come again; another place does not.
    keys.want([entry({ Remote: { ...remote, CacheDuration: '2m' } })])
    assert.deepEqual(keys.of('okta'), [{ kid: '2' }])
    keys.want([entry({ Remote: { URI: `${URI}/others` } })])
    assert.deepEqual(keys.of('okta'), [])
    await until(() => keys.of('okta').length === 1 && clock.armed === 1)
  } finally {
    keys.stop()
    server.closeAllConnections()
    server.close()
  }
  assert.equal(clock.armed, 0)
})
