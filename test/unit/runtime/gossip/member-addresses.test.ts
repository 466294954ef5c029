/**
 * Addresses as operators write them.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addressText,
  parseMemberAddress,
  resolveMemberAddress,
} from '../../../../runtime/gossip/member-addresses.ts'

test('hosts and addresses, with and without a port', () => {
  const cases: readonly [string, string, number][] = [
    ['10.0.0.1', '10.0.0.1', 8301],
    ['10.0.0.1:9301', '10.0.0.1', 9301],
    ['db-1.example', 'db-1.example', 8301],
    ['db-1.example:1', 'db-1.example', 1],
    ['::1', '::1', 8301],
    ['[::1]', '::1', 8301],
    ['[fe80::1]:9301', 'fe80::1', 9301],
    ['node-a/10.0.0.1:9301', '10.0.0.1', 9301],
  ]
  for (const [text, host, port] of cases) assert.deepEqual(parseMemberAddress(text), { host, port })
})

test('what is no address is refused with what to write', () => {
  for (const text of [
    '',
    ':8301',
    'a b',
    'host:',
    'host:0',
    'host:70000',
    '[host]:1',
    'a:b',
    '[::1',
    'provider=aws x',
  ]) {
    assert.throws(() => parseMemberAddress(text), {
      code: 'BAD_REQUEST',
      message: /is not an address of a member; write host, host:port or \[ipv6\]:port/,
    })
  }
})

test('names are looked up, addresses are taken as they are', async () => {
  assert.deepEqual(await resolveMemberAddress('localhost:7', 4), [
    { address: '127.0.0.1', port: 7 },
  ])
  assert.deepEqual(await resolveMemberAddress('10.9.8.7', 4), [{ address: '10.9.8.7', port: 8301 }])
  assert.equal(addressText({ address: '::1', port: 7 }), '[::1]:7')
})
