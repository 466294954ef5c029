/**
 * Networks of IP addresses, against arithmetic on whole numbers and the platform's own lists.
 */

import assert from 'node:assert/strict'
import { BlockList } from 'node:net'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { formatIp } from '../../../core/dns/ip.ts'
import { isInNetwork, networkOfOne, parseIpNetwork } from '../../../core/ip-network.ts'

const bytes = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
)

function numberOf(address: Uint8Array): bigint {
  return address.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)
}

/** Its bytes, the length of the prefix, and the bit in which another address differs. */
const near = fc.tuple(bytes, fc.nat(128), fc.nat(127))

function withFlipped(address: Uint8Array, bit: number): Uint8Array {
  const other = Uint8Array.from(address)
  other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (128 >> (bit & 7))
  return other
}

describe('a network of IP addresses', () => {
  it('has an address in it when they begin with the same bits', () => {
    fc.assert(
      fc.property(near, ([base, bits, flipped]) => {
        const width = 8 * base.length
        const prefix = Math.min(bits, width)
        const network = parseIpNetwork(`${formatIp(base)}/${prefix}`)
        assert.ok(network !== null)
        assert.ok(isInNetwork(network, formatIp(base)))
        const other = withFlipped(base, flipped % width)
        const shift = BigInt(width - prefix)
        const isSame = numberOf(other) >> shift === numberOf(base) >> shift
        assert.equal(isInNetwork(network, formatIp(other)), isSame)
      }),
    )
  })

  it('holds what the platform says it holds', () => {
    fc.assert(
      fc.property(near, ([base, bits, flipped]) => {
        const width = 8 * base.length
        // The platform's list knows no network of all addresses.
        const prefix = Math.max(1, Math.min(bits, width))
        const family = base.length === 4 ? 'ipv4' : 'ipv6'
        const list = new BlockList()
        list.addSubnet(formatIp(base), prefix, family)
        const network = parseIpNetwork(`${formatIp(base)}/${prefix}`)
        assert.ok(network !== null)
        const other = formatIp(withFlipped(base, flipped % width))
        assert.equal(isInNetwork(network, other), list.check(other, family))
      }),
    )
  })

  it('of one address holds that one alone', () => {
    const network = networkOfOne('10.0.0.1')
    assert.ok(network !== null)
    assert.ok(isInNetwork(network, '10.0.0.1'))
    assert.ok(!isInNetwork(network, '10.0.0.0'))
    assert.equal(networkOfOne('10.0.0.1/32'), null)
  })

  it('is of one family', () => {
    const all = parseIpNetwork('0.0.0.0/0')
    assert.ok(all !== null)
    assert.ok(isInNetwork(all, '1.2.3.4'))
    assert.ok(!isInNetwork(all, '::1'))
    assert.ok(!isInNetwork(all, 'localhost'))
  })

  it('is not made of anything else', () => {
    for (const text of [
      '',
      '10.0.0.0',
      '10.0.0.0/33',
      '::/129',
      '10.0.0/8',
      'x/8',
      '10.0.0.0/-1',
      '/8',
      '10.0.0.0/8 ',
    ]) {
      assert.equal(parseIpNetwork(text), null, text)
    }
  })
})
