/**
 * Requests that every writing route of the HTTP API accepts, with most of the fields it knows: what is damaged.
 *
 * Guarantees (by http-api.test.ts): each is accepted by an agent to which PREPARATIONS were sent, and every route that
 * writes has one. None leaves the agent, waits, or makes it dial another host.
 */

import type { Json } from '../../../core/catalog/types.ts'

export interface Specimen {
  readonly method: 'PUT' | 'POST' | 'DELETE'
  /** With the query. */
  readonly path: string
  /** Text is a body that is not JSON. */
  readonly body?: Json
}

const put = (path: string, body: Json): Specimen => ({ method: 'PUT', path, body })
const post = (path: string, body: Json): Specimen => ({ method: 'POST', path, body })
const remove = (path: string): Specimen => ({ method: 'DELETE', path, body: '' })

const CHECK: Json = {
  CheckID: 'web-extra',
  Name: 'Extra',
  Notes: 'n',
  TTL: '1h',
  Status: 'passing',
  SuccessBeforePassing: 2,
  FailuresBeforeCritical: 3,
  DeregisterCriticalServiceAfter: '10h',
  OutputMaxSize: 100,
}

const HTTP_CHECK: Json = {
  HTTP: 'http://127.0.0.1:1/health',
  Method: 'POST',
  Header: { 'X-One': ['a', 'b'] },
  Body: 'b',
  Interval: '1h',
  Timeout: '1s',
  TLSSkipVerify: true,
  TLSServerName: 's',
  DisableRedirects: true,
}

const SERVICE: Json = {
  ID: 'web-1',
  Name: 'web',
  Tags: ['v1', 'v2'],
  Meta: { team: 'shop' },
  Port: 8080,
  Address: '127.0.0.1',
  TaggedAddresses: { lan: { Address: '127.0.0.1', Port: 80 } },
  Weights: { Passing: 2, Warning: 1 },
  EnableTagOverride: true,
  Locality: { Region: 'r', Zone: 'z' },
  Checks: [CHECK, HTTP_CHECK],
  Connect: {
    SidecarService: {
      Port: 21_010,
      Proxy: {
        Config: { handshake_timeout_ms: 1000, nested: { deep: [1, 'a', null] } },
        Upstreams: [
          { DestinationName: 'db', LocalBindPort: 9191, Config: { protocol: 'tcp' } },
          { DestinationType: 'prepared_query', DestinationName: 'q', LocalBindPort: 9192 },
        ],
        MeshGateway: { Mode: 'local' },
        Expose: { Checks: true, Paths: [{ Path: '/h', LocalPathPort: 1, ListenerPort: 2 }] },
        TransparentProxy: { OutboundListenerPort: 22_001, DialedDirectly: true },
      },
    },
  },
}

const REGISTRATION: Json = {
  Datacenter: 'dc1',
  ID: '11111111-2222-3333-4444-555555555555',
  Node: 'external',
  Address: '192.0.2.10',
  TaggedAddresses: { lan: '192.0.2.10', wan: '198.51.100.10' },
  NodeMeta: { rack: 'r1' },
  Service: {
    ID: 'db-1',
    Service: 'db',
    Tags: ['main'],
    Meta: { k: 'v' },
    Address: '192.0.2.10',
    Port: 5432,
    Weights: { Passing: 1, Warning: 1 },
  },
  Checks: [
    {
      Node: 'external',
      CheckID: 'db-1:alive',
      Name: 'alive',
      Status: 'passing',
      ServiceID: 'db-1',
      Definition: { HTTP: 'http://127.0.0.1:1', Interval: '10s', Timeout: '1s' },
    },
  ],
  SkipNodeUpdate: false,
}

const ENTRIES: readonly Json[] = [
  {
    Kind: 'service-defaults',
    Name: 'web',
    Protocol: 'http',
    MaxInboundConnections: 10,
    LocalConnectTimeoutMs: 100,
    MeshGateway: { Mode: 'none' },
    UpstreamConfig: {
      Overrides: [{ Name: 'db', ConnectTimeoutMs: 10, Limits: { MaxConnections: 5 } }],
      Defaults: { PassiveHealthCheck: { Interval: '10s', MaxFailures: 3 } },
    },
    Meta: { a: 'b' },
  },
  { Kind: 'proxy-defaults', Name: 'global', Config: { protocol: 'http', n: 1.5, list: [1, '2'] } },
  {
    Kind: 'service-resolver',
    Name: 'web',
    DefaultSubset: 'v1',
    Subsets: { v1: { Filter: 'Service.Meta.version == v1', OnlyPassing: true } },
    ConnectTimeout: '5s',
    LoadBalancer: {
      Policy: 'ring_hash',
      RingHashConfig: { MinimumRingSize: 10, MaximumRingSize: 20 },
      HashPolicies: [{ Field: 'header', FieldValue: 'x-user', Terminal: true }],
    },
  },
  {
    Kind: 'service-intentions',
    Name: 'api',
    Sources: [
      { Name: 'web', Action: 'allow', Description: 'd' },
      { Name: '*', Action: 'deny' },
    ],
  },
  {
    Kind: 'service-splitter',
    Name: 'web',
    Splits: [
      { Weight: 90, ServiceSubset: 'v1', RequestHeaders: { Set: { 'x-a': '1' } } },
      { Weight: 10, Service: 'other' },
    ],
  },
  {
    Kind: 'service-router',
    Name: 'web',
    Routes: [
      {
        Match: {
          HTTP: { PathPrefix: '/a', Methods: ['GET'], Header: [{ Name: 'x', Exact: 'y' }] },
        },
        Destination: { Service: 'other', RequestTimeout: '1s', NumRetries: 2, PrefixRewrite: '/' },
      },
    ],
  },
]

const INTENTION: Json = {
  SourceName: 'web',
  DestinationName: 'db',
  SourceType: 'consul',
  Action: 'allow',
  Description: 'd',
  Meta: { a: 'b' },
}

const COORDINATE: Json = { Vec: [0, 0, 0, 0, 0, 0, 0, 0], Error: 1.5, Adjustment: 0, Height: 1e-5 }

const QUERY = {
  Session: '',
  Token: '',
  Service: {
    Service: 'web',
    Failover: { NearestN: 0, Datacenters: ['dc1'] },
    OnlyPassing: true,
    Near: '_agent',
    Tags: ['v1', '!v3'],
    NodeMeta: { rack: 'r1' },
    ServiceMeta: { team: 'shop' },
    IgnoreCheckIDs: ['none'],
    Connect: false,
  },
  DNS: { TTL: '10s' },
}

/** Makes what the specimens name. */
export const PREPARATIONS: readonly Specimen[] = [
  put('/v1/agent/service/register', SERVICE),
  put('/v1/catalog/register', REGISTRATION),
  ...ENTRIES.slice(0, 2).map((entry) => put('/v1/config', entry)),
  put('/v1/config', { Kind: 'service-defaults', Name: 'other', Protocol: 'http' }),
  put('/v1/kv/fuzz/a', 'value'),
  put('/v1/kv/fuzz/b?flags=42', 'value'),
]

/** What exists in the agent that the specimens are sent to. */
export interface Existing {
  readonly session: string
  readonly query: string
  readonly policy: string
  readonly role: string
  readonly rule: string
  /** Of the key fuzz/a. */
  readonly index: number
}

export function corpus(existing: Existing): readonly Specimen[] {
  const { session, query, index } = existing
  const nodeCheck: Json = { ID: 'disk', Name: 'disk', TTL: '1h' }
  const aliasCheck: Json = { Name: 'alias', AliasService: 'web-1', ServiceID: 'web-1' }
  return [
    put('/v1/agent/service/register?replace-existing-checks=true', SERVICE),
    put('/v1/agent/service/register', { Name: 'bare' }),
    put('/v1/agent/service/maintenance/web-1?enable=true&reason=r', ''),
    put('/v1/agent/maintenance?enable=false', ''),
    put('/v1/agent/check/register', nodeCheck),
    put('/v1/agent/check/register', aliasCheck),
    put('/v1/agent/check/pass/web-extra?note=n', ''),
    put('/v1/agent/check/warn/web-extra', ''),
    put('/v1/agent/check/fail/web-extra', ''),
    put('/v1/agent/check/update/web-extra', { Status: 'warning', Output: 'o' }),
    put('/v1/catalog/register', REGISTRATION),
    put('/v1/catalog/deregister', { Node: 'external', CheckID: 'none', Datacenter: 'dc1' }),
    put('/v1/coordinate/update', { Node: 'external', Segment: '', Coord: COORDINATE }),
    put('/v1/kv/fuzz/a?flags=7', 'text'),
    put(`/v1/kv/fuzz/a?cas=${index}`, 'text'),
    put(`/v1/kv/fuzz/lock?acquire=${session}`, 'text'),
    put(`/v1/kv/fuzz/lock?release=${session}`, 'text'),
    remove('/v1/kv/fuzz/b?cas=1'),
    remove('/v1/kv/fuzz/none?recurse'),
    ...ENTRIES.map((entry) => put('/v1/config', entry)),
    put('/v1/config?cas=1', { Kind: 'service-defaults', Name: 'other', Protocol: 'tcp' }),
    remove('/v1/config/service-defaults/none'),
    post('/v1/discovery-chain/web?compile-dc=dc1', {
      OverrideProtocol: 'http',
      OverrideConnectTimeout: '7s',
      OverrideMeshGateway: { Mode: 'local' },
    }),
    put('/v1/connect/ca/configuration', {
      Provider: 'consul',
      Config: { LeafCertTTL: '72h', IntermediateCertTTL: '8760h' },
    }),
    post('/v1/agent/connect/authorize', {
      Target: 'db',
      ClientCertURI:
        'spiffe://11111111-2222-3333-4444-555555555555.consul/ns/default/dc/dc1/svc/web',
      ClientCertSerial: '01:02',
    }),
    post('/v1/connect/intentions', INTENTION),
    put('/v1/connect/intentions/exact?source=web&destination=db', { Action: 'deny' }),
    put('/v1/connect/intentions/exact?source=web&destination=other', {
      Permissions: [{ Action: 'allow', HTTP: { PathPrefix: '/', Methods: ['GET'] } }],
    }),
    remove('/v1/connect/intentions/exact?source=none&destination=none'),
    put('/v1/session/create', {
      Name: 's',
      Node: 'n1',
      LockDelay: '5s',
      TTL: '1h',
      Behavior: 'delete',
      NodeChecks: [],
      ServiceChecks: [],
    }),
    put(`/v1/session/renew/${session}`, ''),
    put('/v1/session/destroy/99999999-2222-3333-4444-555555555555', ''),
    put('/v1/txn', [
      { KV: { Verb: 'set', Key: 'fuzz/t', Value: 'dGV4dA==', Flags: 3 } },
      { KV: { Verb: 'get-tree', Key: 'fuzz/' } },
      { KV: { Verb: 'lock', Key: 'fuzz/l', Value: 'dGV4dA==', Session: session } },
      { KV: { Verb: 'check-session', Key: 'fuzz/l', Session: session } },
      { KV: { Verb: 'delete-cas', Key: 'fuzz/none', Index: 0 } },
      { Node: { Verb: 'set', Node: { Node: 'other', Address: '192.0.2.11', Meta: { a: 'b' } } } },
      { Service: { Verb: 'set', Node: 'other', Service: { ID: 's-1', Service: 's', Port: 1 } } },
      {
        Check: {
          Verb: 'set',
          Check: { Node: 'other', CheckID: 'c-1', Name: 'c', Status: 'warning' },
        },
      },
      { Check: { Verb: 'delete', Check: { Node: 'other', CheckID: 'c-1' } } },
    ]),
    put('/v1/operator/autopilot/configuration', {
      CleanupDeadServers: true,
      LastContactThreshold: '200ms',
      MaxTrailingLogs: 250,
      MinQuorum: 0,
      ServerStabilizationTime: '10s',
    }),
    post('/v1/query', { ...QUERY, Name: 'named' }),
    post('/v1/query', { ...QUERY, Session: session }),
    put(`/v1/query/${query}`, {
      ...QUERY,
      Name: 'template-',
      Template: { Type: 'name_prefix_match', Regexp: '^template-(.*)$', RemoveEmptyTags: true },
    }),
    remove(`/v1/query/${query}`),
    put('/v1/agent/service/deregister/bare', ''),
    put('/v1/agent/check/deregister/disk', ''),
    put('/v1/connect/ca/revocations', { SerialNumber: '01:02', Reason: 'r' }),
    remove('/v1/connect/ca/revocations/serial:01:02'),
    put('/v1/internal/service-virtual-ip', { Service: 'web', ManualVIPs: ['10.9.0.1'] }),
    put('/v1/agent/token/default', { Token: 'secret' }),
    ...aclSpecimens(existing),
  ]
}

function aclSpecimens({ policy, role, rule }: Existing): readonly Specimen[] {
  return [
    put('/v1/acl/policy', {
      Name: 'new',
      Description: 'd',
      Rules: 'key_prefix "a/" { policy = "write" } service "web" { policy = "read" }',
      Datacenters: ['dc1'],
    }),
    put(`/v1/acl/policy/${policy}`, { Name: 'fuzz', Rules: '{"operator":"read"}' }),
    put('/v1/acl/role', {
      Name: 'new',
      Description: 'd',
      Policies: [{ ID: policy }, { Name: 'global-management' }],
      ServiceIdentities: [{ ServiceName: 'web', Datacenters: ['dc1'] }],
      NodeIdentities: [{ NodeName: 'n1', Datacenter: 'dc1' }],
      TemplatedPolicies: [{ TemplateName: 'builtin/service', TemplateVariables: { Name: 'web' } }],
    }),
    put(`/v1/acl/role/${role}`, { Name: 'fuzz', Policies: [{ ID: policy }] }),
    put('/v1/acl/token', {
      AccessorID: '0b1d9f0c-7a3e-4f52-9c68-0e2a4d7b8f13',
      SecretID: '1b1d9f0c-7a3e-4f52-9c68-0e2a4d7b8f13',
      Description: 'd',
      Local: true,
      Policies: [{ Name: 'fuzz' }],
      Roles: [{ ID: role }],
      ServiceIdentities: [{ ServiceName: 'web' }],
      ExpirationTTL: '1h',
    }),
    put('/v1/acl/token/0b1d9f0c-7a3e-4f52-9c68-0e2a4d7b8f13', { Description: 'other' }),
    remove('/v1/acl/token/0b1d9f0c-7a3e-4f52-9c68-0e2a4d7b8f13'),
    put('/v1/acl/auth-method', {
      Name: 'jwt',
      Type: 'jwt',
      MaxTokenTTL: '1h',
      Config: {
        JWKSURL: 'http://127.0.0.1:1/',
        BoundAudiences: ['a'],
        ClaimMappings: { sub: 'subject' },
      },
    }),
    put('/v1/acl/auth-method/jwt', {
      Name: 'jwt',
      Type: 'jwt',
      Config: { JWKSURL: 'http://127.0.0.1:1/' },
    }),
    put('/v1/acl/binding-rule', {
      AuthMethod: 'jwt',
      BindType: 'service',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a placeholder of binding rules
      BindName: 'web-${value.subject}',
      Selector: 'value.subject == x',
    }),
    remove(`/v1/acl/binding-rule/${rule}`),
    remove('/v1/acl/auth-method/old'),
    post('/v1/acl/templated-policy/preview/builtin/service', { Name: 'web' }),
    post('/v1/internal/acl/authorize', [{ Resource: 'key', Access: 'read', Segment: 'x' }]),
  ]
}
