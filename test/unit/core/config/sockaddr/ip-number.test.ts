/**
 * Addresses as numbers: beside the platform's own reading of them.
 */

import assert from 'node:assert/strict'
import { SocketAddress } from 'node:net'
import { it } from 'node:test'
import fc from 'fast-check'
import { networkOf, toNumber, toText } from '../../../../../core/config/sockaddr/ip-number.ts'

const v4 = fc.ipV4()
const v6 = fc.ipV6()

it('texts and numbers are the same addresses', () => {
  fc.assert(fc.property(v4, (text) => assert.equal(toText(toNumber(text), 4), text)))
  fc.assert(
    fc.property(v6, (text) => {
      const printed = toText(toNumber(text), 6)
      const normal = (address: string): string =>
        new SocketAddress({ address, family: 'ipv6' }).address
      assert.equal(normal(printed), normal(text))
      assert.equal(toNumber(printed), toNumber(text))
    }),
  )
})

it('the network of an address begins where its host bits are zero', () => {
  assert.deepEqual(networkOf('10.1.2.3', 8), { family: 4, first: 0x0a000000n, prefix: 8 })
  assert.deepEqual(networkOf('2001:db8::1', 128).first, toNumber('2001:db8::1'))
})
