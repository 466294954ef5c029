/**
 * Addresses as numbers: beside the platform's own reading of addresses and networks.
 */

import assert from 'node:assert/strict'
import { BlockList, SocketAddress } from 'node:net'
import { it } from 'node:test'
import fc from 'fast-check'
import {
  isWithin,
  networkOf,
  parseNetwork,
  toNumber,
  toText,
} from '../../../../../core/config/sockaddr/ip-number.ts'

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

it('networks hold what the platform says they hold', () => {
  const check = (family: 'ipv4' | 'ipv6', address: string, prefix: number, other: string): void => {
    const list = new BlockList()
    list.addSubnet(address, prefix, family)
    assert.equal(isWithin(networkOf(address, prefix), other), list.check(other, family))
  }
  const near = (text: string, flips: bigint, family: 4 | 6): string =>
    toText(toNumber(text) ^ flips, family)
  fc.assert(
    fc.property(
      v4,
      fc.integer({ min: 1, max: 32 }),
      fc.bigInt(0n, 2n ** 32n - 1n),
      (a, bits, flips) => {
        check('ipv4', a, bits, near(a, flips >> BigInt(bits), 4))
        check('ipv4', a, bits, near(a, flips, 4))
      },
    ),
  )
  fc.assert(
    fc.property(
      v6,
      fc.integer({ min: 1, max: 128 }),
      fc.bigInt(0n, 2n ** 128n - 1n),
      (a, bits, flips) => {
        check('ipv6', a, bits, near(a, flips >> BigInt(bits), 6))
      },
    ),
  )
})

it('reads networks, and nothing else', () => {
  assert.deepEqual(parseNetwork('10.1.2.3/8'), { family: 4, first: 0x0a000000n, prefix: 8 })
  assert.equal(parseNetwork('10.1.2.3')?.prefix, 32)
  for (const text of ['', '10.0.0.0/33', '10.0.0.0/x', '10.0.0.0/8/9', 'fe80::/129', '10.0.0/8']) {
    assert.equal(parseNetwork(text), undefined, text)
  }
})
