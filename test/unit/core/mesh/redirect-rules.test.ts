/**
 * Rules of the packet filter for transparent access: text from options (mesh.md 13.1).
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type RedirectOptions,
  redirectedRange,
  redirectRules,
  undoRules,
} from '../../../../core/mesh/redirect-rules.ts'

function options(overrides: Partial<RedirectOptions> = {}): RedirectOptions {
  return {
    proxyUid: 900,
    inboundPort: 21_000,
    outboundPort: 15_001,
    loopbackBase: '127.128.0.0',
    manualAddresses: [],
    excludeInboundPorts: [],
    excludeOutboundPorts: [],
    excludeOutboundCidrs: [],
    excludeUids: [],
    dns: undefined,
    meshDestinationsOnly: false,
    ...overrides,
  }
}

test('take as many virtual addresses as the loopback range has free bits', () => {
  assert.equal(redirectedRange('127.128.0.0'), '240.0.0.0/9')
  assert.equal(redirectedRange('127.200.0.0'), '240.0.0.0/13')
  assert.equal(redirectedRange('127.131.7.0'), '240.0.0.0/24')
  assert.match(
    redirectRules(options({ loopbackBase: '127.131.7.0' })),
    /& 0\.0\.0\.255 \| 127\.131\.7\.0:15001/,
  )
})

test('replace the table that was there, and undo is taking it away', () => {
  assert.ok(redirectRules(options()).startsWith(undoRules()))
  assert.deepEqual(undoRules().split('\n'), [
    'table inet fairlead_redirect',
    'delete table inet fairlead_redirect',
    '',
  ])
})

test('leave the proxy alone before anything else, DNS included', () => {
  const rules = redirectRules(
    options({ excludeUids: [7, 900, 7], dns: { ip: '10.0.0.2', port: undefined } }),
  )
  const lines = rules.split('\n').map((line) => line.trim())
  const first = lines.indexOf('meta skuid { 7, 900 } return')
  const dns = lines.indexOf('meta nfproto ipv4 udp dport 53 dnat ip to 10.0.0.2')
  assert.ok(first > 0 && dns > first, rules)
})

test('send a manual address to where its service listens', () => {
  const manualAddresses = [
    { address: '10.96.0.10', virtualIp: '240.0.1.5' },
    { address: '9.96.0.2', virtualIp: '240.0.0.2' },
  ]
  const found = redirectRules(options({ manualAddresses })).match(/ip daddr \S+ .* to 127\S+$/gm)
  assert.deepEqual(
    found?.map((line) => line.replace(/ tcp.* to /, ' ')),
    ['ip daddr 9.96.0.2 127.128.0.2:15001', 'ip daddr 10.96.0.10 127.128.1.5:15001'],
  )
})

test('keep excluded ports and networks of both families, and do without what is not asked for', () => {
  const bare = redirectRules(options())
  for (const word of ['tcp dport 53', 'mesh_only', 'ip6 daddr']) assert.ok(!bare.includes(word))
  const rules = redirectRules(
    options({
      excludeOutboundCidrs: ['fd00::/8', '10.0.0.0/8'],
      excludeOutboundPorts: [5432],
      excludeInboundPorts: [22],
      meshDestinationsOnly: true,
      dns: { ip: '::1', port: 8600 },
    }),
  )
  for (const line of [
    'ip daddr { 10.0.0.0/8 } return',
    'ip6 daddr { fd00::/8 } return',
    'tcp dport { 5432 } return',
    'tcp dport { 22, 21000 } return',
    'ip6 daddr ::1 tcp dport 53 dnat ip6 to [::1]:8600',
    'reject with tcp reset',
  ]) {
    assert.ok(rules.includes(line), line)
  }
})
