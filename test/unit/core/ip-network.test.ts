/**
 * Networks of IP addresses, against arithmetic on whole numbers.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { formatIp } from '../../../core/dns/ip.ts'
import { isInNetwork, parseIpNetwork } from '../../../core/ip-network.ts'

const bytes = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
)

function numberOf(address: Uint8Array): bigint {
  return address.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)
}

describe('a network of IP addresses', () => {
  it('has an address in it when they begin with the same bits', () => {
    const near = fc.tuple(bytes, fc.nat(128), fc.nat(127))
    fc.assert(
      fc.property(near, ([base, bits, flipped]) => {
        const width = 8 * base.length
        const prefix = Math.min(bits, width)
        const network = parseIpNetwork(`${formatIp(base)}/${prefix}`)
        assert.ok(network !== null)
        assert.ok(isInNetwork(network, formatIp(base)))
        const other = Uint8Array.from(base)
        const at = flipped % width
        other[at >> 3] = (other[at >> 3] ?? 0) ^ (128 >> (at & 7))
        const shift = BigInt(width - prefix)
        const isSame = numberOf(other) >> shift === numberOf(base) >> shift
        assert.equal(isInNetwork(network, formatIp(other)), isSame)
      }),
    )
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
