/**
 * The agent's own services and checks, and catalog writes: answers and error texts (http-api.md 9, 11).
 */

import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { type RunningAgent, startAgent } from './running-agent.ts'

let agent: RunningAgent

before(async () => {
  agent = await startAgent()
})

after(async () => {
  await agent[Symbol.asyncDispose]()
  assert.deepEqual(agent.errors, [])
})

afterEach(async () => {
  for (const id of [...agent.local.services().keys()]) {
    if (agent.local.services().has(id)) await agent.local.deregisterService(id)
  }
  for (const id of [...agent.local.checks().keys()]) await agent.local.deregisterCheck(id)
})

const WEB = { Name: 'web', ID: 'web-1', Tags: ['v2'], Address: '10.0.0.5', Port: 8080 }

describe('service/register', () => {
  it('takes names in any case and the aliases, and shows the service', async () => {
    const answer = await agent.put('/v1/agent/service/register', {
      name: 'web',
      ID: 'web-1',
      TAGS: ['v2'],
      address: '10.0.0.5',
      port: 8080,
      meta: { owner: 'ops' },
      enable_tag_override: true,
      check: { ttl: '10s', deregister_critical_service_after: '90m' },
    })
    assert.equal(answer.status, 200, answer.text)
    assert.equal(answer.text, '')
    assert.equal(answer.headers['content-type'], undefined)
    assert.equal(
      (await agent.get('/v1/agent/services')).text,
      '{"web-1":{"ID":"web-1","Service":"web","Tags":["v2"],"Meta":{"owner":"ops"},"Port":8080,"Address":"10.0.0.5",' +
        '"TaggedAddresses":{"lan_ipv4":{"Address":"10.0.0.5","Port":8080},"wan_ipv4":{"Address":"10.0.0.5","Port":8080}},' +
        '"Weights":{"Passing":1,"Warning":1},"EnableTagOverride":true,"Datacenter":"dc1"}}',
    )
    assert.match(
      (await agent.get('/v1/agent/checks')).text,
      /^\{"service:web-1":\{"Node":"n1","CheckID":"service:web-1","Name":"Service 'web' check","Status":"critical","Notes":"","Output":"","ServiceID":"web-1","ServiceName":"web","ServiceTags":\["v2"\],"Type":"ttl",.*"Definition":\{\},"CreateIndex":0,"ModifyIndex":0\}\}$/,
    )
  })

  it('registers a sidecar and takes it away with its parent', async () => {
    await agent.put('/v1/agent/service/register', { ...WEB, connect: { sidecar_service: {} } })
    const proxy = await agent.get('/v1/agent/service/web-1-sidecar-proxy')
    const found = proxy.json() as { Kind: string; Port: number; Proxy: object }
    assert.equal(found.Kind, 'connect-proxy')
    assert.ok(found.Port >= 21_000)
    assert.match(
      proxy.text,
      /"Proxy":\{"DestinationServiceName":"web","DestinationServiceID":"web-1"/,
    )
    const connect = await agent.get('/v1/health/connect/web')
    assert.match(connect.text, /"Kind":"connect-proxy"/)
    await agent.put('/v1/agent/service/deregister/web-1')
    assert.equal((await agent.get('/v1/agent/services')).text, '{}')
  })

  it('removes checks that are not named again only when told to', async () => {
    const checks = [{ CheckID: 'a', TTL: '10s' }]
    await agent.put('/v1/agent/service/register', { ...WEB, checks })
    await agent.put('/v1/agent/service/register', WEB)
    assert.ok(agent.local.checks().has('a'))
    await agent.put('/v1/agent/service/register?replace-existing-checks', WEB)
    assert.ok(!agent.local.checks().has('a'))
  })

  const errors: readonly (readonly [unknown, number, string | RegExp])[] = [
    ['', 400, 'Request decode failed: EOF'],
    [
      '{"Name":\n"x",}',
      400,
      "Request decode failed: invalid character '}' looking for beginning of object key string (line 2, column 5)",
    ],
    [{ Nmae: 'x' }, 400, 'Request decode failed: json: unknown field "Nmae"'],
    [
      { Name: 'x', Namespace: 'n' },
      400,
      'Request decode failed: json: unknown field "Namespace" - Namespaces are a Consul Enterprise feature',
    ],
    [
      { Name: 'x', Port: 'y' },
      400,
      'Request decode failed: json: cannot unmarshal string into Go struct field ServiceDefinition.Port of type int',
    ],
    [{}, 400, 'Missing service name'],
    [{ Name: 'x', Address: '0.0.0.0' }, 400, 'Invalid service address'],
    [{ Name: 'x', Weights: { Passing: 0 } }, 400, /^Invalid Weights: /],
    [{ Name: 'x', Meta: { 'a b': 'c' } }, 400, /^Invalid Service Meta: /],
    [{ Name: 'x', Check: { Interval: '1s', TTL: '1s' } }, 400, /^Invalid check: /],
    [
      { Name: 'x', Check: { TTL: '1s', Status: 'odd' } },
      400,
      "Status for checks must 'passing', 'warning', 'critical'",
    ],
    [
      { Name: 'x', Check: { Args: ['true'], Interval: '1s' } },
      500,
      "Scripts are disabled on this agent; to enable, configure 'enable_script_checks' or 'enable_local_script_checks' to true",
    ],
  ]
  for (const [body, status, text] of errors) {
    it(`refuses ${JSON.stringify(body)}`, async () => {
      const answer = await agent.put('/v1/agent/service/register', body as object)
      if (typeof text === 'string') assert.equal(answer.text, text)
      else assert.match(answer.text, text)
      assert.equal(answer.status, status)
      assert.equal((await agent.get('/v1/agent/services')).text, '{}')
    })
  }
})

describe('unknown services and checks', () => {
  const service =
    'Unknown service ID "x". Ensure that the service ID is passed, not the service name.'
  const check = 'Unknown check ID "x". Ensure that the check ID is passed, not the check name.'
  const cases: readonly (readonly [string, string, number, string])[] = [
    ['GET', '/v1/agent/service/x', 404, 'unknown service ID: x'],
    ['PUT', '/v1/agent/service/deregister/x', 404, service],
    ['PUT', '/v1/agent/service/maintenance/x?enable=true', 404, service],
    ['PUT', '/v1/agent/service/maintenance/', 400, 'Missing service ID'],
    ['PUT', '/v1/agent/service/maintenance/x', 400, 'Missing value for enable'],
    ['PUT', '/v1/agent/maintenance', 400, 'Missing value for enable'],
    ['PUT', '/v1/agent/maintenance?enable=x', 400, 'Invalid value for enable: "x"'],
    ['PUT', '/v1/agent/check/deregister/x', 404, check],
    ['PUT', '/v1/agent/check/pass/x', 404, check],
    ['PUT', '/v1/agent/check/warn/x', 404, check],
    ['PUT', '/v1/agent/check/fail/x', 404, check],
  ]
  for (const [method, path, status, text] of cases) {
    it(`${method} ${path}`, async () => {
      const answer = await agent.send(method, path)
      assert.equal(answer.text, text)
      assert.equal(answer.status, status)
    })
  }

  it('with slashes are escaped twice', async () => {
    await agent.put('/v1/agent/service/register', { Name: 'web', ID: 'a/b c' })
    assert.equal((await agent.get('/v1/agent/service/a%252Fb%20c')).status, 200)
    assert.equal((await agent.get('/v1/agent/service/a%2Fb%20c')).status, 200)
    assert.equal((await agent.put('/v1/agent/service/deregister/a%2Fb%20c')).status, 200)
  })
})

describe('check/register and updates', () => {
  it('registers, reports and removes a TTL check', async () => {
    const register = await agent.put('/v1/agent/check/register', { Name: 'mem', TTL: '30s' })
    assert.equal(register.text, '')
    assert.equal((await agent.put('/v1/agent/check/pass/mem?note=all%20well')).text, '')
    assert.equal(agent.local.checks().get('mem')?.check.output, 'all well')
    const update = { Status: 'warning', Output: 'hm' }
    assert.equal((await agent.put('/v1/agent/check/update/mem', update)).text, '')
    assert.equal(agent.local.checks().get('mem')?.check.status, 'warning')
    const odd = await agent.put('/v1/agent/check/update/mem', { status: 'odd' })
    assert.equal(odd.text, "Invalid check status: 'odd'")
    assert.equal(odd.status, 400)
    const filter = encodeURIComponent('Status == warning')
    assert.match((await agent.get(`/v1/agent/checks?filter=${filter}`)).text, /^\{"mem":/)
    assert.equal((await agent.get('/v1/agent/checks?filter=Status==passing')).text, '{}')
    assert.equal((await agent.put('/v1/agent/check/deregister/mem')).text, '')
  })

  it('refuses reports to a check without TTL', async () => {
    const tcp = { Name: 'tcp', TCP: '127.0.0.1:1', Interval: '10s' }
    await agent.put('/v1/agent/check/register', tcp)
    const answer = await agent.put('/v1/agent/check/pass/tcp')
    assert.equal(answer.text, 'CheckID "tcp" does not have associated TTL')
    assert.equal(answer.status, 500)
  })

  const errors: readonly (readonly [object, number, string])[] = [
    [{}, 400, 'Missing check name'],
    [{ Name: 'x', TTL: '1s', Status: 'odd' }, 400, 'Bad check status'],
    [{ Name: 'x' }, 400, 'Invalid check: TTL must be > 0 for TTL checks'],
    [
      { Name: 'x', HTTP: 'http://x' },
      400,
      'Invalid check: Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks',
    ],
    [{ Name: 'x', TTL: '1s', ServiceID: 'nope' }, 404, 'ServiceID "nope" does not exist'],
  ]
  for (const [body, status, text] of errors) {
    it(`refuses ${JSON.stringify(body)}`, async () => {
      const answer = await agent.put('/v1/agent/check/register', body)
      assert.equal(answer.text, text)
      assert.equal(answer.status, status)
    })
  }
})

describe('health of local services', () => {
  it('is a status code, a word and a reason', async () => {
    await agent.put('/v1/agent/service/register', { ...WEB, check: { ttl: '60s' } })
    for (const [act, word, status] of [
      ['fail', 'critical', 503],
      ['warn', 'warning', 429],
      ['pass', 'passing', 200],
    ] as const) {
      await agent.put(`/v1/agent/check/${act}/service:web-1`)
      for (const path of ['id/web-1', 'name/web']) {
        const json = await agent.get(`/v1/agent/health/service/${path}`)
        assert.equal(json.status, status)
        assert.equal(json.headers['x-consul-reason'], word)
        assert.ok(json.text.includes(`"AggregatedStatus":"${word}"`))
        const text = await agent.get(`/v1/agent/health/service/${path}?format=text`)
        assert.equal(text.text, word)
        assert.equal(text.status, status)
        assert.equal(text.headers['content-type'], 'text/plain')
        const accepted = await agent.get(`/v1/agent/health/service/${path}`, {
          accept: 'text/plain',
        })
        assert.equal(accepted.text, word)
      }
    }
    assert.equal(
      (await agent.get('/v1/agent/health/service/id/web-1')).text,
      '{"AggregatedStatus":"passing","Service":{"ID":"web-1","Service":"web","Tags":["v2"],"Meta":{},"Port":8080,' +
        '"Address":"10.0.0.5","TaggedAddresses":{"lan_ipv4":{"Address":"10.0.0.5","Port":8080},' +
        '"wan_ipv4":{"Address":"10.0.0.5","Port":8080}},"Weights":{"Passing":1,"Warning":1},' +
        '"EnableTagOverride":false,"Datacenter":"dc1"},"Checks":[{"Node":"n1","CheckID":"service:web-1",' +
        '"Name":"Service \'web\' check","Status":"passing","Notes":"","Output":"","ServiceID":"web-1",' +
        '"ServiceName":"web","ServiceTags":["v2"],"Type":"ttl","Definition":{},"CreateIndex":0,"ModifyIndex":0}]}',
    )
    await agent.put('/v1/agent/maintenance?enable=true')
    const maintenance = await agent.get('/v1/agent/health/service/name/web?format=text')
    assert.equal(maintenance.text, 'maintenance')
    assert.equal(maintenance.status, 503)
  })

  it('of unknown ones is 404', async () => {
    const id = await agent.get('/v1/agent/health/service/id/x')
    assert.equal(id.status, 404)
    assert.equal(id.text, '{"AggregatedStatus":"critical","Checks":null,"Service":null}')
    assert.equal(id.headers['x-consul-reason'], 'ServiceId x not found')
    const name = await agent.get('/v1/agent/health/service/name/x')
    assert.equal(name.text, '[]')
    assert.equal(
      (await agent.get('/v1/agent/health/service/name/x?format=text')).text,
      'ServiceName x Not Found',
    )
    assert.equal(
      (await agent.get('/v1/agent/health/service/id/x?format=text')).text,
      'ServiceId x not found',
    )
    const empty = await agent.get('/v1/agent/health/service/id/')
    assert.equal(empty.status, 500)
    assert.equal(empty.text, 'Missing serviceID')
  })
})

describe('catalog/register', () => {
  const base = { Node: 'ext', Address: '10.2.0.1' }
  const cases: readonly (readonly [unknown, number, string])[] = [
    ['', 400, 'Request decode failed: EOF'],
    [{}, 500, 'Must provide node'],
    [{ Node: 'x' }, 500, 'Must provide address if SkipNodeUpdate is not set'],
    [{ ...base, ID: 'short' }, 500, 'Bad node ID: uuid string is wrong length'],
    [
      { ...base, tagged_addresses: {} },
      400,
      'Request decode failed: json: unknown field "tagged_addresses"',
    ],
    [{ ...base, Service: {} }, 500, 'Must provide service name (Service.Service)'],
    [
      { ...base, Service: { ID: 'x' } },
      500,
      'Must provide service name (Service.Service) when service ID is provided',
    ],
    [{ ...base, Service: { Service: 'x', Address: '::' } }, 500, 'Invalid service address'],
    [
      { ...base, Check: { CheckID: 'c', ServiceID: 'nope' } },
      500,
      "Unknown service ID 'nope' for check ID 'c'",
    ],
    [{ ...base, PeerName: 'p' }, 500, 'cannot register requests with PeerName in them'],
    [{ ...base, Datacenter: 'nowhere' }, 500, 'No path to datacenter'],
    [{ ...base, Service: { Service: 'x', Kind: 'odd' } }, 500, 'unknown service kind "odd"'],
  ]
  for (const [body, status, text] of cases) {
    it(`refuses ${JSON.stringify(body)}`, async () => {
      const answer = await agent.put('/v1/catalog/register', body as object)
      assert.equal(answer.text, text)
      assert.equal(answer.status, status)
    })
  }

  it('stores what is given and takes it away again', async () => {
    const answer = await agent.put('/v1/catalog/register', {
      ...base,
      TaggedAddresses: { wan: '1.1.1.1' },
      Service: { Service: 'old', Port: 1, Weights: { Passing: 5, Warning: 2 } },
      Check: {
        Name: 'c',
        Definition: {
          TCP: 'x:1',
          Interval: '60s',
          timeout: 1_500_000_000,
          TTL: '1s',
          Odd: 1,
          HTTP: '',
        },
      },
    })
    assert.equal(answer.text, 'true')
    const instances = await agent.get('/v1/catalog/service/old')
    assert.match(instances.text, /"ServiceWeights":\{"Passing":5,"Warning":2\},"ServiceMeta":null/)
    const checks = await agent.get('/v1/health/node/ext')
    assert.match(
      checks.text,
      /"CheckID":"c","Name":"c","Status":"critical".*"Definition":\{"Interval":"1m0s","TCP":"x:1","TTL":1000000000,"Timeout":"1.5s"\}/,
    )
    const gone = await agent.put('/v1/catalog/deregister', { Node: 'ext', ServiceID: 'old' })
    assert.equal(gone.text, 'true')
    assert.equal((await agent.get('/v1/catalog/service/old')).text, '[]')
    assert.equal((await agent.put('/v1/catalog/deregister', { Node: 'EXT' })).text, 'true')
    assert.equal((await agent.get('/v1/catalog/node/ext')).text, 'null')
    const noNode = await agent.put('/v1/catalog/deregister', {})
    assert.equal(noNode.text, 'Must provide node')
    assert.equal(noNode.status, 500)
  })
})

describe('acts of the whole agent', () => {
  it('are 501 without a hook', async () => {
    for (const act of ['leave', 'reload']) {
      const answer = await agent.put(`/v1/agent/${act}`)
      assert.equal(answer.status, 501)
      assert.equal(answer.text, `PUT /v1/agent/${act} is not supported by this version of Fairlead`)
    }
  })

  it('call the hook, and tell what was wrong', async () => {
    const done: string[] = []
    await using other = await startAgent(
      {},
      {
        onLeave: async () => void done.push('left'),
        onReload: () => Promise.reject(new Error('invalid port')),
      },
    )
    assert.equal((await other.put('/v1/agent/leave')).status, 200)
    assert.deepEqual(done, ['left'])
    const failed = await other.put('/v1/agent/reload')
    assert.equal(failed.status, 500)
    assert.equal(failed.text, 'invalid port')
  })
})

describe('agent/self, version, host, members', () => {
  it('tell what clients look for', async () => {
    const self = (await agent.get('/v1/agent/self')).json() as Record<
      string,
      Record<string, unknown>
    >
    assert.deepEqual(self['Config'], {
      Datacenter: 'dc1',
      PrimaryDatacenter: 'dc1',
      NodeName: 'n1',
      NodeID: '11111111-aaaa-4444-8888-0000000000a1',
      Revision: '0123abcd',
      Server: true,
      Version: '1.21.4',
      BuildDate: '2026-01-10T12:00:00Z',
    })
    assert.equal(self['Member']?.['Name'], 'n1')
    assert.equal(self['Meta']?.['consul-version'], '1.21.4')
    assert.equal(self['DebugConfig']?.['GRPCPort'], -1)
    assert.deepEqual(self['xDS']?.['Ports'], { Plaintext: -1, TLS: -1 })
    for (const group of Object.values(self['Stats'] ?? {})) {
      for (const value of Object.values(group as object)) assert.equal(typeof value, 'string')
    }
    assert.equal(
      (await agent.get('/v1/agent/version')).text,
      '{"SHA":"0123abcd","BuildDate":"2026-01-10T12:00:00Z","HumanVersion":"1.21.4","FIPS":""}',
    )
    const host = (await agent.get('/v1/agent/host')).json() as Record<string, unknown>
    assert.ok((host['Memory'] as { total: number }).total > 0)
    const wan = (await agent.get('/v1/agent/members?wan=1')).json() as { Name: string }[]
    assert.equal(wan[0]?.Name, 'n1.dc1')
    assert.equal((await agent.get('/v1/agent/members?filter=Name==other')).text, '[]')
  })
})
