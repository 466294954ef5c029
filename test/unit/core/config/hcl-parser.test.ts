/**
 * The HCL 1 and JSON readers: what they accept, where they say an error is, and that they always end.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseHcl } from '../../../../core/config/hcl-parser.ts'
import { parseJson } from '../../../../core/config/json-reader.ts'
import { DEPTH_MAX, SyntaxProblem, toPlain } from '../../../../core/config/source-value.ts'

const hcl = (text: string): unknown => toPlain(parseHcl(text))

function failure(read: () => unknown): string {
  try {
    read()
  } catch (thrown) {
    assert.ok(thrown instanceof SyntaxProblem, String(thrown))
    return `${thrown.at.line}:${thrown.at.column} ${thrown.message}`
  }
  return assert.fail('was accepted')
}

describe('HCL', () => {
  it('reads assignments of every type', () => {
    const text = `
      a = "text"
      b = 12
      c = -1.5e3
      d = 0x1F
      e = true
      f = ["x", 2, false,]
      g = { h = 1, "i j" = 2 }
    `
    assert.deepEqual(hcl(text), {
      a: 'text',
      b: 12,
      c: -1500,
      d: 31,
      e: true,
      f: ['x', 2, false],
      g: { h: 1, 'i j': 2 },
    })
  })

  it('reads blocks, labels and repeated blocks', () => {
    const text = 'service { name = "a" }\nservice { name = "b" }\nkey "foo/" { policy = "read" }'
    assert.deepEqual(hcl(text), {
      service: [{ name: 'a' }, { name: 'b' }],
      key: { 'foo/': { policy: 'read' } },
    })
  })

  it('skips the three sorts of comments', () => {
    assert.deepEqual(hcl('# one\na = 1 // two\n/* three\n four */ b = 2'), { a: 1, b: 2 })
  })

  it('reads escapes and leaves interpolation as it is', () => {
    assert.deepEqual(hcl('a = "q\\"\\n\\t\\\\\\u00e9"\nb = "$' + '{var("x")} y"'), {
      a: 'q"\n\t\\é',
      b: '$' + '{var("x")} y',
    })
  })

  it('reads heredocs, indented ones without their indentation', () => {
    assert.deepEqual(hcl('a = <<EOF\none\n  two\nEOF\nb = <<-X\n    three\n      four\n    X\n'), {
      a: 'one\n  two\n',
      b: 'three\n  four\n',
    })
  })

  it('says where and why it stopped', () => {
    assert.equal(
      failure(() => parseHcl('a = 1\nb = yes\n')),
      '2:5 "yes" is not a value; put text in quotes',
    )
    assert.match(
      failure(() => parseHcl('a = [1 2]')),
      /^1:8 expected "," or "\]"/,
    )
    assert.match(
      failure(() => parseHcl('server {\n  a = 1\n')),
      /^3:1 expected a name, found the end/,
    )
    assert.match(
      failure(() => parseHcl('a = "open\n')),
      /^1:5 a quoted string may not span lines/,
    )
    assert.match(
      failure(() => parseHcl('a = <<EOF\nx\n')),
      /^1:5 the heredoc .* "EOF"/,
    )
    assert.match(
      failure(() => parseHcl('a = 1\n}\n')),
      /^2:1 expected a name, found "\}"/,
    )
    assert.match(
      failure(() => parseHcl('/* no end')),
      /^1:1 the comment/,
    )
    assert.match(
      failure(() => parseHcl('a = 12ab')),
      /^1:5 a name may not begin with a digit/,
    )
  })

  it('refuses what is nested too deep', () => {
    const depth = DEPTH_MAX + 2
    assert.match(
      failure(() => parseHcl(`a = ${'['.repeat(depth)}`)),
      /nested too deep/,
    )
    assert.match(
      failure(() => parseHcl('a { '.repeat(depth))),
      /nested too deep/,
    )
    assert.match(
      failure(() => parseJson(`{"a":${'['.repeat(depth)}`)),
      /nested too deep/,
    )
  })

  it('ends with a value or a SyntaxProblem on any text', () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      '=',
      ',',
      '"',
      '\\',
      '<<E',
      '\n',
      'a',
      '1',
      '/*',
      '${',
      ' ',
    )
    const noise = fc.array(fc.oneof(piece, fc.string({ maxLength: 3 })), { maxLength: 60 })
    fc.assert(
      fc.property(noise, (pieces) => {
        const text = pieces.join('')
        for (const read of [parseHcl, parseJson]) {
          try {
            read(text)
          } catch (thrown) {
            assert.ok(thrown instanceof SyntaxProblem, `${thrown} for ${JSON.stringify(text)}`)
          }
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('JSON', () => {
  it('reads exactly what JSON.parse reads', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ minLength: 1 }), fc.jsonValue({ maxDepth: 4 })),
        (value) => {
          const text = JSON.stringify(value, undefined, 2)
          assert.deepEqual(toPlain(parseJson(text)), JSON.parse(text))
        },
      ),
    )
  })

  it('says where and why it stopped', () => {
    assert.equal(
      failure(() => parseJson('{\n  // no\n}')),
      '2:3 expected a key in quotes, found "/"; JSON has no comments',
    )
    assert.match(
      failure(() => parseJson('{"a": 1,}')),
      /^1:9 expected a key in quotes/,
    )
    assert.match(
      failure(() => parseJson('[]')),
      /must be one JSON object/,
    )
    assert.match(
      failure(() => parseJson('{"a": "x')),
      /^1:7 this string has no end/,
    )
    assert.match(
      failure(() => parseJson('{} x')),
      /^1:4 expected the end/,
    )
  })

  it('reads a long string without running out of stack', () => {
    const text = JSON.stringify({ a: 'x\\'.repeat(500_000) })
    assert.deepEqual(toPlain(parseJson(text)), JSON.parse(text))
  })
})
