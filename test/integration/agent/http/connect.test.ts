/**
 * CA, intentions, authorize and config entries over HTTP (http-api.md 22, 23; mesh.md 4.10, 6, 7).
 */

import assert from 'node:assert/strict'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { after, afterEach, before, describe, it } from 'node:test'
import { CLUSTER_ID, type RunningAgent, startAgent } from './running-agent.ts'

let agent: RunningAgent

before(async () => {
  agent = await startAgent()
  // The server is ready a moment before its certificate authority.
  for (let roots = await rootsAfter(0); roots.count === 0; ) roots = await rootsAfter(roots.index)
})

/** Blocks until something has changed since `index`. */
async function rootsAfter(
  index: number,
): Promise<{ readonly count: number; readonly index: number }> {
  const answer = await agent.get(`/v1/connect/ca/roots?index=${index}&wait=10s`)
  const { Roots } = answer.json() as { readonly Roots: readonly unknown[] }
  return { count: Roots.length, index: Number(answer.headers['x-consul-index']) }
}

after(async () => {
  await agent[Symbol.asyncDispose]()
  assert.deepEqual(agent.errors, [])
})

afterEach(async () => {
  const known = (await agent.get('/v1/connect/intentions')).json() as Pair[] | null
  for (const { SourceName, DestinationName } of known ?? []) {
    await agent.send('DELETE', exact(SourceName, DestinationName))
  }
})

interface Pair {
  readonly SourceName: string
  readonly DestinationName: string
  readonly Precedence: number
}

function exact(source: string, destination: string): string {
  return `/v1/connect/intentions/exact?source=${source}&destination=${destination}`
}

describe('certificates', () => {
  it('are listed as roots, by the servers and through the agent', async () => {
    const roots = await agent.get('/v1/connect/ca/roots')
    const found = roots.json() as { TrustDomain: string; Roots: { RootCert: string }[] }
    assert.equal(found.TrustDomain, `${CLUSTER_ID}.consul`)
    assert.match(roots.text, /"IntermediateCerts":null,"Active":true,"PrivateKeyType":"ec"/)
    assert.match(roots.text, /"Backend":0,"ResultsFilteredByACLs":false\}$/)
    const first = await agent.get('/v1/agent/connect/ca/roots')
    assert.equal(first.headers['x-cache'], 'MISS')
    assert.equal((await agent.get('/v1/agent/connect/ca/roots')).headers['x-cache'], 'HIT')
    assert.deepEqual((first.json() as typeof found).Roots, found.Roots)
    const pem = await agent.get('/v1/connect/ca/roots?pem=true')
    assert.equal(pem.headers['content-type'], 'application/pem-certificate-chain')
    assert.equal(pem.text, found.Roots[0]?.RootCert)
    const odd = await agent.get('/v1/connect/ca/roots?pem=x')
    assert.equal(odd.status, 400)
    assert.equal(odd.text, "The 'pem' query parameter must be a boolean value")
  })

  it('are made for any service name, and kept', async () => {
    const answer = await agent.get('/v1/agent/connect/ca/leaf/web')
    assert.equal(answer.headers['x-cache'], 'MISS')
    const leaf = answer.json() as Record<string, string>
    assert.equal(leaf['Service'], 'web')
    assert.equal(leaf['ServiceURI'], `spiffe://${CLUSTER_ID}.consul/ns/default/dc/dc1/svc/web`)
    assert.match(leaf['PrivateKeyPEM'] ?? '', /^-----BEGIN EC PRIVATE KEY-----\n/)
    const certificate = new X509Certificate(leaf['CertPEM'] ?? '')
    const roots = await agent.get('/v1/connect/ca/roots?pem=1')
    assert.ok(certificate.verify(new X509Certificate(roots.text).publicKey))
    const again = await agent.get('/v1/agent/connect/ca/leaf/web')
    assert.equal(again.headers['x-cache'], 'HIT')
    assert.equal(again.text, answer.text)
    assert.match(String(again.headers['x-consul-index']), /^[1-9]/)
  })

  it('have a configuration that can be read', async () => {
    const answer = await agent.get('/v1/connect/ca/configuration')
    assert.match(answer.text, /^\{"Provider":"consul","Config":\{.*"LeafCertTTL":"72h0m0s"/)
  })

  describe('have a configuration that can be changed', () => {
    const path = '/v1/connect/ca/configuration'
    interface Configuration {
      readonly Provider: string
      readonly Config: Readonly<Record<string, unknown>>
      readonly ModifyIndex: number
    }

    it('as far as the root stays', async () => {
      const before = (await agent.get(path)).json() as Configuration
      // As the Go client sends it: durations as nanoseconds, keys that are not set as ''.
      const Config = { ...before.Config, LeafCertTTL: 7_200_000_000_000, PrivateKey: '' }
      const put = await agent.put(path, { ...before, Config, State: null })
      assert.deepEqual([put.status, put.text], [200, ''])
      const after = (await agent.get(path)).json() as Configuration
      assert.deepEqual(after.Config, { ...before.Config, LeafCertTTL: 7_200_000_000_000 })
      assert.ok(after.ModifyIndex > before.ModifyIndex)
      const leaf = (await agent.get('/v1/agent/connect/ca/leaf/short')).json() as {
        readonly CertPEM: string
      }
      const { validFromDate, validToDate } = new X509Certificate(leaf.CertPEM)
      const hours = (validToDate.getTime() - validFromDate.getTime()) / 3_600_000
      assert.ok(hours < 4, `the leaf lives ${hours} hours`)
      assert.equal((await agent.put(path, before)).status, 200)
    })

    it('with another key, which makes another root', async () => {
      const before = (await agent.get(path)).json() as Configuration
      const key = generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).privateKey
      const PrivateKey = key.export({ type: 'sec1', format: 'pem' }).toString()
      assert.equal((await agent.put(path, { ...before, Config: { PrivateKey } })).status, 200)
      const rotated = (await agent.get('/v1/connect/ca/roots')).json() as {
        readonly ActiveRootID: string
        readonly Roots: readonly Readonly<Record<string, unknown>>[]
      }
      assert.equal(rotated.Roots.length, 2)
      const active = rotated.Roots.find(({ Active }) => Active === true)
      assert.equal(active?.['ID'], rotated.ActiveRootID)
      assert.deepEqual([active?.['PrivateKeyType'], active?.['PrivateKeyBits']], ['ec', 384])
      assert.equal(Array.isArray(active?.['IntermediateCerts']), true)
      assert.equal((await agent.get(path)).text.includes('PRIVATE'), false)
      const leaf = (await agent.get('/v1/agent/connect/ca/leaf/rotated')).json() as {
        readonly CertPEM: string
      }
      const root = new X509Certificate(String(active?.['RootCert']))
      assert.ok(new X509Certificate(leaf.CertPEM).checkIssued(root))
      assert.equal(leaf.CertPEM.match(/BEGIN/g)?.length, 2)
      assert.equal((await agent.put(path, before)).status, 200)
      const still = (await agent.get('/v1/connect/ca/roots')).json() as typeof rotated
      assert.equal(still.ActiveRootID, rotated.ActiveRootID)
    })

    const refused: readonly (readonly [string, unknown, number, RegExp])[] = [
      ['no body', '', 400, /^Request decode failed: EOF$/],
      ['no provider', {}, 400, /Provider/],
      ['another provider', { Provider: 'aws-pca', Config: {} }, 501, /"aws-pca" is not supported/],
      ['a short leaf', { Provider: 'consul', Config: { LeafCertTTL: '1s' } }, 400, /leaf cert TTL/],
      ['a state', { Provider: 'consul', Config: {}, State: { a: 'b' } }, 400, /State is read-only/],
    ]
    for (const [what, body, status, message] of refused) {
      it(`not with ${what}`, async () => {
        const answer = await agent.put(path, body as object)
        assert.equal(answer.status, status, answer.text)
        assert.match(answer.text, message)
      })
    }
  })
})

describe('intentions', () => {
  it('are written, read, listed by precedence and deleted as a pair', async () => {
    assert.equal((await agent.put(exact('*', 'db'), { Action: 'deny' })).text, 'true')
    const body = { Action: 'allow', Description: 'yes', Meta: { a: 'b' }, SourceType: 'consul' }
    assert.equal((await agent.put(exact('web', 'db'), body)).text, 'true')
    const found = await agent.get(exact('web', 'db'))
    assert.match(found.text, /^\{"Description":"yes","SourceNS":"default","SourceName":"web"/)
    assert.equal((await agent.put(exact('web', 'db'), found.json() as object)).text, 'true')
    const listed = (await agent.get('/v1/connect/intentions')).json() as Pair[]
    assert.deepEqual(
      listed.map((rule) => [rule.SourceName, rule.Precedence]),
      [
        ['web', 9],
        ['*', 8],
      ],
    )
    const filter = encodeURIComponent('Action == deny')
    const denied = (await agent.get(`/v1/connect/intentions?filter=${filter}`)).json() as Pair[]
    assert.equal(denied.length, 1)
    assert.equal((await agent.send('DELETE', exact('web', 'db'))).text, 'true')
    assert.equal((await agent.send('DELETE', exact('web', 'db'))).text, 'true')
    const gone = await agent.get(exact('web', 'db'))
    assert.equal(gone.status, 404)
    assert.equal(gone.text, 'Intention not found')
  })

  it('match by source or destination', async () => {
    await agent.put(exact('web', 'db'), { Action: 'allow' })
    await agent.put(exact('*', '*'), { Action: 'deny' })
    const path = '/v1/connect/intentions/match'
    const answer = await agent.get(`${path}?by=destination&name=db&name=default/api`)
    const found = answer.json() as Record<string, Pair[]>
    assert.deepEqual(Object.keys(found), ['db', 'default/api'])
    assert.equal(found['db']?.length, 2)
    assert.equal(found['default/api']?.[0]?.SourceName, '*')
    const bySource = (await agent.get(`${path}?by=source&name=web`)).json() as typeof found
    assert.equal(bySource['web']?.[0]?.DestinationName, 'db')
  })

  it('decide checks and authorizations; permissions deny at this layer', async () => {
    await agent.put(exact('web', 'db'), { Action: 'allow' })
    await agent.put(exact('*', 'db'), { Action: 'deny' })
    const permissions = [{ Action: 'allow', HTTP: { PathPrefix: '/' } }]
    await agent.put('/v1/config', { Kind: 'service-defaults', Name: 'api', Protocol: 'http' })
    await agent.put(exact('web', 'api'), { Permissions: permissions })
    for (const [source, destination, allowed] of [
      ['web', 'db', true],
      ['cart', 'db', false],
      ['cart', 'other', true],
      ['web', 'api', false],
    ] as const) {
      const query = `source=${source}&destination=${destination}`
      const check = await agent.get(`/v1/connect/intentions/check?${query}`)
      assert.equal(check.text, `{"Allowed":${allowed}}`, query)
      const answer = await authorize(destination, uri(source))
      assert.equal((answer.json() as { Authorized: boolean }).Authorized, allowed)
      assert.ok(answer.headers['x-cache'])
    }
    assert.equal(
      (await authorize('db', uri('web'))).text,
      '{"Authorized":true,"Reason":"Matched L4 intention: default/web =\\u003e default/db (Precedence: 9, Action: ALLOW)"}',
    )
    assert.match((await authorize('api', uri('web'))).text, /Matched L7 intention/)
    assert.match((await authorize('x', uri('web'))).text, /Default behavior configured by ACLs/)
  })

  function uri(service: string): string {
    return `spiffe://${CLUSTER_ID}.consul/ns/default/dc/dc1/svc/${service}`
  }

  function authorize(target: string, clientCertUri: string) {
    const body = { Target: target, ClientCertURI: clientCertUri, ClientCertSerial: '04:00' }
    return agent.send('POST', '/v1/agent/connect/authorize', { body })
  }

  it('are still written by id', async () => {
    const body = { SourceName: 'web', DestinationName: 'db', Action: 'allow' }
    const created = await agent.send('POST', '/v1/connect/intentions', { body })
    const { ID } = created.json() as { ID: string }
    const path = `/v1/connect/intentions/${ID}`
    assert.match((await agent.get(path)).text, new RegExp(`^\\{"ID":"${ID}"`))
    assert.equal((await agent.put(path, { ...body, Action: 'deny' })).text, `{"ID":"${ID}"}`)
    assert.match((await agent.get(path)).text, /"Action":"deny"/)
    assert.equal((await agent.send('DELETE', path)).text, 'true')
    assert.equal((await agent.get(path)).status, 404)
    const put = await agent.put(path, body)
    assert.equal(put.status, 500)
    assert.equal(put.text, `Cannot modify non-existent intention: '${ID}'`)
    assert.equal((await agent.get('/v1/connect/intentions/x')).status, 400)
  })

  const errors: readonly (readonly [
    string,
    string,
    object | undefined,
    number,
    string | RegExp,
  ])[] = [
    [
      'GET',
      '/v1/connect/intentions/exact',
      undefined,
      500,
      "required query parameter 'source' not set",
    ],
    [
      'GET',
      '/v1/connect/intentions/exact?source=a',
      undefined,
      500,
      "required query parameter 'destination' not set",
    ],
    [
      'GET',
      '/v1/connect/intentions/check?source=a',
      undefined,
      500,
      "required query parameter 'destination' not set",
    ],
    [
      'GET',
      '/v1/connect/intentions/match',
      undefined,
      500,
      "required query parameter 'by' not set",
    ],
    [
      'GET',
      '/v1/connect/intentions/match?by=source',
      undefined,
      500,
      "required query parameter 'name' not set",
    ],
    [
      'GET',
      '/v1/connect/intentions/match?by=x&name=a',
      undefined,
      500,
      "'by' parameter must be one of 'source' or 'destination'",
    ],
    ['PUT', exact('a', 'b'), {}, 500, "Sources[0].Action must be set to 'allow' or 'deny'"],
    [
      'PUT',
      exact('a', 'b'),
      { Action: 'x' },
      400,
      "Sources[0].Action must be set to 'allow' or 'deny'",
    ],
    [
      'PUT',
      exact('a', 'b'),
      { Action: 'allow', Permissions: [{ Action: 'allow', HTTP: { PathExact: '/' } }] },
      500,
      'Sources[0].Action must be omitted if Permissions are specified',
    ],
    ['PUT', exact('a', 'b'), { Actoin: 'x' }, 400, /unknown field "Actoin"/],
    ['PUT', exact('team/a', 'b'), { Action: 'allow' }, 400, /only the default namespace exists/],
    ['PUT', exact('a*', 'b'), { Action: 'allow' }, 500, /wildcard character '\*' cannot be used/],
    ['POST', '/v1/agent/connect/authorize', {}, 400, 'Target service must be specified'],
    [
      'POST',
      '/v1/agent/connect/authorize',
      { Target: 'a', ClientCertURI: 'http://x' },
      400,
      'ClientCertURI not a valid Connect identifier',
    ],
    [
      'POST',
      '/v1/agent/connect/authorize',
      { Target: 'a', ClientCertURI: `spiffe://${CLUSTER_ID}.consul/agent/server/dc/dc1` },
      400,
      'ClientCertURI not a valid Service identifier',
    ],
  ]
  for (const [method, path, body, status, text] of errors) {
    it(`${method} ${path} with ${JSON.stringify(body)} is refused`, async () => {
      const answer = await agent.send(method, path, body === undefined ? {} : { body })
      if (typeof text === 'string') assert.equal(answer.text, text)
      else assert.match(answer.text, text)
      assert.equal(answer.status, status)
    })
  }
})

describe('config entries', () => {
  it('are stored in the printed spelling, whichever was given', async () => {
    const put = await agent.put('/v1/config', {
      kind: 'service-defaults',
      name: 'web',
      protocol: 'HTTP',
      max_inbound_connections: 5,
      UpstreamConfig: { defaults: { connect_timeout_ms: 10 } },
      mesh_gateway: { mode: 'local' },
      meta: { any_key: 'kept' },
    })
    assert.equal(put.text, 'true')
    const found = await agent.get('/v1/config/service-defaults/web')
    assert.equal(
      found.text.replace(/Index":\d+/g, 'Index":0'),
      '{"Kind":"service-defaults","Name":"web","Expose":{},"MaxInboundConnections":5,' +
        '"MeshGateway":{"Mode":"local"},"Meta":{"any_key":"kept"},"Protocol":"http","TransparentProxy":{},' +
        '"UpstreamConfig":{"Defaults":{"ConnectTimeoutMs":10}},"CreateIndex":0,"ModifyIndex":0}',
    )
    assert.equal((await agent.put('/v1/config', found.json() as object)).text, 'true')
    const filter = encodeURIComponent('Protocol == http')
    const listed = await agent.get(`/v1/config/service-defaults?filter=${filter}`)
    assert.match(listed.text, /"Name":"web"/)
    assert.equal((await agent.send('DELETE', '/v1/config/service-defaults/web')).text, '{}')
    const gone = await agent.get('/v1/config/service-defaults/web')
    assert.equal(gone.status, 404)
    assert.equal(gone.text, 'Config entry not found for "service-defaults" / "web"')
  })

  it('are written and deleted at the expected index only', async () => {
    const body = { Kind: 'service-resolver', Name: 'r', ConnectTimeout: '5s' }
    assert.equal((await agent.put('/v1/config?cas=0', body)).text, 'true')
    assert.equal(
      (await agent.put('/v1/config?cas=0', { ...body, ConnectTimeout: '6s' })).text,
      'false',
    )
    assert.equal((await agent.send('DELETE', '/v1/config/service-resolver/r?cas=1')).text, 'false')
    const { ModifyIndex } = (await agent.get('/v1/config/service-resolver/r')).json() as {
      ModifyIndex: number
    }
    const path = `/v1/config/service-resolver/r?cas=${ModifyIndex}`
    assert.equal((await agent.send('DELETE', path)).text, 'true')
  })

  it('know the kinds with one name', async () => {
    const put = await agent.put('/v1/config', {
      Kind: 'proxy-defaults',
      Config: { any: { thing: 1 } },
    })
    assert.equal(put.text, 'true')
    const found = await agent.get('/v1/config/proxy-defaults/global')
    assert.match(found.text, /"Config":\{"any":\{"thing":1\}\}/)
  })

  it('show intentions as service-intentions', async () => {
    await agent.put(exact('web', 'db'), { Action: 'allow' })
    await agent.put(exact('*', 'db'), { Action: 'deny' })
    const found = await agent.get('/v1/config/service-intentions/db')
    assert.match(
      found.text,
      /^\{"Kind":"service-intentions","Name":"db","Sources":\[\{"Name":"web","Action":"allow","Precedence":9,"Type":"consul"\},\{"Name":"\*","Action":"deny","Precedence":8,"Type":"consul"\}\]/,
    )
    assert.equal((await agent.get('/v1/config/service-intentions')).text, `[${found.text}]`)
    assert.equal((await agent.get('/v1/config/service-intentions/x')).status, 404)
  })

  const errors: readonly (readonly [unknown, number, string])[] = [
    ['', 400, 'Request decoding failed: EOF'],
    [
      {},
      400,
      'Request decoding failed: 1 error occurred:\n\t* Payload does not contain a kind/Kind key at the top level\n\n',
    ],
    [
      { Kind: 1 },
      400,
      'Request decoding failed: 1 error occurred:\n\t* Kind value in payload is not a string\n\n',
    ],
    [
      { Kind: 'odd' },
      400,
      'Request decoding failed: 1 error occurred:\n\t* invalid config entry kind: odd\n\n',
    ],
    [
      { Kind: 'service-defaults', Name: 'x', Protcol: 'http', Expose: { Odd: 1 } },
      400,
      'Request decoding failed: 2 errors occurred:\n\t* invalid config key "Protcol"\n\t* invalid config key "Expose.Odd"\n\n',
    ],
    [
      { Kind: 'service-defaults', Name: 'x', Protocol: 5 },
      400,
      'Request decoding failed: 1 error occurred:\n\t* "Protocol" must be a string\n\n',
    ],
    [{ Kind: 'service-defaults' }, 500, 'Name is required'],
    [
      { Kind: 'service-defaults', Name: '*' },
      500,
      'service-defaults name must be the name of a service, and not a wildcard',
    ],
    [
      { Kind: 'service-defaults', Name: 'x', Protocol: 'smtp' },
      500,
      'invalid value for protocol: smtp',
    ],
    [{ Kind: 'proxy-defaults', Name: 'x' }, 500, 'invalid name ("x"), only "global" is supported'],
    [
      { Kind: 'mesh', Meta: { ['k'.repeat(129)]: 'v' } },
      500,
      `Meta key "${'k'.repeat(129)}" exceeds maximum length 128`,
    ],
  ]
  for (const [body, status, text] of errors) {
    it(`refuse ${JSON.stringify(body).slice(0, 80)}`, async () => {
      const answer = await agent.put('/v1/config', body as object)
      assert.equal(answer.text, text)
      assert.equal(answer.status, status)
    })
  }

  it('refuse paths that name no entry', async () => {
    assert.equal((await agent.get('/v1/config/odd')).text, 'invalid config entry kind: odd')
    assert.equal((await agent.get('/v1/config/')).status, 404)
    for (const path of ['service-defaults', 'service-defaults/']) {
      const answer = await agent.send('DELETE', `/v1/config/${path}`)
      assert.equal(answer.status, 404)
      assert.equal(answer.text, 'Must provide both a kind and name to delete')
    }
    const filter = await agent.get('/v1/config/mesh?filter=Name==x')
    assert.equal(filter.status, 500)
    assert.equal(filter.text, 'filtering not supported for config entry kind=mesh')
  })
})
