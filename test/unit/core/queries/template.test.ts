/**
 * Templates of prepared queries (core/queries/template.ts, template-syntax.ts).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  RENDERED_SIZE_MAX,
  renderQuery,
  templateProblem,
} from '../../../../core/queries/template.ts'
import { parseTemplateText } from '../../../../core/queries/template-syntax.ts'
import type {
  PreparedQuery,
  PreparedQueryRecord,
  QueryService,
} from '../../../../core/queries/types.ts'
import { preparedQuery, queryTemplate } from './query-fixture.ts'

function record(query: PreparedQuery): PreparedQueryRecord {
  return { ...query, createIndex: 1, modifyIndex: 1 }
}

/** @returns the rendered service, or why there is none */
function rendered(query: PreparedQuery, name: string): QueryService | string {
  const result = renderQuery(record(query), name)
  if (result.kind === 'query') return result.query.service
  return result.kind === 'refused' ? result.message : result.kind
}

function serviceFor(query: PreparedQuery, name: string): string {
  const result = rendered(query, name)
  return typeof result === 'string' ? `refused: ${result}` : result.service
}

describe('a query template', () => {
  it('puts in the name and its parts, whatever the case of the prefix', () => {
    const query = queryTemplate('Geo-', { service: '${name.full}|${name.prefix}|${name.suffix}' })
    assert.equal(serviceFor(query, 'geo-db'), 'geo-db|Geo-|db')
    assert.equal(serviceFor(query, 'GEO-'), 'GEO-|Geo-|')
    assert.equal(serviceFor(queryTemplate('', { service: '${name.suffix}' }), 'all'), 'all')
    const segment = queryTemplate('', { service: 'a${agent.segment}b' })
    assert.equal(serviceFor(segment, 'x'), 'ab')
  })

  it('puts in groups of its regular expression, and nothing for those that are not there', () => {
    const regexp = '^geo-db-(.*?)-([^\\-]+?)$'
    const query = queryTemplate(
      'geo-db',
      { service: '${match(0)}:${match(1)}:${ match( 2 ) }:${match(3)}:${match(-1)}' },
      { regexp },
    )
    assert.equal(
      serviceFor(query, 'geo-db-customer-primary'),
      'geo-db-customer-primary:customer:primary::',
    )
    assert.equal(serviceFor(query, 'geo-db'), '::::')
  })

  it('renders every text of the service, and drops empty tags when told to', () => {
    const name = '${name.suffix}'
    const query = queryTemplate('p-', {
      service: name,
      failover: {
        nearestN: 1,
        datacenters: [name],
        targets: [{ peer: name, datacenter: name }],
      },
      ignoreCheckIds: [name],
      near: name,
      tags: [name, '${match(1)}', 'plain'],
      nodeMeta: { a: name },
      serviceMeta: { '${name.full}': name },
    })
    const service = rendered(query, 'p-x')
    assert.deepEqual(service, {
      service: 'x',
      failover: { nearestN: 1, datacenters: ['x'], targets: [{ peer: 'x', datacenter: 'x' }] },
      onlyPassing: false,
      ignoreCheckIds: ['x'],
      near: 'x',
      tags: ['x', '', 'plain'],
      nodeMeta: { a: 'x' },
      serviceMeta: { '${name.full}': 'x' },
      connect: false,
    })
    const template = { ...query.template, removeEmptyTags: true }
    const trimmed = rendered({ ...query, template }, 'p-x')
    assert.deepEqual(typeof trimmed === 'object' && trimmed.tags, ['x', 'plain'])
  })

  it('knows texts, integers and escapes', () => {
    for (const [text, expected] of [
      ['a$b', 'a$b'],
      ['$${name.full}', '${name.full}'],
      ['$$', '$$'],
      ['${"a}\\"\\\\b"}', 'a}"\\b'],
      ['${ 7 }', '7'],
      ['$', '$'],
      ['}{', '}{'],
    ] as const) {
      assert.equal(serviceFor(queryTemplate('', { service: text }), 'n'), expected, text)
    }
  })

  it('is refused with what is wrong and where', () => {
    for (const [query, message] of [
      [
        queryTemplate('', { service: '${' }),
        /^failed compiling template: Bad format '\$\{' in Service\.Service: expected an expression/,
      ],
      [
        queryTemplate('', { tags: ['ok', '${name.nope}'] }),
        /in Service\.Tags\[1\]: unknown variable accessed: name\.nope/,
      ],
      [
        queryTemplate('', { nodeMeta: { k: '${name.full' } }),
        /in Service\.NodeMeta\[k\]: expected "\}" at position 11/,
      ],
      [queryTemplate('', { service: '${upper(1)}' }), /unknown function called: upper/],
      [queryTemplate('', { service: '${match("a")}' }), /match takes one integer/],
      [queryTemplate('', { service: '${1 + 1}' }), /expected "\}"/],
      [queryTemplate('', {}, { regexp: '(' }), /^failed compiling template: Bad Regexp: /],
      [queryTemplate('', {}, { regexp: '(a{1000}){1000}' }), /Bad Regexp: /],
      [
        queryTemplate('', {}, { type: 'nope' }),
        /^failed compiling template: Bad Template\.Type 'nope'$/,
      ],
    ] as const) {
      assert.match(templateProblem(query) ?? 'none', message)
    }
    assert.equal(templateProblem(preparedQuery({ name: '${' })), undefined)
  })

  it('does not take the name for syntax', () => {
    const query = queryTemplate('', { service: '${name.full}' })
    assert.equal(serviceFor(query, '${match(0)}'), '${match(0)}')
  })

  it('does not grow beyond its bound', () => {
    const query = queryTemplate('', { service: '${name.full}'.repeat(1000) })
    assert.equal(serviceFor(query, 'x'.repeat(60)).length, 60_000)
    assert.match(
      serviceFor(query, 'x'.repeat(RENDERED_SIZE_MAX / 1000 + 1)),
      /^refused: Bad evaluation for Service\.Service: the query is longer than 65536 characters/,
    )
  })
})

describe('any template', () => {
  const piece = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      '${',
      '}',
      '$${',
      '$',
      '"',
      '\\',
      'match(',
      ')',
      'name.full',
      '${name.suffix}',
      '${match(1)}',
    ),
  )
  const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''))

  it('is parsed or refused, and never throws', () => {
    fc.assert(
      fc.property(text, (given) => {
        const parsed = parseTemplateText(given)
        if (!parsed.ok) return parsed.reason !== ''
        return given.includes('$') || parsed.parts.length <= 1
      }),
    )
  })

  it('without "${" stands for itself', () => {
    fc.assert(
      fc.property(text, fc.string(), (given, name) => {
        fc.pre(!given.includes('${'))
        assert.equal(serviceFor(queryTemplate('', { service: given }), name), given)
      }),
    )
  })

  it('renders what a plain model renders', () => {
    const part = fc.oneof(
      fc.record({
        kind: fc.constant('text' as const),
        text: fc.string().filter((t) => !t.includes('$')),
      }),
      fc.record({ kind: fc.constant('full' as const) }),
      fc.record({ kind: fc.constant('suffix' as const) }),
      fc.record({ kind: fc.constant('group' as const), group: fc.nat(3) }),
    )
    const word = fc.stringMatching(/^[a-z]{0,8}$/)
    fc.assert(
      fc.property(fc.array(part, { maxLength: 10 }), word, word, (parts, prefix, suffix) => {
        const name = `${prefix}-${suffix}`
        const groups = [name, prefix, suffix]
        let source = ''
        let expected = ''
        for (const given of parts) {
          if (given.kind === 'text') {
            source += given.text
            expected += given.text
          } else if (given.kind === 'full') {
            source += '${name.full}'
            expected += name
          } else if (given.kind === 'suffix') {
            source += '${name.suffix}'
            expected += suffix
          } else {
            source += `\${match(${given.group})}`
            expected += groups[given.group] ?? ''
          }
        }
        const query = queryTemplate(
          `${prefix}-`,
          { service: source },
          { regexp: '^([a-z]*)-(.*)$' },
        )
        assert.equal(serviceFor(query, name), expected)
      }),
    )
  })

  it('with any regular expression and name ends soon', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.constantFrom('(a*)*b', '(a|aa)+$', '((a{0,9}){0,9})*c', '(?i)é+')),
        fc.string({ maxLength: 1024 }),
        (regexp, name) => {
          const result = rendered(queryTemplate('', { service: '${match(1)}' }, { regexp }), name)
          return typeof result === 'object' || result.startsWith('Bad Regexp')
        },
      ),
    )
    const slow = queryTemplate('', { service: '${match(0)}' }, { regexp: '(a*)*b' })
    assert.equal(serviceFor(slow, 'a'.repeat(1024)), '')
  })
})
