/**
 * Parsers of text that users and clients write: configuration, filters, URLs, durations, certificate requests.
 */

import { cleanPath, decodePercent, isPrintable } from '../../../agent/http/path.ts'
import { parseQuery } from '../../../agent/http/query.ts'
import { cipherSuites } from '../../../core/config/cipher-suites.ts'
import { decodeDocument } from '../../../core/config/decode.ts'
import { parseDuration } from '../../../core/duration.ts'
import { FairleadError } from '../../../core/errors.ts'
import { compileFilter } from '../../../core/filter/compile.ts'
import { HEALTH_ENTRY_SCHEMA } from '../../../core/filter/schemas.ts'
import { readJoinTicket } from '../../../core/join/join-token.ts'
import type { Rng } from '../../../core/rng.ts'
import { pemBlocks } from '../../../runtime/pki/pem.ts'
import { type FuzzTarget, never } from '../target.ts'

const HCL = `node_name = "a" # comment
ports { http = 8500, dns = -1 }
service { name = "web" tags = ["a", "b"] checks = [{ http = "http://a/\${x}", interval = "10s" }] }
/* block */ acl = { tokens { default = <<EOT
text
EOT
} }
`
const JSON_TEXT =
  '{"node_name":"a","ports":{"http":8500},"services":[{"name":"w","meta":{"a":"\\u00e9"}}]}'
const FILTERS = [
  'Service.Service == "web" and not (Node.Meta["a"] != `x` or "v1" in Service.Tags)',
  'Checks.Status is not empty',
  'Service.Meta.version matches "^1\\\\.[0-9]+$"',
]

const TICKET = JSON.stringify([
  ['10.0.0.5:8300'],
  'server.dc1.consul',
  'p'.repeat(43),
  's'.repeat(43),
])

function text(
  name: string,
  valid: (rng: Rng) => string,
  parse: (text: string) => unknown,
  isDeclared: (thrown: unknown) => boolean = never,
): FuzzTarget {
  return {
    name,
    valid: (rng) => Buffer.from(valid(rng)),
    decode: (bytes) => {
      parse(Buffer.from(bytes).toString('utf8'))
      return undefined
    },
    isDeclared,
  }
}

export const TEXT_TARGETS: readonly FuzzTarget[] = [
  text(
    'HCL configuration',
    () => HCL,
    (input) => decodeDocument(input, 'hcl', 'a.hcl'),
  ),
  text(
    'JSON configuration',
    () => JSON_TEXT,
    (input) => decodeDocument(input, 'json', 'a.json'),
  ),
  text(
    'filter expression',
    (rng) => rng.pick(FILTERS) ?? '',
    (input) => {
      const compiled = compileFilter(input, HEALTH_ENTRY_SCHEMA)
      if (compiled.ok) compiled.matches({ Service: { Service: 'web', Tags: ['v1'] }, Checks: [] })
    },
  ),
  text(
    'path of a request',
    () => '/v1/kv/a%2Fb//./../c',
    (input) => {
      decodePercent(input, 'reject')
      isPrintable(input)
      cleanPath(`/${input}`)
    },
  ),
  text('query string', () => 'dc=dc1&index=5&wait=10s&filter=a+%3D%3D+b&near=_agent', parseQuery),
  text('duration', () => '1h2m3.5s4ms', parseDuration),
  text(
    'PEM',
    () =>
      '-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIBATAKBggqhkjOPQQDAjAA\n-----END CERTIFICATE-----\n',
    pemBlocks,
    (thrown) => thrown instanceof FairleadError,
  ),
  text(
    'join token',
    () => `flj1_${Buffer.from(TICKET).toString('base64url')}`,
    (input) => readJoinTicket(input, (coded) => Buffer.from(coded, 'base64url').toString()),
    (thrown) => thrown instanceof FairleadError,
  ),
  text(
    'what a join token says',
    () => TICKET,
    (input) => readJoinTicket('flj1_', () => input),
    (thrown) => thrown instanceof FairleadError,
  ),
  text(
    'cipher suites',
    () => 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_RSA_WITH_RC4_128_SHA',
    cipherSuites,
  ),
]
