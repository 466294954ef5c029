/**
 * Who may ask the HTTP API what, addresses of a node, and keys of no effect: from a document to the configuration.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decodeDocument } from '../../../../core/config/decode.ts'
import { type HostFacts, resolveConfig } from '../../../../core/config/resolve.ts'

const HOST: HostFacts = {
  hostname: 'vm-a',
  interfaces: [
    { name: 'lo', address: '127.0.0.1', prefix: 8, flags: ['up', 'loopback'], isDefault: false },
    { name: 'eth0', address: '10.0.0.5', prefix: 24, flags: ['up', 'broadcast'], isDefault: true },
  ],
  pathKind: () => 'missing',
}

function resolve(text: string) {
  const decoded = decodeDocument(text, 'hcl', 'a.hcl')
  const resolved = resolveConfig(decoded.raw, false, HOST)
  return {
    config: resolved.config,
    messages: [...decoded.problems, ...resolved.problems].map((problem) => problem.message),
    warnings: [...decoded.warnings, ...resolved.warnings],
  }
}

it('keys of one value have no effect, which is said only for another', () => {
  const { warnings, messages } = resolve(
    'data_dir = "/d"\ndisable_remote_exec = true\nuse_streaming_backend = false\ndisable_host_node_id = "true"',
  )
  assert.deepEqual(messages, [])
  assert.deepEqual(warnings, [
    'use_streaming_backend has no effect (a.hcl:3:25): Agents always follow a stream',
  ])
})

describe('who may ask the HTTP API what', () => {
  it('is read as networks and beginnings of paths', () => {
    const { config, messages } = resolve(`
      data_dir = "/d"
      default_query_time = "10m"
      max_query_time = "1m"
      http_config {
        block_endpoints = ["/v1/agent/leave"]
        allow_write_http_from = ["127.0.0.0/8", "::1/128"]
        max_header_bytes = 4096
        use_cache = false
      }
      disable_http_unprintable_char_filter = true
    `)
    assert.deepEqual(messages, [])
    const { writersFrom, sockets, socketPermissions, useCache, takesUnprintable, ...http } =
      config.http
    assert.deepEqual([sockets, socketPermissions.user], [[], ''])
    assert.deepEqual([useCache, takesUnprintable], [false, true])
    assert.deepEqual(http, {
      queryTimeDefaultMs: 60_000,
      queryTimeMaxMs: 60_000,
      headerBytesMax: 4096,
      blockedEndpoints: ['/v1/agent/leave'],
    })
    assert.deepEqual(
      writersFrom.map(({ base, prefixBits }) => [base.length, prefixBits]),
      [
        [4, 8],
        [16, 128],
      ],
    )
  })

  it('is refused when it would not do what was meant', () => {
    const { messages } = resolve(
      'data_dir = "/d"\nhttp_config { block_endpoints = ["v1"], allow_write_http_from = ["10.0.0.1"] }',
    )
    assert.deepEqual(messages, [
      'http_config.block_endpoints: "v1" is not the beginning of a path',
      'http_config.allow_write_http_from: "10.0.0.1" is not a network',
    ])
  })
})

describe('tagged addresses', () => {
  it('follow the advertise keys, which templates may fill', () => {
    const { config, messages } = resolve(`
      data_dir = "/d"
      advertise_addr_wan = "34.1.2.3"
      advertise_addr_ipv6 = "fd00::1"
      tagged_addresses { virtual = "240.0.0.1" }
      retry_join = ["{{ GetInterfaceIP \\"eth0\\" }}", "other:8301"]
      recursors = ["{{ GetAllInterfaces | join \\"address\\" \\" \\" }}"]
    `)
    assert.deepEqual(messages, [])
    assert.deepEqual(config.taggedAddresses, {
      lan: '10.0.0.5',
      lan_ipv4: '10.0.0.5',
      lan_ipv6: 'fd00::1',
      wan: '34.1.2.3',
      wan_ipv4: '34.1.2.3',
      virtual: '240.0.0.1',
    })
    assert.deepEqual(config.retryJoin, ['10.0.0.5', 'other:8301'])
    assert.deepEqual(config.dns.recursors, ['127.0.0.1', '10.0.0.5'])
    assert.match(
      resolve('data_dir = "/d"\nadvertise_addr_ipv4 = "fd00::1"').messages[0] ?? '',
      /advertise_addr_ipv4 must be an ipv4 address, got "fd00::1"/,
    )
  })
})

it('gossip may have an address of its own', () => {
  const { config, messages } = resolve(
    'data_dir = "/d"\nbind_addr = "10.0.0.5"\nserf_lan = "{{ GetInterfaceIP \\"lo\\" }}"',
  )
  assert.deepEqual(messages, [])
  assert.deepEqual([config.bindAddress, config.gossipAddress], ['10.0.0.5', '127.0.0.1'])
  assert.equal(resolve('data_dir = "/d"\nbind_addr = "10.0.0.5"').config.gossipAddress, '10.0.0.5')
  assert.match(
    resolve('data_dir = "/d"\nserf_lan = "gossip.example"').messages[0] ?? '',
    /^serf_lan must be an ip address, got "gossip\.example"/,
  )
})
