/**
 * The decoder toolkit: names, aliases, both wordings of problems, and that no input makes it throw.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { BODY_DEPTH_MAX, decodeBody, parseJsonText } from '../../../../core/decode/body.ts'
import {
  base64,
  boolean,
  type Decoder,
  decode,
  durationMs,
  integer,
  list,
  mapOf,
  nullable,
  number,
  opaque,
  opaqueObject,
  string,
  stringMap,
  unsigned64,
} from '../../../../core/decode/decoder.ts'
import { field, object, optional, snakeCase } from '../../../../core/decode/object.ts'
import type { DecodeStyle } from '../../../../core/decode/place.ts'

const INNER = object('Inner', { path: field('Path', string, '') })
const THING = object('Thing', {
  name: field('Name', string, ''),
  tagged: optional('TaggedAddresses', mapOf(INNER), { alias: 'tagged_addresses' }),
  port: field('Port', integer, 0),
  flag: field('TCPUseTLS', boolean, false),
  wait: field('Wait', durationMs, 0),
  tags: field<readonly string[]>('Tags', list(string), []),
  items: field<readonly { readonly path: string }[]>('Items', list(INNER), []),
  meta: optional('Meta', stringMap),
  config: optional('Config', opaqueObject),
  ratio: field('Ratio', number, 0),
})

function problemsOf(
  decoder: Decoder<unknown>,
  input: unknown,
  style: DecodeStyle,
  path?: string,
): readonly string[] {
  const result = decode(decoder, input, path === undefined ? { style } : { style, path })
  return result.ok ? [] : result.problems.map((problem) => problem.message)
}

function decoded<T>(decoder: Decoder<T>, input: unknown, style: DecodeStyle = 'json'): T {
  const result = decode(decoder, input, { style })
  if (!result.ok) assert.fail(JSON.stringify(result.problems))
  return result.value
}

describe('object names', () => {
  it('match without regard to case', () => {
    const value = decoded(THING, { NAME: 'a', pOrT: 3, tcpusetls: true })
    assert.equal(value.name, 'a')
    assert.equal(value.port, 3)
    assert.equal(value.flag, true)
  })

  it('accept a declared alias and prefer the own name', () => {
    const alias = decoded(THING, { tagged_addresses: { lan: { Path: 'x' } } })
    assert.deepEqual(alias.tagged, { lan: { path: 'x' } })
    const both = decoded(THING, { TaggedAddresses: { a: {} }, tagged_addresses: { b: {} } })
    assert.deepEqual(Object.keys(both.tagged ?? {}), ['a'])
  })

  it('accept snake case only in configuration files', () => {
    assert.equal(decoded(THING, { tcp_use_tls: true }, 'config').flag, true)
    assert.deepEqual(problemsOf(THING, { tcp_use_tls: true }, 'json'), [
      'json: unknown field "tcp_use_tls"',
    ])
  })

  it('fall back when absent or null', () => {
    const value = decoded(THING, { name: null, tags: null })
    assert.equal(value.name, '')
    assert.deepEqual(value.tags, [])
    assert.equal(value.meta, undefined)
  })

  it('derive snake case as people write it', () => {
    for (const [name, snake] of [
      ['TLSServerName', 'tls_server_name'],
      ['TCPUseTLS', 'tcp_use_tls'],
      ['DestinationServiceID', 'destination_service_id'],
      ['OSService', 'os_service'],
      ['HTTP', 'http'],
    ] as const) {
      assert.equal(snakeCase(name), snake)
    }
  })
})

describe('problems', () => {
  it('name an unknown field as Go does', () => {
    assert.deepEqual(problemsOf(THING, { foo: 1 }, 'json'), ['json: unknown field "foo"'])
    assert.deepEqual(problemsOf(THING, { Namespace: 'x' }, 'json'), [
      'json: unknown field "Namespace" - Namespaces are a Consul Enterprise feature',
    ])
  })

  it('name the whole path of an unknown key in a file', () => {
    const input = { items: [{ path: 'a' }, { foo: 1 }] }
    assert.deepEqual(problemsOf(THING, input, 'config', 'services[0]'), [
      'invalid config key services[0].items[1].foo',
    ])
  })

  it('are all reported at once', () => {
    const problems = problemsOf(THING, { port: 'x', tags: [1, 'a', {}], name: [] }, 'json')
    assert.deepEqual(problems, [
      'json: cannot unmarshal string into Go struct field Thing.Port of type int',
      'json: cannot unmarshal number into Go struct field Thing.Tags of type string',
      'json: cannot unmarshal object into Go struct field Thing.Tags of type string',
      'json: cannot unmarshal array into Go struct field Thing.Name of type string',
    ])
  })

  it('of the whole value name its type', () => {
    assert.deepEqual(problemsOf(THING, [], 'json'), [
      'json: cannot unmarshal array into Go value of type Thing',
    ])
  })

  it('of durations tell a missing unit', () => {
    assert.deepEqual(problemsOf(THING, { wait: '10' }, 'json'), [
      'time: missing unit in duration "10"',
    ])
    assert.deepEqual(problemsOf(THING, { wait: 10 }, 'config'), [
      'wait: invalid duration: "10": time: missing unit in duration "10"',
    ])
    assert.deepEqual(problemsOf(THING, { wait: 'soon' }, 'json'), ['time: invalid duration "soon"'])
  })
})

describe('values', () => {
  it('of configuration files are weakly typed', () => {
    const value = decoded(
      THING,
      { port: '80', tcp_use_tls: 'true', tags: 'one', name: 5, items: { path: 'p' }, ratio: '0.5' },
      'config',
    )
    assert.equal(value.port, 80)
    assert.equal(value.flag, true)
    assert.deepEqual(value.tags, ['one'])
    assert.equal(value.name, '5')
    assert.deepEqual(value.items, [{ path: 'p' }])
    assert.equal(value.ratio, 0.5)
  })

  it('take a block repeated once for an object', () => {
    assert.deepEqual(decoded(THING, { meta: [{ a: 'b' }], config: [{ x: 1 }] }, 'config').meta, {
      a: 'b',
    })
  })

  it('hold durations in milliseconds from text or nanoseconds', () => {
    assert.equal(decoded(durationMs, '1m30s'), 90_000)
    assert.equal(decoded(durationMs, 1_500_000), 1.5)
    assert.equal(decoded(durationMs, ''), 0)
  })

  it('keep 64 bit integers exact through the body parser', () => {
    const shape = object('Entry', { flags: field('Flags', unsigned64, 0n) })
    assert.equal(decodeBody(shape, '{"Flags":18446744073709551615}').flags, 18446744073709551615n)
    assert.equal(decodeBody(shape, '{"Flags":42}').flags, 42n)
    assert.throws(() => decodeBody(shape, '{"Flags":18446744073709551616}'), /of type uint64/)
  })

  it('decode base64', () => {
    assert.deepEqual([...decoded(base64, 'AQI=')], [1, 2])
    assert.deepEqual(problemsOf(base64, 'AQI', 'json'), ['illegal base64 data'])
  })

  it('keep a key named __proto__ as a key', () => {
    const value = decoded(stringMap, JSON.parse('{"__proto__":"x"}'))
    assert.deepEqual(Object.keys(value), ['__proto__'])
  })

  it('allow null elements only where declared', () => {
    assert.deepEqual(decoded(list(nullable(string)), ['a', null]), ['a', null])
  })
})

describe('bodies', () => {
  it('answer EOF when empty', () => {
    assert.throws(() => parseJsonText('  '), {
      code: 'BAD_REQUEST',
      message: 'Request decode failed: EOF',
    })
  })

  it('refuse what is no JSON, and deep nesting', () => {
    assert.throws(() => parseJsonText('{'), { code: 'BAD_REQUEST' })
    assert.throws(() => parseJsonText('['.repeat(BODY_DEPTH_MAX + 1)), /exceeded max depth/)
  })

  it('ignore brackets inside texts when they count depth', () => {
    assert.equal(parseJsonText(JSON.stringify('["\\'.repeat(500))), '["\\'.repeat(500))
  })
})

describe('any input', () => {
  it('never makes a decoder throw', () => {
    fc.assert(
      fc.property(fc.anything(), fc.constantFrom<DecodeStyle>('json', 'config'), (input, style) => {
        decode(THING, input, { style })
        decode(THING, { items: input, meta: input, config: input, wait: input }, { style })
        decode(opaque, input, { style })
      }),
    )
  })

  it('that is JSON comes back equal through opaque', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (input) => {
        const parsed: unknown = JSON.parse(JSON.stringify(input))
        assert.deepEqual(decoded(opaque, parsed), parsed)
      }),
    )
  })
})
