/**
 * Addresses of members as operators write them.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMemberAddress } from '../../../../core/config/member-address.ts'

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

test('what is no address is told apart', () => {
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
    assert.equal(parseMemberAddress(text), null, text)
  }
})
