/**
 * Filter expressions: operators with and without schema, refusals, bounds, and that nothing throws.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  compileFilter,
  FILTER_LENGTH_MAX,
  FILTER_REGEX_MAX,
} from '../../../../core/filter/compile.ts'
import type { FilterSchema } from '../../../../core/filter/schema.ts'
import {
  AGENT_SERVICE_SCHEMA,
  CATALOG_SERVICE_SCHEMA,
  HEALTH_ENTRY_SCHEMA,
  INTENTION_SCHEMA,
  NODE_SCHEMA,
} from '../../../../core/filter/schemas.ts'

const ENTRY = {
  Node: { Node: 'vm-a', Address: '10.0.0.5', Datacenter: 'dc1', Meta: { rack: 'r7', 'a b': 'x' } },
  Service: {
    ID: 'web-1',
    Service: 'web',
    Tags: ['v2', 'blue'],
    Meta: { owner: 'ops', version: '2' },
    Port: 8080,
    Address: '',
    Weights: { Passing: 10, Warning: 1 },
    EnableTagOverride: false,
    Connect: {},
    TaggedAddresses: { lan: { Address: '10.0.0.5', Port: 8080 } },
    Proxy: {
      MeshGateway: {},
      Upstreams: [{ DestinationName: 'db' }, { DestinationName: 'cache' }],
    },
  },
  Checks: [
    { CheckID: 'serfHealth', Status: 'passing', Output: 'alive' },
    { CheckID: 'web', Status: 'warning', Output: 'slow: 300ms' },
  ],
}

function run(text: string, record: unknown = ENTRY, schema?: FilterSchema): boolean {
  const filter = compileFilter(text, schema)
  if (!filter.ok) assert.fail(`${text}: ${filter.message}`)
  return filter.matches(record)
}

function refusal(text: string, schema?: FilterSchema): string {
  const filter = compileFilter(text, schema)
  assert.ok(!filter.ok, `accepted: ${text}`)
  return filter.message
}

/** Expression and whether it matches ENTRY, with the schema and without. */
const CASES: readonly (readonly [string, boolean])[] = [
  ['Service.Meta.owner == "ops"', true],
  ['Service.Meta.owner == ops', true],
  ['Service.Meta["owner"] != `ops`', false],
  ['Node.Meta["a b"] == x', true],
  ['Service.Meta.missing == "x"', false],
  ['Service.Meta.missing != "x"', true],
  ['Service.Meta.missing is empty', true],
  ['Service.Meta.missing is not empty', false],
  ['x in Service.Meta.missing', false],
  ['x not in Service.Meta.missing', true],
  ['Service.Meta.missing matches ".*"', false],
  ['Service.Meta.missing not matches ".*"', true],
  ['"v2" in Service.Tags', true],
  ['v2 in Service.Tags', true],
  ['v3 not in Service.Tags', true],
  ['Service.Tags contains "blue"', true],
  ['Service.Tags not contains "blue"', false],
  ['owner in Service.Meta', true],
  ['Service.Meta contains nobody', false],
  ['"vm" in Node.Node', true],
  ['Node.Node contains "-b"', false],
  ['Node.Node matches "^vm-[a-z]$"', true],
  ['Node.Node matches `m-`', true],
  ['Node.Node not matches "^db"', true],
  ['Service.Port == 8080', true],
  ['Service.Port == "8080"', true],
  ['Service.Port != -1', true],
  ['Service.EnableTagOverride == false', true],
  ['Service.EnableTagOverride == "true"', false],
  ['Service.Weights.Passing == 10', true],
  ['Service.Address is empty', true],
  ['Service.Tags is not empty', true],
  ['Checks.Status == "warning"', true],
  ['Checks.Status == "critical"', false],
  ['Checks.Status != "passing"', true],
  ['Checks is empty', false],
  ['Checks.Output matches "[0-9]+ms"', true],
  ['Service.Proxy.Upstreams.DestinationName == cache', true],
  ['Service.TaggedAddresses.lan.Port == 8080', true],
  ['Service.TaggedAddresses.wan.Port == 8080', false],
  ['not Service.Port == 8080', false],
  ['not not Service.Port == 8080', true],
  ['not (Service.Port == 1 or Service.Port == 2)', true],
  // `and` binds tighter than `or`, `not` tighter than `and`
  ['Service.Port == 8080 or Service.Port == 1 and Service.Port == 2', true],
  ['(Service.Port == 8080 or Service.Port == 1) and Service.Port == 2', false],
  ['not Service.Port == 1 and Service.Port == 8080', true],
  ['\t( (Service.Port==8080)and(Service.Service=="web") )\n', true],
]

describe('compileFilter', () => {
  it('evaluates every operator alike with and without a schema', () => {
    for (const [text, expected] of CASES) {
      assert.equal(run(text, ENTRY, HEALTH_ENTRY_SCHEMA), expected, `with schema: ${text}`)
      assert.equal(run(text), expected, `without schema: ${text}`)
    }
  })

  it('takes omitted fields of a known type as empty', () => {
    assert.equal(run('Kind == ""', { ID: 'a' }, AGENT_SERVICE_SCHEMA), true)
    assert.equal(run('Port == 0', { ID: 'a' }, AGENT_SERVICE_SCHEMA), true)
    assert.equal(run('Connect.Native == false', { ID: 'a' }, AGENT_SERVICE_SCHEMA), true)
    assert.equal(run('Tags is empty', { Tags: null }, AGENT_SERVICE_SCHEMA), true)
    assert.equal(run('v1 not in Tags', {}, AGENT_SERVICE_SCHEMA), true)
    assert.equal(run('Meta.k == v', { Meta: null }, NODE_SCHEMA), false)
    assert.equal(run('Meta.k != v', { Meta: null }, NODE_SCHEMA), true)
    assert.equal(run('Checks.Status != critical', {}, HEALTH_ENTRY_SCHEMA), false)
  })

  it('matches everything when blank', () => {
    assert.equal(run(''), true)
    assert.equal(run(' \n'), true)
  })

  it('unescapes strings as Go does', () => {
    assert.equal(run('a == "x\\ty\\"\\u00e9\\x41"', { a: 'x\ty"éA' }), true)
    assert.equal(run('a == `\\t`', { a: '\\t' }), true)
    assert.match(refusal('a == "\\q"'), /1:7 \(6\): invalid escape/)
    assert.match(refusal('a == "\\ud800"'), /invalid escape/)
    assert.match(refusal('a == "x'), /unterminated/)
    assert.match(refusal('a == "x\ny"'), /unterminated/)
  })

  it('refuses bad syntax with the prefix and the position', () => {
    const bad: readonly string[] = [
      'a ==',
      '== a',
      'a = b',
      'a == b c',
      '(a == b',
      'a == b)',
      'a is',
      'a is full',
      'a in "b"',
      '"a" == b',
      'a < 3',
      'a and b',
      'not',
      'a[b] == c',
      'a["b" == c',
      'a. == c',
      'a == db-1',
      'a == 1x',
      'A == b AND c == d',
    ]
    for (const text of bad) {
      assert.match(
        refusal(text),
        /^Failed to create boolean expression evaluator: \d+:\d+ \(\d+\): /,
        text,
      )
    }
    assert.match(refusal('a == b\n  or ?'), / 2:6 \(12\): /)
  })

  it('refuses selectors and operators that the type does not have', () => {
    const bad: readonly (readonly [string, FilterSchema, RegExp])[] = [
      ['Nope == x', NODE_SCHEMA, /Selector "Nope" is not valid/],
      ['node == x', NODE_SCHEMA, /Selector "node" is not valid/],
      ['Node.x == x', NODE_SCHEMA, /Selector "Node\.x" is not valid/],
      ['CreateIndex == 1', NODE_SCHEMA, /not valid/],
      ['Service.Proxy.Config.x == 1', HEALTH_ENTRY_SCHEMA, /not valid/],
      ['Checks.Definition is empty', HEALTH_ENTRY_SCHEMA, /not valid/],
      ['toString == x', NODE_SCHEMA, /not valid/],
      ['ServiceTags == x', CATALOG_SERVICE_SCHEMA, /Invalid match operator "Equal"/],
      ['ServiceMeta matches x', CATALOG_SERVICE_SCHEMA, /Invalid match operator "Matches"/],
      ['x in ServicePort', CATALOG_SERVICE_SCHEMA, /Invalid match operator "In"/],
      ['ServicePort is empty', CATALOG_SERVICE_SCHEMA, /Invalid match operator "Is Empty"/],
      ['x in Checks', HEALTH_ENTRY_SCHEMA, /Invalid match operator "In"/],
      ['Node is empty', HEALTH_ENTRY_SCHEMA, /Invalid match operator "Is Empty"/],
      ['ServicePort == abc', CATALOG_SERVICE_SCHEMA, /failed to coerce value "abc"/],
      ['ServiceEnableTagOverride == 2', CATALOG_SERVICE_SCHEMA, /to bool/],
      ['Precedence == 1.5', INTENTION_SCHEMA, /to int/],
    ]
    for (const [text, schema, message] of bad) assert.match(refusal(text, schema), message, text)
  })

  it('refuses invalid and oversized regular expressions', () => {
    assert.match(refusal('a matches "("'), /Failed to compile regular expression/)
    assert.match(refusal('a matches "(?=x)"'), /Failed to compile regular expression/)
    assert.match(refusal('a matches "(x{1000}){1000}"'), /regular expression/)
    assert.match(refusal(`a matches "(${'ab'.repeat(100)}){900}"`), /too large/)
    assert.match(refusal(`a matches "${'a'.repeat(600)}"`), /longer than 512/)
    const many = Array.from({ length: FILTER_REGEX_MAX + 1 }, () => 'a matches b').join(' or ')
    assert.match(refusal(many), /more than 16 patterns/)
  })

  it('takes time linear in the text for patterns that backtrack elsewhere', () => {
    assert.equal(run('a matches "(a+)+$"', { a: `${'a'.repeat(4000)}b` }), false)
  })

  it('bounds length and depth', () => {
    assert.match(refusal(`${'('.repeat(5000)}a == b`), /deeper than 100 levels/)
    assert.match(refusal(`${'not '.repeat(2000)}a == b`), /deeper than 100 levels/)
    assert.match(refusal(`${' '.repeat(FILTER_LENGTH_MAX)}a == b`), /longer than 8192/)
    assert.equal(run(`${'not '.repeat(100)}a == b`, { a: 'b' }), true)
    const chain = Array.from({ length: 800 }, () => 'a == c').join(' or ')
    assert.equal(run(chain, { a: 'b' }), false)
  })

  it('never throws, whatever the text and the record', () => {
    const piece = fc.oneof(
      fc.constantFrom(...'a Service Checks and or not in is empty contains matches'.split(' ')),
      fc.constantFrom('==', '!=', '(', ')', '[', ']', '.', '"', '`', ' ', '"x"', '8080', '-', '\\'),
      fc.string({ maxLength: 4 }),
    )
    const text = fc.array(piece, { maxLength: 14 }).map((parts) => parts.join(' '))
    fc.assert(
      fc.property(text, fc.anything(), fc.boolean(), (expression, record, typed) => {
        const filter = compileFilter(expression, typed ? HEALTH_ENTRY_SCHEMA : undefined)
        if (filter.ok) assert.equal(typeof filter.matches(record), 'boolean')
        else assert.ok(filter.message.startsWith('Failed to create boolean expression evaluator: '))
      }),
      { numRuns: 2000 },
    )
  })

  it('never throws on values that cannot be printed', () => {
    const bare: unknown = Object.create(null)
    for (const record of [{ a: bare }, { a: [bare] }, { a: Symbol('x') }, bare]) {
      for (const text of ['a matches x', 'a == x', 'x in a', 'a is empty']) run(text, record)
    }
  })

  it('gives the opposite for a negated operator over a single value', () => {
    const pairs = [
      ['a == "VALUE"', 'a != "VALUE"'],
      ['"VALUE" in a', '"VALUE" not in a'],
      ['a contains "VALUE"', 'a not contains "VALUE"'],
      ['a is empty', 'a is not empty'],
    ] as const
    const scalar = fc.oneof(fc.stringMatching(/^[a-z]{0,3}$/), fc.array(fc.constantFrom('x', 'y')))
    fc.assert(
      fc.property(scalar, fc.stringMatching(/^[a-z]{0,2}$/), (a, value) => {
        for (const [plain, negated] of pairs) {
          const p = run(plain.replace('VALUE', value), { a })
          assert.notEqual(p, run(negated.replace('VALUE', value), { a }))
        }
      }),
    )
  })
})
