/**
 * Addresses as operators write them.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressText, resolveMemberAddress } from '../../../../runtime/gossip/member-addresses.ts'

test('what is no address is refused with what to write', async () => {
  await assert.rejects(resolveMemberAddress('a:b:c', 4), {
    code: 'BAD_REQUEST',
    message: /"a:b:c" is not an address of a member; write host, host:port or \[ipv6\]:port/,
  })
})

test('names are looked up, addresses are taken as they are', async () => {
  assert.deepEqual(await resolveMemberAddress('localhost:7', 4), [
    { address: '127.0.0.1', port: 7 },
  ])
  assert.deepEqual(await resolveMemberAddress('10.9.8.7', 4), [{ address: '10.9.8.7', port: 8301 }])
  assert.equal(addressText({ address: '::1', port: 7 }), '[::1]:7')
})
