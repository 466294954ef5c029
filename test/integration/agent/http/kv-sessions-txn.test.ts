/**
 * KV, sessions and transactions: flags, texts, codes, sizes (http-api.md 13, 14, 17).
 */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type RunningAgent, startAgent } from './running-agent.ts'

let agent: RunningAgent

before(async () => {
  agent = await startAgent({ kvMaxValueSize: 1000, txnMaxReqLen: 8000 })
})

after(async () => {
  await agent[Symbol.asyncDispose]()
  assert.deepEqual(agent.errors, [])
})

interface Entry {
  readonly Key: string
  readonly LockIndex: number
  readonly ModifyIndex: number
  readonly Session?: string
}

async function entry(key: string): Promise<Entry> {
  const [found] = (await agent.get(`/v1/kv/${key}`)).json() as Entry[]
  assert.ok(found)
  return found
}

async function newSession(body: object = {}): Promise<string> {
  const answer = await agent.put('/v1/session/create', body)
  assert.equal(answer.status, 200, answer.text)
  return (answer.json() as { ID: string }).ID
}

describe('kv', () => {
  it('answers writes with true or false', async () => {
    assert.equal((await agent.put('/v1/kv/k', 'a')).text, 'true')
    assert.equal((await agent.put('/v1/kv/k?cas=0', 'b')).text, 'false')
    const { ModifyIndex } = await entry('k')
    assert.equal((await agent.put(`/v1/kv/k?cas=${ModifyIndex}`, 'b')).text, 'true')
    assert.equal((await agent.send('DELETE', `/v1/kv/k?cas=${ModifyIndex}`)).text, 'false')
    assert.equal((await agent.send('DELETE', '/v1/kv/k')).text, 'true')
    assert.equal((await agent.send('DELETE', '/v1/kv/k')).text, 'true')
    assert.equal((await agent.send('DELETE', '/v1/kv/k?cas=7')).text, 'true')
  })

  it('keeps an identical write from moving the index', async () => {
    await agent.put('/v1/kv/same', 'a')
    const { ModifyIndex } = await entry('same')
    await agent.put('/v1/kv/same', 'a')
    assert.equal((await entry('same')).ModifyIndex, ModifyIndex)
  })

  it('prints an empty value as null and keeps slashes and escapes in keys', async () => {
    await agent.put('/v1/kv/a%2Fb%2F%2Fc%20%C3%A4', '')
    const answer = await agent.get('/v1/kv/a%2F?recurse')
    assert.match(answer.text, /"Key":"a\/b\/\/c ä","Flags":0,"Value":null/)
    assert.equal((await agent.get('/v1/kv/a?keys&separator=/')).text, '["a/"]')
    assert.equal((await agent.send('DELETE', '/v1/kv/a?recurse')).text, 'true')
    assert.equal((await agent.get('/v1/kv/a?recurse')).status, 404)
  })

  it('returns the raw value as harmless text', async () => {
    await agent.put('/v1/kv/page', '<script>')
    const answer = await agent.get('/v1/kv/page?raw')
    assert.equal(answer.text, '<script>')
    assert.equal(answer.headers['content-type'], 'text/plain')
    assert.equal(answer.headers['x-content-type-options'], 'nosniff')
    assert.equal(answer.headers['content-security-policy'], 'sandbox')
  })

  it('locks, shows the holder, and releases', async () => {
    const [first, second] = [await newSession(), await newSession()]
    assert.equal((await agent.put(`/v1/kv/lock?acquire=${first}`, 'x')).text, 'true')
    assert.equal((await agent.put(`/v1/kv/lock?acquire=${second}`, 'x')).text, 'false')
    assert.equal((await agent.put(`/v1/kv/lock?release=${second}`, 'x')).text, 'false')
    assert.equal((await entry('lock')).Session, first)
    assert.equal((await agent.put(`/v1/kv/lock?release=${first}`, 'x')).text, 'true')
    const released = await entry('lock')
    assert.equal(released.Session, undefined)
    assert.equal(released.LockIndex, 1)
  })

  const errors: readonly (readonly [string, string, number, string])[] = [
    ['PUT', '/v1/kv/', 400, 'Missing key name'],
    ['DELETE', '/v1/kv/', 400, 'Missing key name'],
    ['PUT', '/v1/kv/a?cas=0&acquire=x', 400, 'Conflicting flags: acquire=x&cas=0\n'],
    ['PUT', '/v1/kv/a?release=x&acquire=y', 400, 'Conflicting flags: acquire=y&release=x\n'],
    ['DELETE', '/v1/kv/a?recurse&cas=1', 400, 'Conflicting flags: cas=1&recurse=\n'],
    ['PUT', '/v1/kv/a?flags=x', 500, 'strconv.ParseUint: parsing "x": invalid syntax'],
    [
      'PUT',
      '/v1/kv/a?flags=18446744073709551616',
      500,
      'strconv.ParseUint: parsing "18446744073709551616": value out of range',
    ],
    ['PUT', '/v1/kv/a?cas=x', 500, 'strconv.ParseUint: parsing "x": invalid syntax'],
    ['PUT', '/v1/kv/a?acquire=nope', 500, 'invalid session "nope"'],
    ['PUT', '/v1/kv/a?dc=nowhere', 500, 'No path to datacenter'],
  ]
  for (const [method, path, status, text] of errors) {
    it(`${method} ${path} says ${text.trim()}`, async () => {
      const answer = await agent.send(method, path, method === 'PUT' ? { body: 'v' } : {})
      assert.equal(answer.text, text)
      assert.equal(answer.status, status)
    })
  }

  it('refuses values over the limit, with and without a length', async () => {
    const see =
      'See https://developer.hashicorp.com/docs/agent/config/config-files#kv_max_value_size.'
    const long = 'x'.repeat(1001)
    const sized = await agent.put('/v1/kv/big', long)
    assert.equal(sized.status, 413)
    assert.equal(sized.text, `Request body(1001 bytes) too large, max size: 1000 bytes. ${see}`)
    const chunked = await agent.send('PUT', '/v1/kv/big', {
      body: long,
      headers: { 'transfer-encoding': 'chunked' },
    })
    assert.equal(chunked.status, 413)
    assert.equal(chunked.text, `Request body too large, max size: 1000 bytes. ${see}`)
    assert.equal((await agent.get('/v1/kv/big')).status, 404)
    assert.equal((await agent.put('/v1/kv/big', 'x'.repeat(1000))).text, 'true')
  })
})

describe('session', () => {
  it('takes an empty body and unknown fields', async () => {
    const id = await newSession({ Colour: 'blue' })
    const answer = await agent.get(`/v1/session/info/${id}`)
    assert.match(
      answer.text,
      /^\[\{"ID":"[0-9a-f-]{36}","Name":"","Node":"n1","LockDelay":15000000000,"Behavior":"release","TTL":"","NodeChecks":\["serfHealth"\],"ServiceChecks":null,"CreateIndex":\d+,"ModifyIndex":\d+\}\]$/,
    )
    assert.equal((await agent.put('/v1/session/create')).status, 200)
  })

  it('reads lock delays as text, seconds or nanoseconds, within bounds', async () => {
    for (const [given, ns] of [
      ['0.001s', 1_000_000],
      [5, 5_000_000_000],
      [2_000_000, 2_000_000],
      ['10m', 60_000_000_000],
      // Kept in whole milliseconds: a fraction of one must not reach the log.
      [1000, 1_000_000],
      ['1500us', 2_000_000],
      ['-1s', 0],
    ] as const) {
      const id = await newSession({ lockdelay: given })
      const [session] = (await agent.get(`/v1/session/info/${id}`)).json() as [
        { LockDelay: number },
      ]
      assert.equal(session.LockDelay, ns)
    }
  })

  it('takes a TTL with a fraction of a millisecond', async () => {
    const id = await newSession({ TTL: '10000.5ms' })
    assert.match((await agent.get(`/v1/session/info/${id}`)).text, /"TTL":"10000\.5ms"/)
  })

  it('renews, lists and ends', async () => {
    const id = await newSession({ Name: 'n', TTL: '10s', Behavior: 'delete', Checks: [] })
    const renewed = await agent.put(`/v1/session/renew/${id}`)
    assert.match(renewed.text, /"TTL":"10s"/)
    assert.match((await agent.get('/v1/session/node/n1')).text, new RegExp(id))
    assert.equal((await agent.put(`/v1/session/destroy/${id}`)).text, 'true')
    assert.equal((await agent.put(`/v1/session/destroy/${id}`)).text, 'true')
    assert.equal((await agent.get(`/v1/session/info/${id}`)).text, '[]')
    const elsewhere = await agent.put(`/v1/session/renew/${id}?dc=dc9`)
    assert.deepEqual([elsewhere.status, elsewhere.text], [500, 'No path to datacenter'])
    const gone = await agent.put(`/v1/session/renew/${id}`)
    assert.equal(gone.status, 404)
    assert.equal(gone.text, `Session id '${id}' not found`)
  })

  const errors: readonly (readonly [object, number, string])[] = [
    [{ Node: 'nope' }, 500, 'Missing node registration'],
    [{ Behavior: 'x' }, 500, "Invalid Behavior setting 'x'"],
    [{ TTL: '5s' }, 500, "Invalid Session TTL '5000000000', must be between [10s=24h0m0s]"],
    [{ TTL: '25h' }, 500, "Invalid Session TTL '90000000000000', must be between [10s=24h0m0s]"],
    [{ Checks: ['nope'] }, 500, "Missing check 'nope' registration"],
    [{ LockDelay: 'x' }, 400, 'Request decode failed: time: invalid duration "x"'],
    [
      { Name: 1 },
      400,
      'Request decode failed: json: cannot unmarshal number into Go struct field Session.Name of type string',
    ],
  ]
  for (const [body, status, text] of errors) {
    it(`create with ${JSON.stringify(body)} says ${text}`, async () => {
      const answer = await agent.put('/v1/session/create', body)
      assert.equal(answer.text, text)
      assert.equal(answer.status, status)
    })
  }

  it('needs an id or a node in the path', async () => {
    for (const path of ['destroy/', 'renew/']) {
      const answer = await agent.put(`/v1/session/${path}`)
      assert.equal(answer.status, 400)
      assert.equal(answer.text, 'Missing session')
    }
    assert.equal((await agent.get('/v1/session/info/')).text, 'Missing session')
    assert.equal((await agent.get('/v1/session/node/')).text, 'Missing node name')
  })
})

describe('txn', () => {
  it('applies operations of all types and returns their records', async () => {
    const answer = await agent.put('/v1/txn', [
      { KV: { Verb: 'set', Key: 't/a', Value: 'MQ==', Flags: 3 } },
      { Node: { Verb: 'set', Node: { Node: 'ext', Address: '10.9.9.9' } } },
      { Service: { Verb: 'set', Node: 'ext', Service: { Service: 'db', Port: 1 } } },
      { Check: { Verb: 'set', Check: { Node: 'ext', CheckID: 'c', Status: 'passing' } } },
      { KV: { Verb: 'get-tree', Key: 't/' } },
      { KV: { Verb: 'delete', Key: 't/a' } },
    ])
    assert.equal(answer.status, 200, answer.text)
    const { Results, Errors } = answer.json() as { Results: object[]; Errors: null }
    assert.equal(Errors, null)
    assert.deepEqual(
      Results.map((result) => Object.keys(result)[0]),
      ['KV', 'Node', 'Service', 'Check', 'KV'],
    )
    assert.match(
      answer.text,
      /^\{"Results":\[\{"KV":\{"LockIndex":0,"Key":"t\/a","Flags":3,"Value":null,/,
    )
    assert.match(answer.text, /"Key":"t\/a","Flags":3,"Value":"MQ=="/)
  })

  it('fails as a whole with 409 and the exact texts', async () => {
    const answer = await agent.put('/v1/txn', [
      { KV: { Verb: 'set', Key: 'u/a', Value: '' } },
      { KV: { Verb: 'cas', Key: 'u/b', Value: '', Index: 3 } },
      { KV: { Verb: 'check-not-exists', Key: 'u/a' } },
    ])
    assert.equal(answer.status, 409)
    assert.equal(
      answer.text,
      '{"Results":null,"Errors":[{"OpIndex":1,"What":"failed to set key \\"u/b\\", index is stale"},' +
        '{"OpIndex":2,"What":"key \\"u/a\\" exists"}]}',
    )
    assert.equal((await agent.get('/v1/kv/u/a')).status, 404)
  })

  it('takes an index as the unsigned number it is', async () => {
    const kv = (given: object): object => ({ KV: { Verb: 'cas', Key: 'v', Value: '', ...given } })
    const node = { Verb: 'cas', Node: { Node: 'ext', Address: '10.9.9.9', ModifyIndex: -1 } }
    for (const op of [kv({ Index: -1 }), kv({ Index: 1.5 }), { Node: node }]) {
      const answer = await agent.put('/v1/txn', [op])
      assert.equal(answer.status, 400, answer.text)
      assert.match(answer.text, /^Failed to parse body: json: cannot unmarshal number .*uint64$/)
    }
    const largest = '[{"KV":{"Verb":"cas","Key":"v","Value":"","Index":18446744073709551615}}]'
    assert.equal((await agent.put('/v1/txn', largest)).status, 409)
  })

  it('of reads alone goes past Raft and carries metadata', async () => {
    const answer = await agent.put('/v1/txn?stale', [{ KV: { Verb: 'get-or-empty', Key: 'none' } }])
    assert.equal(
      answer.text,
      '{"Results":[{"KV":{"LockIndex":0,"Key":"none","Flags":0,"Value":null,"CreateIndex":0,"ModifyIndex":0}}],' +
        '"Errors":null,"Index":0,"LastContact":0,"KnownLeader":true,"ConsistencyLevel":"","NotModified":false,' +
        '"Backend":0,"ResultsFilteredByACLs":false}',
    )
    assert.equal(answer.headers['x-consul-knownleader'], 'true')
    assert.equal(answer.headers['x-consul-index'], undefined)
    const missing = await agent.put('/v1/txn', [{ KV: { Verb: 'get', Key: 'none' } }])
    assert.equal(missing.status, 409)
    assert.match(missing.text, /"What":"key \\"none\\" doesn't exist"/)
  })

  const op = { KV: { Verb: 'get', Key: 'a' } }
  const errors: readonly (readonly [string, unknown, number, string | RegExp])[] = [
    ['an empty body', '', 400, 'Failed to parse body: EOF'],
    ['no list', {}, 400, /^Failed to parse body: json: cannot unmarshal object into Go value/],
    ['broken JSON', '[', 400, /^Failed to parse body: /],
    [
      'an unknown field',
      [{ KV: { Verb: 'get', Kye: 'a' } }],
      400,
      'Failed to parse body: json: unknown field "Kye"',
    ],
    [
      'bad base64',
      [{ KV: { Verb: 'set', Key: 'a', Value: '%' } }],
      400,
      'Failed to parse body: illegal base64 data',
    ],
    ['an empty operation', [{}], 400, /^Failed to parse body: operation 0 lacks/],
    [
      'too many operations',
      Array(129).fill(op),
      413,
      'Transaction contains too many operations (129 > 128)',
    ],
    [
      'a large value',
      [{ KV: { Verb: 'set', Key: 'k', Value: 'AAAA'.repeat(400) } }],
      413,
      'Value for key "k" is too large (1200 > 1000 bytes)',
    ],
    [
      'an unknown verb',
      [op, { KV: { Verb: 'x', Key: 'a' } }],
      409,
      '{"Results":null,"Errors":[{"OpIndex":1,"What":"unknown KV verb \\"x\\""}]}',
    ],
    [
      'a large body',
      ' '.repeat(8001),
      413,
      'Request body(8001 bytes) too large, max size: 8000 bytes. See https://developer.hashicorp.com/docs/agent/config/config-files#txn_max_req_len.',
    ],
  ]
  for (const [name, body, status, text] of errors) {
    it(`with ${name} answers ${status}`, async () => {
      const answer = await agent.put('/v1/txn', body as string | object)
      assert.equal(answer.status, status, answer.text)
      if (typeof text === 'string') assert.equal(answer.text, text)
      else assert.match(answer.text, text)
    })
  }
})
