/**
 * Address templates: sources, filters, attributes, and what is said when one is wrong.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { HostInterface } from '../../../../../core/config/sockaddr/host-interface.ts'
import { expandTemplate } from '../../../../../core/config/sockaddr/template.ts'

function host(name: string, cidr: string, ...flags: readonly string[]): HostInterface {
  const [address = '', prefix] = cidr.split('/')
  return {
    name,
    address,
    prefix: Number(prefix),
    flags: ['up', ...flags],
    isDefault: name === 'eth0',
  }
}

/** As a VM with a private and a public leg, a bridge and IPv6 has them; the default route first. */
const HOST: readonly HostInterface[] = [
  host('eth0', '10.1.2.3/24', 'broadcast', 'multicast'),
  host('eth0', 'fd00::5/64', 'broadcast', 'multicast'),
  host('eth0', 'fe80::1/64', 'broadcast', 'multicast'),
  host('lo', '127.0.0.1/8', 'loopback'),
  host('lo', '::1/128', 'loopback'),
  host('eth1', '198.18.0.9/15', 'broadcast'),
  host('eth1', '34.12.13.14/26', 'broadcast'),
  host('eth1', '2a01:4f8::7/64', 'broadcast'),
  host('docker0', '172.17.0.1/16', 'broadcast'),
]

function expand(text: string, interfaces: readonly HostInterface[] = HOST): string {
  const result = expandTemplate(text, interfaces)
  return result.ok ? result.text : `! ${result.message}`
}

describe('address templates', () => {
  const cases: readonly (readonly [template: string, expected: string])[] = [
    ['10.0.0.1', '10.0.0.1'],
    ['127.0.0.1 {{ GetPrivateIP }}', '127.0.0.1 10.1.2.3'],
    ['{{GetPrivateIP}}', '10.1.2.3'],
    ['{{ GetPrivateIPs }}', '10.1.2.3 fd00::5 198.18.0.9 172.17.0.1'],
    ['{{ GetPublicIP }}', '34.12.13.14'],
    ['{{ GetPublicIPs }}', '34.12.13.14 2a01:4f8::7'],
    ['{{ GetInterfaceIP "eth1" }}', '198.18.0.9'],
    ['{{ GetInterfaceIP `eth0` }}:8301', '10.1.2.3:8301'],
    ['{{ GetInterfaceIPs "eth0" }}', '10.1.2.3 fd00::5 fe80::1'],
    ['{{ GetInterfaceIP "lo" }}', '127.0.0.1'],
    [
      '{{ GetPrivateInterfaces | include "network" "172.16.0.0/12" | attr "address" }}',
      '172.17.0.1',
    ],
    ['{{ GetPrivateInterfaces | exclude "name" "^eth" | join "address" " " }}', '172.17.0.1'],
    [
      '{{ GetAllInterfaces | include "name" "^eth" | include "flags" "forwardable|up" | attr "address" }}',
      '10.1.2.3',
    ],
    ['{{ GetDefaultInterfaces | exclude "type" "ipv6" | join "address" " " }}', '10.1.2.3'],
    [
      '{{ GetDefaultInterfaces | include "type" "IPv6" | exclude "rfc" "4291" | attr "address" }}',
      'fd00::5',
    ],
    ['{{ GetPublicInterfaces | include "size" "26" | attr "string" }}', '34.12.13.14/26'],
    [
      '{{ GetAllInterfaces | include "rfc" "1918|6598" | sort "-address" | join "address" "," }}',
      '172.17.0.1,10.1.2.3',
    ],
    [
      '{{ GetAllInterfaces | include "type" "IPv4" | sort "name,-address" | join "name" "," }}',
      'docker0,eth0,eth1,eth1,lo',
    ],
    ['{{ GetAllInterfaces | sort "type,size" | attr "address" }}', '34.12.13.14'],
    ['{{ GetAllInterfaces | unique "name" | join "name" " " }}', 'eth0 lo eth1 docker0'],
    [
      '{{ GetAllInterfaces | include "type" "IPv4" | limit 2 | join "address" " " }}',
      '10.1.2.3 127.0.0.1',
    ],
    ['{{ GetAllInterfaces | offset 8 | attr "name" }}', 'docker0'],
    ['{{ GetAllInterfaces | offset -1 | attr "name" }}', 'docker0'],
    [
      '{{ GetAllInterfaces | include "flag" "loopback" | include "type" "ipv4" | attr "network" }}',
      '127.0.0.0/8',
    ],
    [
      '{{ GetInterfaceIP "eth0" }} {{ GetAllInterfaces | include "name" "eth1" | limit 1 | attr "flags" }}',
      '10.1.2.3 up|broadcast',
    ],
    ['{{ GetPrivateInterfaces | limit 1 | math "address" "+5" | attr "address" }}', '10.1.2.8'],
    ['{{ GetPrivateInterfaces | limit 1 | math "network" "+1" | attr "address" }}', '10.1.2.1'],
    ['{{ GetPrivateInterfaces | limit 1 | math "network" "-2" | attr "address" }}', '10.1.2.254'],
    ['{{ GetPrivateInterfaces | limit 1 | math "mask" "16" | attr "string" }}', '10.1.0.0/16'],
    ['{{ GetAllInterfaces | include "name" "no-such" | attr "address" }}', ''],
    ['{{ GetAllInterfaces | include "flags" "loopback|multicast" | attr "name" }}', ''],
    ['{{ GetAllInterfaces | include "flags" "up|loopback" | attr "name" }}', 'lo'],
    ['{{ GetAllInterfaces | include "name" "no-such" }}', ''],
  ]
  for (const [template, expected] of cases) {
    it(`${template} is "${expected}"`, () => {
      assert.equal(expand(template), expected)
    })
  }

  it('tell everything about an address', () => {
    const read = (address: string, name: string): string =>
      expand(`{{ GetAllInterfaces | include "address" "^${address}$" | attr "${name}" }}`)
    const eth1 = '34.12.13.14'
    assert.equal(read(eth1, 'netmask'), '255.255.255.192')
    assert.equal(read(eth1, 'mask_bits'), '26')
    assert.equal(read(eth1, 'network'), '34.12.13.0/26')
    assert.equal(read(eth1, 'broadcast'), '34.12.13.63')
    assert.equal(read(eth1, 'first_usable'), '34.12.13.1')
    assert.equal(read(eth1, 'last_usable'), '34.12.13.62')
    assert.equal(read(eth1, 'size'), '64')
    assert.equal(read(eth1, 'octets'), '34 12 13 14')
    assert.equal(read(eth1, 'hex'), '220c0d0e')
    assert.equal(read(eth1, 'uint32'), '571215118')
    assert.equal(read(eth1, 'type'), 'IPv4')
    assert.equal(read('fd00::5', 'hex'), 'fd000000000000000000000000000005')
    assert.equal(read('fd00::5', 'network'), 'fd00::/64')
    assert.equal(read('fd00::5', 'last_usable'), 'fd00::ffff:ffff:ffff:ffff')
    assert.equal(read('fd00::5', 'netmask'), 'ffff:ffff:ffff:ffff::')
    assert.equal(read('::1', 'size'), '1')
  })

  const wrong: readonly (readonly [template: string, message: RegExp])[] = [
    ['{{ GetPrivateIP', /^! unclosed "\{\{"$/],
    ['{{ }}', /expected the name of a function/],
    ['{{ "eth0" }}', /expected the name of a function/],
    ['{{ GetNothing }}', /the function GetNothing is not supported in "\{\{ GetNothing \}\}"/],
    ['{{ GetInterfaceIP }}', /needs the name of an interface in quotes/],
    [
      '{{ GetInterfaceIP "eth9" }}',
      /there is no interface "eth9" \(there are: eth0, lo, eth1, docker0\)/,
    ],
    ['{{ GetAllInterfaces }}', /ends in addresses, not in a text; add \| attr "address"/],
    ['{{ GetAllInterfaces | first }}', /the filter first is not supported \(there are: attr, /],
    [
      '{{ GetAllInterfaces | include "colour" "red" | attr "address" }}',
      /there is no selector "colour"/,
    ],
    [
      '{{ GetAllInterfaces | include "flags" "shiny" | attr "address" }}',
      /there is no flag "shiny"/,
    ],
    ['{{ GetAllInterfaces | include "network" "10" | attr "address" }}', /"10" is no network/],
    ['{{ GetAllInterfaces | include "rfc" "1" | attr "address" }}', /no blocks of RFC 1 are known/],
    [
      '{{ GetAllInterfaces | include "name" "(" | attr "address" }}',
      /Failed to compile regular expression/,
    ],
    [
      '{{ GetAllInterfaces | include "name" | attr "address" }}',
      /include takes 2 parameters, got 1/,
    ],
    ['{{ GetAllInterfaces | sort "age" | attr "address" }}', /cannot sort by "age"/],
    [
      '{{ GetAllInterfaces | attr "colour" }}',
      /there is no attribute "colour" \(there are: address, /,
    ],
    ['{{ GetPrivateIP | attr "address" }}', /takes addresses, but what stands before it is a text/],
    ['{{ GetAllInterfaces | limit -1 | attr "address" }}', /limit takes a whole number, got "-1"/],
    ['{{ GetAllInterfaces | math "address" "5" | attr "address" }}', /takes a number with a sign/],
    ['{{ GetAllInterfaces | math "mask" "99" | attr "address" }}', /math "mask" takes 0 to 32/],
    ['{{ GetAllInterfaces ( | attr "address" }}', /unexpected "\(/],
  ]
  for (const [template, message] of wrong) {
    it(`${template} is refused`, () => {
      assert.match(expand(template), message)
    })
  }

  it('never throw, whatever is written', () => {
    const piece = fc.constantFrom(
      '{{',
      '}}',
      '|',
      '"',
      '`',
      ' ',
      'GetAllInterfaces',
      'GetPrivateIP',
      'include',
      'exclude',
      'sort',
      'math',
      'attr',
      'join',
      'limit',
      'offset',
      'unique',
      '"address"',
      '"name"',
      '"network"',
      '"+1"',
      '"10.0.0.0/8"',
      '3',
      '\\',
    )
    const text = fc
      .array(fc.oneof(piece, fc.string()), { maxLength: 20 })
      .map((parts) => parts.join(' '))
    fc.assert(
      fc.property(text, (written) => {
        assert.ok('ok' in expandTemplate(written, HOST))
      }),
    )
  })
})
