/**
 * Definitions over HTTP and from files: defaults, aliases and the exact texts of refusals.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  checkRegistrationFromBody,
  definitionsFromConfig,
  serviceRegistrationFromBody,
} from '../../../../agent/local/definitions.ts'
import { CHECKS_PER_SERVICE_MAX, TAGS_MAX } from '../../../../agent/local/limits.ts'

function refusal(body: unknown): string {
  try {
    serviceRegistrationFromBody(body)
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'BAD_REQUEST')
    return (error as Error).message
  }
  return assert.fail('the registration was accepted')
}

function checkRefusal(body: unknown): string {
  try {
    checkRegistrationFromBody(body)
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'BAD_REQUEST')
    return (error as Error).message
  }
  return assert.fail('the check was accepted')
}

const oneError = (text: string): string => `Validation failed: 1 error occurred:\n\t* ${text}\n\n`

describe('a service over HTTP', () => {
  it('needs only a name', () => {
    const { service, checks, token, sidecar } = serviceRegistrationFromBody({ Name: 'web' })
    assert.deepEqual(service, {
      kind: '',
      id: 'web',
      service: 'web',
      tags: [],
      address: '',
      port: 0,
      socketPath: '',
      taggedAddresses: {},
      meta: {},
      weights: { passing: 1, warning: 1 },
      enableTagOverride: false,
      connectNative: false,
    })
    assert.deepEqual(checks, [])
    assert.equal(token, '')
    assert.equal(sidecar, undefined)
  })

  it('takes any letter case and the documented aliases', () => {
    const { service } = serviceRegistrationFromBody({
      name: 'web',
      ID: 'web-1',
      enable_tag_override: true,
      tagged_addresses: { lan: { address: '10.0.0.1', PORT: 1 } },
      socket_path: '/run/web.sock',
    })
    assert.equal(service.id, 'web-1')
    assert.equal(service.enableTagOverride, true)
    assert.deepEqual(service.taggedAddresses, { lan: { address: '10.0.0.1', port: 1 } })
    assert.equal(service.socketPath, '/run/web.sock')
  })

  it('collects Check and Checks in order and skips an empty one', () => {
    const { checks } = serviceRegistrationFromBody({
      Name: 'web',
      Check: { HTTP: 'http://127.0.0.1/', Interval: '10s', service_id: 'ignored' },
      Checks: [null, { TTL: '15s', CheckID: 'alive' }],
    })
    assert.deepEqual(
      checks.map((check) => [check.checkId, check.http?.method, check.ttlMs, check.serviceId]),
      [
        ['', 'GET', undefined, ''],
        ['alive', undefined, 15_000, ''],
      ],
    )
    assert.deepEqual(serviceRegistrationFromBody({ Name: 'web', Check: {} }).checks, [])
  })

  it('is refused with the texts of the reference', () => {
    assert.equal(refusal({}), 'Missing service name')
    assert.equal(refusal({ Name: 'a', foo: 1 }), 'Request decode failed: json: unknown field "foo"')
    assert.equal(refusal({ Name: 'a', Address: '::' }), 'Invalid service address')
    assert.equal(
      refusal({ Name: 'a', Weights: { Passing: 0, Warning: 1 } }),
      'Invalid Weights: Passing must be greater than 0',
    )
    assert.equal(
      refusal({ Name: 'a', Meta: { 'consul-x': 'y' } }),
      "Invalid Service Meta: Couldn't load metadata pair ('consul-x', 'y'): Key prefix 'consul-' is reserved for internal use",
    )
    assert.equal(
      refusal({ Name: 'a', Checks: [{ Name: 'nothing' }] }),
      'Invalid check: TTL must be > 0 for TTL checks',
    )
    assert.equal(
      refusal({ Name: 'a', Check: { TTL: '1s', Status: 'fine' } }),
      "Status for checks must 'passing', 'warning', 'critical'",
    )
    assert.equal(
      refusal({ Name: 'a', Connect: { SidecarService: { Check: { HTTP: 'x' } } } }),
      'Invalid check in sidecar_service: Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks',
    )
  })

  it('has bounds', () => {
    assert.match(refusal({ Name: 'a', Tags: Array(TAGS_MAX + 1).fill('t') }), /at most 512/)
    const checks = Array(CHECKS_PER_SERVICE_MAX + 1).fill({ TTL: '1s' })
    assert.match(refusal({ Name: 'a', Checks: checks }), /at most 64/)
    assert.match(refusal({ Name: 'a'.repeat(600) }), /at most 512/)
    assert.match(refusal({ Name: 'a', Port: 65_536 }), /between 0 and 65535/)
    assert.match(refusal({ Name: 'a\0b' }), /cannot contain a NUL character/)
    assert.match(checkRefusal({ Name: 'a\0b', TTL: '1s' }), /cannot contain a NUL character/)
  })
})

describe('a proxy over HTTP', () => {
  const proxy = (block: object, more: object = {}): unknown => ({
    Name: 'p',
    Kind: 'connect-proxy',
    Port: 1,
    Proxy: { DestinationServiceName: 'web', ...block },
    ...more,
  })

  it('takes snake case inside its block', () => {
    const { service } = serviceRegistrationFromBody(
      proxy({
        local_service_port: 80,
        Upstreams: [{ destination_name: 'db', local_bind_port: 9191, config: { a: [1] } }],
        mesh_gateway: { mode: 'local' },
        Expose: { Checks: true, Paths: [{ path: '/m', listener_port: 1, local_path_port: 2 }] },
      }),
    )
    assert.equal(service.proxy?.localServicePort, 80)
    assert.deepEqual(service.proxy?.upstreams[0], {
      destinationType: 'service',
      destinationName: 'db',
      datacenter: '',
      localBindAddress: '',
      localBindPort: 9191,
      localBindSocketPath: '',
      localBindSocketMode: '',
      config: { a: [1] },
      meshGatewayMode: '',
    })
    assert.equal(service.proxy?.meshGatewayMode, 'local')
    assert.equal(service.proxy?.exposePaths.length, 1)
  })

  it('is refused with the texts of the reference', () => {
    const upstream = { DestinationName: 'db', LocalBindPort: 1 }
    for (const [body, text] of [
      [
        proxy({ DestinationServiceName: '' }),
        'Proxy.DestinationServiceName must be non-empty for Connect proxy services',
      ],
      [
        proxy({ DestinationServiceName: '*' }),
        'Proxy.DestinationServiceName must not be a wildcard for Connect proxy services',
      ],
      [proxy({}, { Port: 0 }), 'Port or SocketPath must be set for a connect-proxy'],
      [proxy({ Mode: 'odd' }), 'Invalid Proxy Mode: "odd"'],
      [proxy({ MeshGateway: { Mode: 'odd' } }), 'Invalid Mesh Gateway Mode: "odd"'],
      [proxy({ Upstreams: [{}] }), 'upstream destination name cannot be empty'],
      [
        proxy({ Upstreams: [{ DestinationName: '*' }] }),
        'upstream destination name cannot be a wildcard',
      ],
      [
        proxy({ Upstreams: [{ DestinationName: 'db' }] }),
        'upstream local bind port or local socket path must be defined and nonzero',
      ],
      [
        proxy({ Upstreams: [{ ...upstream, LocalBindSocketPath: '/x' }] }),
        'only one of upstream local bind port or local socket path can be defined and nonzero',
      ],
      [
        proxy({ Upstreams: [{ ...upstream, DestinationType: 'x' }] }),
        'unknown upstream destination type: "x"',
      ],
      [
        proxy({ Upstreams: [{ ...upstream, DestinationPeer: 'p', Datacenter: 'd' }] }),
        'upstream cannot specify both destination peer and datacenter',
      ],
      [
        proxy({ Upstreams: [upstream, { ...upstream, LocalBindPort: 2 }] }),
        'upstreams cannot contain duplicates of [type=service, name=db, datacenter=]',
      ],
      [
        proxy({ Upstreams: [upstream, { ...upstream, DestinationName: 'x' }] }),
        'upstreams cannot contain duplicates by local bind address and port or unix path; 127.0.0.1:1 is specified twice',
      ],
      [
        proxy({ Expose: { Paths: [{ Path: '', ListenerPort: 1 }] } }),
        'expose.paths: empty path exposed',
      ],
      [
        proxy({ Expose: { Paths: [{ Path: '/', ListenerPort: 0 }] } }),
        'expose.paths: invalid listener port: 0',
      ],
      [
        proxy({ Expose: { Paths: [{ Path: '/', ListenerPort: 1, Protocol: 'x' }] } }),
        "protocol 'x' not supported for path: /, must be in: [http http2]",
      ],
      [
        proxy({}, { Connect: { Native: true } }),
        'A Proxy cannot also be Connect Native, only typical services',
      ],
      [
        { Name: 'n', Connect: { Native: true } },
        'Port or SocketPath must be set for a Connect native service.',
      ],
      [{ Name: 'g', Kind: 'mesh-gateway' }, 'Port must be non-zero for a mesh-gateway'],
      [
        { Name: 'g', Kind: 'ingress-gateway', Proxy: { LocalServicePort: 1 } },
        'The Proxy.LocalServicePort configuration is invalid for a ingress-gateway',
      ],
      [{ Name: 'g', Kind: 'odd' }, 'unknown service kind "odd"'],
    ] as const) {
      assert.equal(refusal(body), oneError(text))
    }
  })
})

describe('a sidecar over HTTP', () => {
  it('keeps only what was given', () => {
    const { sidecar } = serviceRegistrationFromBody({
      Name: 'web',
      Connect: { sidecar_service: {}, AnythingElse: 1 },
    })
    assert.deepEqual(sidecar, { service: {}, checks: [], token: '' })
    const given = serviceRegistrationFromBody({
      Name: 'web',
      Connect: { SidecarService: { Port: 20_000, Tags: ['x'], Proxy: {} } },
    }).sidecar?.service
    assert.deepEqual(Object.keys(given ?? {}).sort(), ['port', 'proxy', 'tags'])
  })

  it('is refused an id, a sidecar of its own and a gateway as parent', () => {
    for (const [sidecar, text] of [
      [{ ID: 'x' }, 'A SidecarService cannot specify an ID as this is managed by the agent'],
      [{ Connect: { SidecarService: {} } }, 'A SidecarService cannot have a nested SidecarService'],
    ] as const) {
      assert.equal(refusal({ Name: 'web', Connect: { SidecarService: sidecar } }), oneError(text))
    }
    assert.equal(
      refusal({ Name: 'g', Kind: 'mesh-gateway', Port: 1, Connect: { SidecarService: {} } }),
      oneError('A mesh-gateway cannot have a sidecar service defined'),
    )
    assert.equal(
      refusal({ Name: 'w', Connect: { SidecarService: { Meta: { 'consul-a': 'b' } } } }),
      "Invalid SidecarService: Couldn't load metadata pair ('consul-a', 'b'): Key prefix 'consul-' is reserved for internal use",
    )
  })
})

describe('a check over HTTP', () => {
  it('takes its name for its id', () => {
    const { spec, token } = checkRegistrationFromBody({ Name: 'disk', TTL: '30s', Token: 't' })
    assert.equal(spec.checkId, 'disk')
    assert.equal(spec.ttlMs, 30_000)
    assert.equal(token, 't')
  })

  it('reads each type', () => {
    const spec = (fields: object) =>
      checkRegistrationFromBody({ Name: 'c', Interval: '10s', ...fields }).spec
    assert.deepEqual(spec({ TCP: 'h:1', tcp_use_tls: true }).tcp, { address: 'h:1', useTls: true })
    assert.deepEqual(spec({ UDP: 'h:1' }).udp, { address: 'h:1' })
    assert.deepEqual(spec({ GRPC: 'h:1/s' }).grpc, { target: 'h:1/s', useTls: false })
    assert.deepEqual(spec({ H2PING: 'h:1' }).h2ping, { address: 'h:1', useTls: true })
    assert.deepEqual(spec({ h2ping: 'h:1', h2ping_use_tls: false }).h2ping?.useTls, false)
    assert.deepEqual(spec({ args: ['a', 'b'] }).script, { args: ['a', 'b'] })
    assert.deepEqual(spec({ ScriptArgs: ['a'], DockerContainerID: 'd' }).docker?.containerId, 'd')
    assert.equal(spec({ ScriptArgs: ['a'], DockerContainerID: 'd' }).script, undefined)
    assert.equal(spec({ OSService: 'x' }).osService, 'x')
    assert.deepEqual(spec({ Host: { Resource: 'disk', Path: '/var' } }).host, {
      resource: 'disk',
      path: '/var',
      warningPercent: 80,
      criticalPercent: 95,
    })
    assert.deepEqual(checkRegistrationFromBody({ Name: 'c', AliasService: 'web' }).spec.alias, {
      node: '',
      serviceId: 'web',
    })
    assert.deepEqual(spec({ HTTP: 'http://h/', Header: { Host: ['x'] }, Method: 'POST' }).http, {
      url: 'http://h/',
      method: 'POST',
      header: { Host: ['x'] },
      body: '',
      disableRedirects: false,
    })
  })

  it('is refused with the texts of the reference', () => {
    const http = { Name: 'c', HTTP: 'http://h' }
    for (const [body, text] of [
      [{}, 'Missing check name'],
      [{ Name: 'c', TTL: '1s', Status: 'x' }, 'Bad check status'],
      [
        { ...http, Interval: '1s', TTL: '1s' },
        'Invalid check: Interval and TTL cannot both be specified',
      ],
      [
        http,
        'Invalid check: Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks',
      ],
      [
        { ...http, Interval: '1s', AliasService: 'x' },
        'Invalid check: Interval cannot be set for Alias checks',
      ],
      [
        { Name: 'c', AliasService: 'x', TTL: '1s' },
        'Invalid check: TTL must be not be set for Alias checks',
      ],
      [{ Name: 'c' }, 'Invalid check: TTL must be > 0 for TTL checks'],
      [
        { Name: 'c', TTL: '1s', OutputMaxSize: -1 },
        'Invalid check: MaxOutputMaxSize must be positive',
      ],
      [
        { ...http, Interval: '1s', FailuresBeforeWarning: 2, FailuresBeforeCritical: 1 },
        "Invalid check: FailuresBeforeWarning can't be higher than FailuresBeforeCritical",
      ],
      [{ Name: 'c', TTL: 'x' }, 'Request decode failed: time: invalid duration "x"'],
      [
        { Name: 'c', success_before_passing: 1, TTL: '1s' },
        'Request decode failed: json: unknown field "success_before_passing"',
      ],
    ] as const) {
      assert.equal(checkRefusal(body), text)
    }
  })
})

describe('definitions of files', () => {
  it('use snake case everywhere', () => {
    const result = definitionsFromConfig({
      services: [
        {
          name: 'web',
          id: 'web-1',
          port: 8080,
          weights: { passing: 10 },
          check: {
            id: 'web-http',
            http: 'http://127.0.0.1:8080/health',
            header: { accept: 'text/plain' },
            interval: '10s',
            success_before_passing: 2,
          },
          connect: {
            sidecar_service: {
              proxy: { upstreams: [{ destination_name: 'db', local_bind_port: 1 }] },
            },
          },
        },
      ],
      checkDefinitions: [{ id: 'mem', args: ['true'], interval: '1m', output_max_size: 10 }],
    })
    assert.ok(result.ok)
    const [web] = result.value.services
    assert.deepEqual(web?.service.weights, { passing: 10, warning: 1 })
    assert.deepEqual(web?.checks[0]?.http?.header, { accept: ['text/plain'] })
    assert.equal(web?.checks[0]?.checkId, 'web-http')
    assert.equal(web?.sidecar?.service.proxy?.upstreams.length, 1)
    assert.equal(result.value.checks[0]?.spec.name, 'mem')
  })

  it('have all their problems reported at once', () => {
    const result = definitionsFromConfig({
      services: [
        { name: 'a', colour: 'red', check: { htttp: 'x' } },
        { name: 'b', socket_path: '/x', port: 1 },
        { id: 'c' },
        { name: 'd', connect: { sidecar_service: { id: 'no' } } },
      ],
      checkDefinitions: [{ name: 'e', ttl: '10' }, { id: 'f' }],
    })
    assert.ok(!result.ok)
    assert.deepEqual(result.problems, [
      'invalid config key services[0].colour',
      'invalid config key services[0].check.htttp',
      'service b cannot have both socket path /x and address/port :1',
      'service "c": Missing service name',
      'service "d": Validation failed: sidecar_service can\'t specify an ID',
      'checks[0].ttl: invalid duration: "10": time: missing unit in duration "10"',
      'check "f": Invalid check: TTL must be > 0 for TTL checks',
    ])
  })
})
