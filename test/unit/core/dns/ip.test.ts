/**
 * IP addresses as text, hex labels and reverse names.
 */

import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { formatIp, ipFromHex, ipFromReverse, ipToHex, parseIp } from '../../../../core/dns/ip.ts'

describe('parseIp', () => {
  it('accepts exactly what the platform calls an IP address', () => {
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.stringMatching(/^[0-9a-f:.]{0,20}$/),
      fc.stringMatching(/^(::|[0-9a-f]{1,5}|:|\.|[0-9]{1,3}){1,9}$/),
    )
    fc.assert(
      fc.property(text, (candidate) => {
        assert.equal(parseIp(candidate) !== null, isIP(candidate) !== 0, candidate)
      }),
      { numRuns: 3000 },
    )
  })

  it('refuses zones, leading zeros and junk', () => {
    for (const text of [
      'fe80::1%eth0',
      '010.0.0.1',
      '1.2.3',
      '1.2.3.4.5',
      '1.2.3.256',
      '',
      'web',
    ]) {
      assert.equal(parseIp(text), null, text)
    }
  })

  it('round-trips through text and hex', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const bytes = parseIp(text)
        assert.ok(bytes !== null)
        assert.deepEqual(parseIp(formatIp(bytes)), bytes)
        assert.deepEqual(ipFromHex(ipToHex(bytes)), bytes)
      }),
    )
    assert.equal(formatIp(parseIp('2001:db8:0:0:1:0:0:1') as Uint8Array), '2001:db8::1:0:0:1')
    assert.equal(formatIp(parseIp('::') as Uint8Array), '::')
  })
})

describe('ipFromReverse', () => {
  it('reads both reverse trees', () => {
    const v4 = ipFromReverse('5.0.0.10.in-addr'.split('.'))
    assert.equal(formatIp(v4 as Uint8Array), '10.0.0.5')
    const nibbles = '20010db8000000000000000000000001'.split('').reverse()
    const v6 = ipFromReverse([...nibbles, 'ip6'])
    assert.equal(formatIp(v6 as Uint8Array), '2001:db8::1')
  })

  it('is null for anything else', () => {
    for (const name of ['0.0.10.in-addr', '5.0.0.10.ip6', 'in-addr', '', 'x.0.0.10.in-addr']) {
      assert.equal(ipFromReverse(name.split('.')), null, name)
    }
  })
})
