/**
 * From documents to a configuration: merge order, Consul's rules and messages, all problems at once.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AUTOPILOT_DEFAULTS } from '../../../../core/autopilot/defaults.ts'
import { decodeDocument, decodeText } from '../../../../core/config/decode.ts'
import { formatProblem } from '../../../../core/config/problem.ts'
import { mergeConfigs } from '../../../../core/config/raw-config.ts'
import { type HostFacts, resolveConfig } from '../../../../core/config/resolve.ts'

const HOST: HostFacts = {
  hostname: 'vm-a',
  interfaces: [
    { name: 'lo', address: '127.0.0.1', prefix: 8, flags: ['up', 'loopback'], isDefault: false },
    { name: 'eth0', address: '10.0.0.5', prefix: 24, flags: ['up', 'broadcast'], isDefault: true },
  ],
  pathKind: (path) => (path === '/a-file' ? 'other' : 'missing'),
}

function resolve(text: string, options: { dev?: boolean; host?: HostFacts } = {}) {
  const decoded = decodeDocument(text, 'hcl', 'a.hcl')
  const resolved = resolveConfig(decoded.raw, options.dev ?? false, options.host ?? HOST)
  return {
    config: resolved.config,
    problems: [...decoded.problems, ...resolved.problems],
    messages: [...decoded.problems, ...resolved.problems].map((problem) => problem.message),
    warnings: [...decoded.warnings, ...resolved.warnings],
  }
}

describe('defaults', () => {
  it('need only a data directory', () => {
    const { config, messages } = resolve('data_dir = "/var/lib/fairlead"')
    assert.deepEqual(messages, [])
    assert.equal(config.server, false)
    assert.equal(config.nodeName, 'vm-a')
    assert.equal(config.datacenter, 'dc1')
    assert.equal(config.domain, 'consul')
    assert.equal(config.bindAddress, '0.0.0.0')
    assert.equal(config.advertiseAddress, '10.0.0.5')
    assert.deepEqual(config.clientAddresses, ['127.0.0.1'])
    assert.equal(config.ports.http, 8500)
    assert.equal(config.ports.grpc, -1)
    assert.equal(config.connect.leafCertTtlMs, 72 * 3_600_000)
    assert.equal(config.connect.caConfig, undefined)
  })

  it('of dev mode: a server on loopback that elects itself', () => {
    const { config, messages } = resolve('', { dev: true })
    assert.deepEqual(messages, [])
    assert.equal(config.server, true)
    assert.equal(config.bootstrapExpect, 1)
    assert.equal(config.bindAddress, '127.0.0.1')
    assert.equal(config.advertiseAddress, '127.0.0.1')
    assert.equal(config.ports.grpc, 8502)
    assert.equal(config.raft.multiplier, 1)
  })
})

describe('settings of the cluster', () => {
  it('have the defaults of the reference, by role', () => {
    const client = resolve('data_dir = "/1"').config
    assert.deepEqual(client.leave, { onTerminate: true, onInterrupt: true, drainMs: 5000 })
    const server = resolve('data_dir = "/1"\nserver = true').config
    assert.deepEqual(server.leave, { onTerminate: false, onInterrupt: false, drainMs: 5000 })
    assert.equal(server.bootstrapExpect, 0)
    assert.equal(server.reconnectTimeoutMs, 72 * 3_600_000)
    assert.deepEqual(server.raft, {
      multiplier: 5,
      snapshotThreshold: 16_384,
      snapshotIntervalMs: 30_000,
      trailingLogs: 10_240,
      defaultRead: 'quorum',
    })
    assert.deepEqual(server.autopilot, AUTOPILOT_DEFAULTS)
  })

  it('are taken from the configuration', () => {
    const { config, messages } = resolve(`
      data_dir = "/1"
      server = true
      leave_on_terminate = true
      skip_leave_on_interrupt = false
      reconnect_timeout = "8h"
      performance { leave_drain_time = "1s", default_read = "lease" }
      raft_snapshot_threshold = 100
      raft_snapshot_interval = "1s"
      raft_trailing_logs = 50
      serf_lan_allowed_cidrs = ["10.0.0.0/8", "fd00::/8"]
      autopilot {
        cleanup_dead_servers = false
        last_contact_threshold = "500ms"
        max_trailing_logs = 1000
        min_quorum = 3
        server_stabilization_time = "1m"
      }
    `)
    assert.deepEqual(messages, [])
    assert.deepEqual(config.leave, { onTerminate: true, onInterrupt: true, drainMs: 1000 })
    assert.equal(config.reconnectTimeoutMs, 8 * 3_600_000)
    assert.equal(config.raft.defaultRead, 'lease')
    assert.equal(config.raft.snapshotThreshold, 100)
    assert.equal(config.raft.snapshotIntervalMs, 1000)
    assert.equal(config.raft.trailingLogs, 50)
    const networks = config.gossipAllowedNetworks?.map(({ text }) => text)
    assert.deepEqual(networks, ['10.0.0.0/8', 'fd00::/8'])
    assert.deepEqual(config.autopilot, {
      ...AUTOPILOT_DEFAULTS,
      cleanupDeadServers: false,
      lastContactThresholdMs: 500,
      maxTrailingLogs: 1000,
      minQuorum: 3,
      serverStabilizationTimeMs: 60_000,
    })
  })

  it('warn about sizes that do not tolerate what they seem to', () => {
    const warningsOf = (expect: number): string =>
      resolve(`data_dir = "/1"\nserver = true\nbootstrap_expect = ${expect}`).warnings.join('\n')
    assert.match(warningsOf(1), /BootstrapExpect is set to 1; this is the same as Bootstrap mode/)
    assert.match(warningsOf(2), /A cluster with 2 servers will provide no failure tolerance/)
    assert.match(warningsOf(3), /bootstrap_expect > 0: expecting 3 servers/)
    assert.match(warningsOf(4), /bootstrap_expect is even number/)
  })
})

describe('problems', () => {
  it('are reported all at once, each with key, value, place and fix', () => {
    const { problems } = resolve(`
      datacenter = "Not OK"
      bind_addr = "eth0"
      ports { http = 70000, htttp = 1 }
      retry_interval = "10"
      serf_lan_allowed_cidrs = ["10.0.0.0"]
      performance { raft_multiplier = 11 }
      bootstrap_expect = 3
    `)
    const text = problems.map((problem) => formatProblem(problem)).join('\n')
    for (const wanted of [
      'datacenter can only contain lowercase alphanumeric, - or _ characters. received: "Not OK"',
      'bind_addr must be an ip address, got "eth0"',
      'serf_lan_allowed_cidrs: invalid CIDR address: 10.0.0.0',
      'ports.http: invalid port: 70000',
      'invalid config key ports.htttp',
      'did you mean "ports.http"?',
      'retry_interval: invalid duration: "10": time: missing unit in duration "10"',
      'performance.raft_multiplier cannot be 11. Must be between 1 and 10',
      "'bootstrap_expect > 0' requires 'server = true'",
      'data_dir cannot be empty',
      'a.hcl:4:22',
    ]) {
      assert.ok(text.includes(wanted), `missing: ${wanted}\n${text}`)
    }
    assert.equal(problems.length, 9)
    for (const problem of problems) assert.notEqual(problem.fix, '', problem.message)
  })

  const cases: readonly (readonly [string, string])[] = [
    ['data_dir = "/a-file"', 'data_dir "/a-file" is not a directory'],
    ['bind_addr = "10.0.0.1 10.0.0.2"', 'bind_addr cannot contain multiple addresses.'],
    ['advertise_addr = "::"', 'Advertise address cannot be 0.0.0.0, :: or [::]'],
    ['bootstrap = true', "'bootstrap = true' requires 'server = true'"],
    ['server = true bootstrap = true bootstrap_expect = 3', 'mutually exclusive'],
    ['server = true bootstrap_expect = -1', 'bootstrap_expect cannot be -1'],
    ['gossip_lan { probe_timeout = "1s" }', 'Must be below probe_interval, 1000 ms'],
    ['reconnect_timeout = "7h"', 'reconnect_timeout must be >= 8h0m0s'],
    ['performance { default_read = "fast" }', 'performance.default_read cannot be "fast"'],
    ['retry_join = ["provider=aws tag_key=a"]', 'cannot be looked up at a cloud provider'],
    ['retry_join = ["10.0.0.5", "a:b:c"]', 'retry_join: "a:b:c" is not an address of a member'],
    ['raft_protocol = 2', 'raft_protocol version 2 is not supported'],
    [
      'alt_domain = "service.x"',
      'alt_domain cannot start with {service,connect,node,query,addr,dc1}',
    ],
    ['check_output_max_size = 0', 'check_output_max_size must be positive'],
    ['node_meta { consul-x = "1" }', 'node_meta invalid: the prefix'],
    [
      'dns_config { recursor_strategy = "x" }',
      'dns_config.recursor_strategy: invalid strategy: "x"',
    ],
    ['dns_config { udp_answer_limit = -1 }', 'dns_config.udp_answer_limit cannot be -1'],
    ['node_id = "abc"', 'node_id: "abc" is not a UUID'],
    ['log_level = "loud"', 'log_level "loud" is not known'],
    ['default_intention_policy = "maybe"', 'default_intention_policy cannot be "maybe"'],
    ['ports { http = 8600 }', 'HTTP address 127.0.0.1:8600 already configured for DNS'],
    [
      'connect { ca_config { leaf_cert_ttl = "1m" } }',
      'leaf cert TTL must be greater or equal than 1h0m0s',
    ],
    [
      'connect { ca_config { root_cert = "x" } }',
      'must provide a private key when providing a root cert',
    ],
    ['connect { ca_provider = "aws-pca" }', 'connect.ca_provider "aws-pca" is not supported'],
    [
      'connect { ca_sealing_keys = ["c2hvcnQ="] }',
      'connect.ca_sealing_keys[0] is not 32 bytes of base64',
    ],
    ['server = "perhaps"', 'server: expected true or false, got "perhaps"'],
    ['ports = 5', 'ports: expected a block'],
    [
      'server = true\nadvertise_reconnect_timeout = "9h"',
      'advertise_reconnect_timeout can only be used on a client',
    ],
    ['server_rejoin_age_max = "5h"', 'server_rejoin_age_max must be >= 6h0m0s'],
    ['encrypt = "x"', 'encrypt has invalid key: it is not base64'],
    [
      'encrypt = "c2hvcnQ="',
      'Failed to configure keyring: key size must be 16, 24 or 32 bytes, not 5',
    ],
    ['acl { enabled = true default_policy = "allwo" }', 'acl.default_policy cannot be "allwo"'],
    ['client_addr = "{{ GetPublicIPv7 }}"', 'the function GetPublicIPv7 is not supported'],
  ]
  for (const [text, message] of cases) {
    it(`name what is wrong: ${text}`, () => {
      const { messages } = resolve(`${text}\n${text.includes('data_dir') ? '' : 'data_dir = "/d"'}`)
      assert.equal(messages.length, 1, messages.join('\n'))
      assert.ok(messages[0]?.includes(message), messages[0] ?? '')
    })
  }

  it('include an ambiguous address of the host', () => {
    const eth1 = {
      name: 'eth1',
      address: '192.168.1.2',
      prefix: 24,
      flags: ['up'],
      isDefault: false,
    }
    const interfaces = [...HOST.interfaces, eth1]
    const { messages } = resolve('data_dir = "/d"', { host: { ...HOST, interfaces } })
    assert.deepEqual(messages, [
      "Multiple private IPv4 addresses found: 10.0.0.5, 192.168.1.2. Please configure one with 'bind' and/or 'advertise'.",
    ])
  })

  it('do not include a file without content, of either format', () => {
    for (const format of ['hcl', 'json'] as const) {
      assert.deepEqual(decodeDocument(' \n', format, 'a').problems, [], format)
    }
  })

  it('do not include values that switch an unsafe key off', () => {
    const { messages } = resolve(
      'data_dir = "/d"\nacl { enabled = false }\nencrypt = ""\nports { https = -1 }',
    )
    assert.deepEqual(messages, [])
  })
})

describe('warnings', () => {
  it('name known keys that have no effect yet', () => {
    const { warnings, messages } = resolve(
      'data_dir = "/d"\nenable_syslog = true\ntelemetry { statsite_address = "a:1" }',
    )
    assert.deepEqual(messages, [])
    assert.deepEqual(warnings, [
      'enable_syslog is not supported yet and has no effect (a.hcl:2:17): The log goes to standard output, from where systemd hands it to syslog',
      'telemetry.statsite_address is not supported yet and has no effect (a.hcl:3:32): statsd_address is there, over UDP',
    ])
  })

  it('are not given for keys that Consul’s own test kit writes about the program', () => {
    const { warnings, messages } = resolve('data_dir = "/d"\nversion = "1.21.4"\nrevision = "a"')
    assert.deepEqual([messages, warnings], [[], []])
  })

  it('translate old names', () => {
    const { config, warnings } = resolve('data_dir = "/d"\nstart_join = ["10.0.0.9"]')
    assert.deepEqual(config.retryJoin, ['10.0.0.9'])
    assert.deepEqual(warnings, [
      "The 'start_join' field is deprecated. Use the 'retry_join' field instead.",
    ])
  })

  it('come with sizes that tolerate no failure', () => {
    const { warnings } = resolve('data_dir = "/d"\nserver = true\nbootstrap_expect = 2')
    assert.match(warnings.join('\n'), /A cluster with 2 servers will provide no failure tolerance/)
  })
})

describe('merging', () => {
  it('lets later scalars win, overlays maps and appends lists and definitions', () => {
    const first = decodeDocument(
      'data_dir = "/1"\nretry_join = ["a"]\nnode_meta { x = "1", y = "1" }\nservice { name = "web" }',
      'hcl',
      '1.hcl',
    )
    const second = decodeDocument(
      '{"data_dir": "/2", "retry_join": "b", "node_meta": {"y": "2"}, "services": [{"name": "db"}]}',
      'json',
      '2.json',
    )
    const flag = decodeText('ports.http', '0', 'flag -http-port')
    const { config, services } = resolveConfig(
      mergeConfigs([first.raw, second.raw, flag.raw]),
      false,
      HOST,
    )
    assert.equal(config.dataDir, '/2')
    assert.deepEqual(config.retryJoin, ['a', 'b'])
    assert.deepEqual(config.nodeMeta, { x: '1', y: '2' })
    assert.deepEqual(config.services, [{ name: 'web' }, { name: 'db' }])
    assert.deepEqual(
      services.map((service) => service.origin),
      ['1.hcl:4:9', '2.json:1:77'],
    )
    assert.equal(config.ports.http, 0)
  })

  it('accepts keys in any case and a JSON null as unset', () => {
    const { config, messages } = resolve('Data_Dir = "/d"\nPorts { HTTP = 80 }')
    assert.deepEqual(messages, [])
    assert.equal(config.ports.http, 80)
    const decoded = decodeDocument('{"server": null}', 'json', 'x.json')
    assert.deepEqual([decoded.problems, decoded.raw.size], [[], 0])
  })

  it('does not take object members for keys', () => {
    const { messages } = resolve('data_dir = "/d"\nconstructor = 1\n__proto__ = 2')
    assert.deepEqual(messages, ['invalid config key constructor', 'invalid config key __proto__'])
  })
})

describe('addresses', () => {
  it('of HTTP and DNS are those of clients unless given', () => {
    const { config, messages } = resolve(
      'data_dir = "/d"\nclient_addr = "10.0.0.5"\naddresses { http = "0.0.0.0 ::1" }',
    )
    assert.deepEqual(messages, [])
    assert.deepEqual(config.httpAddresses, ['0.0.0.0', '::1'])
    assert.deepEqual(config.dnsAddresses, ['10.0.0.5'])
  })

  it('keep listeners apart that would clash on one', () => {
    const apart = 'addresses { http = "127.0.0.1", dns = "127.0.0.2" }'
    const ports = 'data_dir = "/d"\nports { http = 53, dns = 53 }\n'
    assert.deepEqual(resolve(ports + apart).messages, [])
    assert.equal(resolve(ports).messages.length, 1)
  })

  it('may be socket files for HTTP, and for nothing else', () => {
    const { config, messages } = resolve(
      'data_dir = "/d"\naddresses { http = "unix:///run/f.sock /run/g.sock" }\nunix_sockets { mode = "0660" }',
    )
    assert.deepEqual(messages, [])
    assert.deepEqual(config.httpAddresses, [])
    assert.deepEqual(config.http.sockets, ['/run/f.sock', '/run/g.sock'])
    assert.equal(config.http.socketPermissions.mode, 0o660)
    const both = resolve('data_dir = "/d"\naddresses { http = "127.0.0.1 unix:///run/f.sock" }')
    assert.deepEqual(both.config.httpAddresses, ['127.0.0.1'])
    assert.deepEqual(
      resolve(
        'data_dir = "/d"\naddresses { dns = "unix:///run/f.sock", http = "unix://f" }\nunix_sockets { mode = "rwx" }',
      ).messages,
      [
        'addresses.http: "f" is no path of a socket file',
        'addresses.dns must hold ip addresses, got "unix:///run/f.sock"; socket files are for addresses.http',
        'unix_sockets.mode: "rwx" is no mode',
      ],
    )
  })

  it('expand templates', () => {
    const { config, messages } = resolve(
      'data_dir = "/d"\nbind_addr = "{{ GetInterfaceIP \\"eth0\\" }}"\nclient_addr = "127.0.0.1 {{ GetPrivateIP }}"',
    )
    assert.deepEqual(messages, [])
    assert.equal(config.bindAddress, '10.0.0.5')
    assert.deepEqual(config.clientAddresses, ['127.0.0.1', '10.0.0.5'])
  })

  it('name the interfaces there are when one is unknown', () => {
    const { messages } = resolve('data_dir = "/d"\nbind_addr = "{{ GetInterfaceIP \\"eth9\\" }}"')
    assert.match(messages[0] ?? '', /there is no interface "eth9" \(there are: lo, eth0\)/)
  })
})

it('the CA configuration is passed on in the API’s spelling', () => {
  const { config } = resolve(
    'data_dir = "/d"\nconnect { ca_config { leaf_cert_ttl = "2h", private_key_bits = 384 } }',
  )
  assert.deepEqual(config.connect.caConfig, { LeafCertTTL: '2h0m0s', PrivateKeyBits: 384 })
})

describe('telemetry', () => {
  it('is off for others unless configured', () => {
    const { config } = resolve('data_dir = "/d"')
    assert.deepEqual(config.telemetry, {
      prefix: 'consul',
      disableHostname: false,
      filter: { rules: [], default: true },
      prometheusRetentionMs: 0,
      statsd: undefined,
      dogstatsd: undefined,
    })
  })

  it('takes what Consul takes', () => {
    const { config, messages, warnings } = resolve(`data_dir = "/d"
      telemetry {
        metrics_prefix = "mesh" disable_hostname = true prometheus_retention_time = "24h"
        prefix_filter = ["+mesh.raft", "-mesh", "mesh.x"] filter_default = false
        statsd_address = "stats.example:8125" dogstatsd_addr = "[::1]:8126" dogstatsd_tags = ["a:b"]
        disable_per_tenancy_usage_metrics = true circonus_api_token = "x"
      }`)
    assert.deepEqual(messages, [])
    assert.deepEqual(config.telemetry, {
      prefix: 'mesh',
      disableHostname: true,
      filter: {
        rules: [
          { prefix: 'mesh.raft', isAllowed: true },
          { prefix: 'mesh', isAllowed: false },
        ],
        default: false,
      },
      prometheusRetentionMs: 86_400_000,
      statsd: { host: 'stats.example', port: 8125 },
      dogstatsd: { host: '::1', port: 8126, tags: ['a:b'] },
    })
    assert.equal(warnings.length, 2)
    assert.match(warnings[0] ?? '', /^telemetry\.circonus_api_token is not supported yet/)
    assert.equal(warnings[1], `Filter rule must begin with either '+' or '-': "mesh.x"`)
  })

  it('knows the metrics store of user interfaces, and refuses what is none', () => {
    const { config, messages } = resolve(`data_dir = "/d"
      ui_config { metrics_proxy {
        base_url = "http://prometheus:9090/p/" path_allowlist = ["/p/api/v1/query"]
        add_headers = [{ name = "Authorization" value = "Basic eDp5" }]
      } }`)
    assert.deepEqual(messages, [])
    assert.deepEqual(config.metricsProxy, {
      baseUrl: 'http://prometheus:9090/p',
      headers: [['Authorization', 'Basic eDp5']],
      pathAllowlist: ['/p/api/v1/query'],
    })
    assert.equal(resolve('data_dir = "/d"').config.metricsProxy, undefined)
    const wrong = resolve(`data_dir = "/d"
      ui_config { metrics_proxy {
        base_url = "ftp://x" path_allowlist = ["api"] add_headers = [{ name = "a b" value = "x" }]
      } }`)
    assert.deepEqual(wrong.messages.toSorted(), [
      'ui_config.metrics_proxy.add_headers: an entry is no header',
      'ui_config.metrics_proxy.base_url: "ftp://x" must be an HTTP or HTTPS URL without a query',
      'ui_config.metrics_proxy.path_allowlist: "api" does not begin with /',
    ])
  })

  it('refuses what cannot be sent to', () => {
    const { messages } = resolve(`data_dir = "/d"
      telemetry {
        statsd_address = "unix:///run/x" dogstatsd_addr = "host" dogstatsd_tags = ["a b"] metrics_prefix = "1 2"
      }`)
    assert.deepEqual(messages, [
      'telemetry.dogstatsd_addr: "host" is not host:port',
      'telemetry.dogstatsd_tags: "a b" is not a tag',
      'telemetry.metrics_prefix: "1 2" cannot begin a name',
      'telemetry.statsd_address: "unix:///run/x" is not host:port',
    ])
  })
})
