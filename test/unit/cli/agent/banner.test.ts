/**
 * The banner: Consul's keys for scripts, addresses that can be used as they stand for people.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { formatBanner } from '../../../../cli/agent/banner.ts'
import { decodeDocument } from '../../../../core/config/decode.ts'
import { resolveConfig } from '../../../../core/config/resolve.ts'

function banner(text: string, dev: boolean, colour = false): string {
  const { raw } = decodeDocument(text, 'hcl', 'a.hcl')
  const host = { hostname: 'vm-a', interfaces: [], pathKind: () => 'missing' as const }
  const { config } = resolveConfig(raw, dev, host)
  return formatBanner(
    {
      version: '1.2.3',
      nodeId: 'id-1',
      config,
      ports: {
        http: 18500,
        https: -1,
        dns: 18600,
        grpc: -1,
        grpcTls: -1,
        server: 8300,
        serfLan: -1,
      },
      isGossipEncrypted: false,
      startMs: 123.4,
    },
    colour,
  )
}

it('has aligned keys and usable addresses', () => {
  const text = banner('client_addr = "127.0.0.1 ::1"', true)
  assert.match(text, /^==> Starting Fairlead agent\.\.\.\n/)
  const colons = [...text.matchAll(/^( +[A-Z][A-Za-z ]+):/gm)].slice(0, 10)
  assert.equal(new Set(colons.map((match) => match[1]?.length)).size, 1)
  assert.match(
    text,
    /Client Addr: \[127\.0\.0\.1 ::1\] \(HTTP: 18500, HTTPS: -1, gRPC: -1, gRPC-TLS: -1, DNS: 18600\)/,
  )
  assert.match(
    text,
    /HTTP API +http:\/\/127\.0\.0\.1:18500 +fairlead members -http-addr 127\.0\.0\.1:18500/,
  )
  assert.match(text, /HTTP API +http:\/\/\[::1\]:18500/)
  assert.match(text, /nothing is kept/)
  assert.match(text, /Ready in 123 ms/)
  assert.ok(!text.includes('\u001b'))
})

it('names the data directory outside dev mode', () => {
  assert.match(
    banner('data_dir = "/var/lib/fairlead"', false),
    /State is kept in \/var\/lib\/fairlead\./,
  )
})
