/**
 * Every rule of config entries, by an entry that breaks it and the text a Consul user gets (mesh.md 7).
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { JsonObject } from '../../../../core/catalog/types.ts'
import { configEntryProblem } from '../../../../core/config-entries/rules.ts'

type Case = readonly [text: string | undefined, body: JsonObject]

function check(entryKind: string, name: string, cases: readonly Case[]): void {
  describe(entryKind, () => {
    for (const [text, body] of cases) {
      test(`${text ?? 'good'}: ${JSON.stringify(body).slice(0, 80)}`, () => {
        assert.equal(configEntryProblem({ entryKind, name, body }), text)
      })
    }
  })
}

const upstreams = (...Overrides: JsonObject[]): JsonObject => ({ UpstreamConfig: { Overrides } })

check('service-defaults', 'web', [
  [undefined, { Protocol: 'grpc', MaxInboundConnections: 3, Meta: { a: 'b' } }],
  ['invalid value for protocol: spdy', { Protocol: 'spdy' }],
  ['invalid value for balance_inbound_connections: some', { BalanceInboundConnections: 'some' }],
  [
    'UpstreamConfig and Destination are mutually exclusive for service defaults',
    { Destination: { Addresses: ['a.b'], Port: 1 }, UpstreamConfig: {} },
  ],
  ['error in upstream override for : Name is required', upstreams({})],
  ['error in upstream override for *: Wildcard name is not supported', upstreams({ Name: '*' })],
  [
    'error in upstream defaults: Name must be empty',
    { UpstreamConfig: { Defaults: { Name: 'x' } } },
  ],
  [
    'error in upstream override for db: max connections cannot be negative',
    upstreams({ Name: 'db', Limits: { MaxConnections: -1 } }),
  ],
  [
    'error in upstream override for db: passive health check max_ejection_percent must be a percentage between 0 and 100',
    upstreams({ Name: 'db', PassiveHealthCheck: { MaxEjectionPercent: 101 } }),
  ],
  [undefined, { Destination: { Addresses: ['10.0.0.1', 'api.example.com'], Port: 443 } }],
  ['Destination must contain at least one valid address', { Destination: { Port: 1 } }],
  [
    "Duplicate address 'a.b' is not allowed",
    { Destination: { Addresses: ['a.b', 'a.b'], Port: 1 } },
  ],
  [
    "Destination address '*.b' is invalid: expected an IP or a DNS name",
    { Destination: { Addresses: ['*.b'], Port: 1 } },
  ],
  ['Invalid Port number 0', { Destination: { Addresses: ['a.b'] } }],
])

check('proxy-defaults', 'global', [
  [undefined, { Config: { protocol: 'http' }, AccessLogs: { Enabled: true, Type: 'stderr' } }],
  ['invalid access log type: pipe', { AccessLogs: { Type: 'pipe' } }],
  ['path must be specified when using file type access logs', { AccessLogs: { Type: 'file' } }],
  ['path is only valid for file type access logs', { AccessLogs: { Path: '/x' } }],
  [
    'cannot specify both access log JSONFormat and TextFormat',
    { AccessLogs: { JSONFormat: '{}', TextFormat: 'x' } },
  ],
  [
    "Failover-policy mode must be one of '', 'sequential', or 'order-by-locality'",
    { FailoverPolicy: { Mode: 'x' } },
  ],
])

const route = (http: JsonObject, destination: JsonObject = {}): JsonObject => ({
  Routes: [{ Match: { HTTP: http }, Destination: destination }],
})

check('service-router', 'web', [
  [undefined, {}],
  [undefined, route({ PathPrefix: '/a', Methods: ['get', 'PUT'] }, { PrefixRewrite: '/' })],
  [`Route[0] PathExact doesn't start with '/': "a"`, route({ PathExact: 'a' })],
  [
    'Route[0] should only contain at most one of PathExact, PathPrefix, or PathRegex',
    route({ PathExact: '/a', PathRegex: '/b' }),
  ],
  ['Route[0] Header[0] missing required Name field', route({ Header: [{ Present: true }] })],
  [
    'Route[0] Header[0] should only contain one of Present, Exact, Prefix, Suffix, or Regex',
    route({ Header: [{ Name: 'x', Exact: 'a', Suffix: 'b' }] }),
  ],
  ['Route[0] QueryParam[0] missing required Name field', route({ QueryParam: [{ Exact: 'a' }] })],
  [
    'Route[0] QueryParam[0] should only contain one of Present, Exact, or Regex',
    route({ QueryParam: [{ Name: 'x', Exact: 'a', Regex: 'b' }] }),
  ],
  ['Route[0] Methods contains an invalid method "FETCH"', route({ Methods: ['FETCH'] })],
  ['Route[0] Methods contains "GET" more than once', route({ Methods: ['get', 'GET'] })],
  [
    'Route[0] cannot make use of PrefixRewrite without configuring either PathExact or PathPrefix',
    route({ PathRegex: '/a' }, { PrefixRewrite: '/' }),
  ],
  ['Route[0] contains an invalid retry condition: "5x"', route({}, { RetryOn: ['5x'] })],
])

const splits = (...of: JsonObject[]): JsonObject => ({ Splits: of })

check('service-splitter', 'web', [
  [undefined, splits({ Weight: 99.99 }, { Weight: 0.01, Service: 'b' })],
  [undefined, splits({ Weight: 33.333 }, { Weight: 66.667, ServiceSubset: 'v' })],
  ['no splits configured', {}],
  ['the sum of all split weights must be 100, not 99.9', splits({ Weight: 99.9 })],
  [
    'split destination occurs more than once: service="web", subset="", namespace="default", partition="default"',
    splits({ Weight: 50 }, { Weight: 50, Service: 'web' }),
  ],
])

const v1 = { v1: { Filter: 'Service.Meta.version == v1' } }

check('service-resolver', 'web', [
  [undefined, { Subsets: v1, DefaultSubset: 'v1', Failover: { v1: { Datacenters: ['dc2'] } } }],
  ['DefaultSubset "v9" is not a valid subset', { Subsets: v1, DefaultSubset: 'v9' }],
  [
    'Redirect and Failover cannot both be set',
    { Redirect: { Service: 'a' }, Failover: { '*': { Service: 'b' } } },
  ],
  ['Redirect is empty', { Redirect: {} }],
  ['Redirect.ServiceSubset defined without Redirect.Service', { Redirect: { ServiceSubset: 'x' } }],
  [
    'Redirect.ServiceSubset "v2" is not a valid subset of "web"',
    { Subsets: v1, Redirect: { Service: 'web', ServiceSubset: 'v2' } },
  ],
  [
    'Redirect.Peer cannot be set with Redirect.{ServiceSubset,Datacenter}',
    { Redirect: { Service: 'a', Peer: 'p', Datacenter: 'd' } },
  ],
  ['Bad Failover["v9"]: not a valid subset subset', { Failover: { v9: { Service: 'a' } } }],
  [
    'Bad Failover["*"]: one of Service, ServiceSubset, Namespace, Targets, SamenessGroup, or Datacenters is required',
    { Failover: { '*': {} } },
  ],
  [
    'Bad Failover["*"]: Targets cannot be set with Datacenters',
    { Failover: { '*': { Datacenters: ['d'], Targets: [{ Service: 'a' }] } } },
  ],
  [
    'Bad Failover["*"].Targets[0]: Peer cannot be set with Datacenter',
    { Failover: { '*': { Targets: [{ Peer: 'p', Datacenter: 'd' }] } } },
  ],
  [
    'Bad Failover["*"].Datacenters: found empty datacenter',
    { Failover: { '*': { Datacenters: [''] } } },
  ],
  ["Bad ConnectTimeout '-1s', must be >= 0", { ConnectTimeout: '-1s' }],
  ['Bad LoadBalancer policy: "best" is not supported', { LoadBalancer: { Policy: 'best' } }],
  [
    'Bad LoadBalancer configuration. RingHashConfig specified for incompatible load balancing policy "maglev"',
    { LoadBalancer: { Policy: 'maglev', RingHashConfig: {} } },
  ],
  [
    'Bad LoadBalancer configuration. HashPolicies specified for non-hash-based Policy: "random"',
    { LoadBalancer: { Policy: 'random', HashPolicies: [{ SourceIP: true }] } },
  ],
  [
    'Bad LoadBalancer HashPolicy[0]: a session cookie cannot have an associated TTL',
    {
      LoadBalancer: {
        Policy: 'maglev',
        HashPolicies: [
          { Field: 'cookie', FieldValue: 'c', CookieConfig: { Session: true, TTL: '1s' } },
        ],
      },
    },
  ],
])

test('a filter of a subset is compiled, and its fault is told', () => {
  const body = { Subsets: { v1: { Filter: 'Service.Nope == v1' } } }
  const text = configEntryProblem({ entryKind: 'service-resolver', name: 'web', body })
  assert.match(text ?? '', /^Filter for subset "v1" is not a valid expression: .*Nope/)
})

check('mesh', 'mesh', [
  [undefined, { TLS: { Incoming: { TLSMinVersion: 'TLSv1_2', TLSMaxVersion: 'TLSv1_3' } } }],
  [
    'error in incoming TLS configuration: configuring max version TLSv1_1 less than the configured min version TLSv1_2 is invalid',
    { TLS: { Incoming: { TLSMinVersion: 'TLSv1_2', TLSMaxVersion: 'TLSv1_1' } } },
  ],
])

check('exported-services', 'default', [
  [undefined, { Services: [{ Name: 'web', Consumers: [{ Peer: 'east' }] }] }],
  ['Services[0]: service name cannot be empty', { Services: [{}] }],
  ['Services[0]: must have at least one consumer', { Services: [{ Name: 'a' }] }],
  [
    'Services[0].Consumers[0]: must define at most one of Peer, Partition, or SamenessGroup',
    { Services: [{ Name: 'a', Consumers: [{ Peer: 'p', Partition: 'q' }] }] },
  ],
  [
    'Services[0].Consumers[0]: exporting to all peers (wildcard) is not supported',
    { Services: [{ Name: 'a', Consumers: [{ Peer: '*' }] }] },
  ],
])

const listener = (more: JsonObject): JsonObject => ({ Listeners: [{ Port: 80, ...more }] })

check('ingress-gateway', 'in', [
  [undefined, listener({ Protocol: 'http', Services: [{ Name: 'a' }, { Name: 'b' }] })],
  [
    "protocol must be 'tcp', 'http', 'http2', or 'grpc'. 'udp' is an unsupported protocol",
    listener({ Protocol: 'udp', Services: [{ Name: 'a' }] }),
  ],
  ['No service declared for listener with port 80', listener({})],
  [
    "Multiple services per listener are only supported for L7 protocols, 'http', 'grpc' and 'http2' (listener on port 80)",
    listener({ Services: [{ Name: 'a' }, { Name: 'b' }] }),
  ],
  [
    "Wildcard service name is only valid for protocol = 'http' (listener on port 80)",
    listener({ Services: [{ Name: '*' }] }),
  ],
  [
    'Host "a.*.b" is not valid, a wildcard specifier is only allowed as the leftmost label',
    listener({ Protocol: 'http', Services: [{ Name: 'a', Hosts: ['a.*.b'] }] }),
  ],
  [
    "Host '*' is not allowed when TLS is enabled, all hosts must be valid DNS records to add as a DNSSAN",
    {
      TLS: { Enabled: true },
      ...listener({ Protocol: 'http', Services: [{ Name: 'a', Hosts: ['*'] }] }),
    },
  ],
  [
    'port 80 declared on two listeners',
    {
      Listeners: [
        { Port: 80, Services: [{ Name: 'a' }] },
        { Port: 80, Services: [{ Name: 'b' }] },
      ],
    },
  ],
])

check('terminating-gateway', 'out', [
  [undefined, { Services: [{ Name: 'a', CAFile: '/ca' }, { Name: '*' }] }],
  ['Service name cannot be blank.', { Services: [{}] }],
  [
    'Service "a" must have a CertFile, CAFile, and KeyFile specified for TLS origination',
    { Services: [{ Name: 'a', CertFile: '/c' }] },
  ],
  [
    'Service "a" was specified more than once within a namespace',
    { Services: [{ Name: 'a' }, { Name: 'a' }] },
  ],
])

check('api-gateway', 'api', [
  [
    undefined,
    { Listeners: [{ Name: 'l', Port: 80, Protocol: 'http', Hostname: '*.example.com' }] },
  ],
  ['api gateway must have at least one listener', {}],
  [
    'hostname specification is not supported when using TCP',
    { Listeners: [{ Name: 'l', Port: 80, Protocol: 'tcp', Hostname: 'a.b' }] },
  ],
  [
    'listeners "a" and "b" cannot be merged',
    {
      Listeners: [
        { Name: 'a', Port: 80, Protocol: 'http' },
        { Name: 'b', Port: 80, Protocol: 'tcp' },
      ],
    },
  ],
])

check('tcp-route', 'r', [
  ['tcp-route currently only supports one service', { Services: [{ Name: 'a' }, { Name: 'b' }] }],
])

const keys = (more: JsonObject): JsonObject => ({ JSONWebKeySet: more })

check('jwt-provider', 'idp', [
  [undefined, keys({ Local: { JWKS: 'e30=' } })],
  [undefined, keys({ Remote: { URI: 'https://idp.example.com/keys' } })],
  ['JSONWebKeySet is required', {}],
  ['must specify exactly one of Local or Remote JSON Web key set', keys({})],
  ['must specify exactly one of String or filename for local keyset', keys({ Local: {} })],
  ['JWKS must be valid base64 encoded string', keys({ Local: { JWKS: '{}' } })],
  ['Remote JWKS URI is required', keys({ Remote: {} })],
  [
    'must set exactly one of: JWT location header, query param or cookie',
    { ...keys({ Local: { JWKS: 'e30=' } }), Locations: [{}] },
  ],
  [
    'Header name required for forwarding config',
    { ...keys({ Local: { JWKS: 'e30=' } }), Forwarding: {} },
  ],
])

test('names', () => {
  const problem = (entryKind: string, name: string): string | undefined =>
    configEntryProblem({ entryKind, name, body: {} })
  assert.equal(problem('service-defaults', ''), 'Name is required')
  assert.equal(
    problem('service-defaults', '*'),
    'service-defaults name must be the name of a service, and not a wildcard',
  )
  assert.equal(
    problem('proxy-defaults', 'mine'),
    'invalid name ("mine"), only "global" is supported',
  )
})
