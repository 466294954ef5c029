/**
 * Places of faults in JSON (json-fault.ts), beside JSON.parse.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { jsonFault } from '../../../../core/decode/json-fault.ts'

function faultOf(text: string): string {
  const fault = jsonFault(text)
  return fault === undefined ? 'none' : `${fault.reason} ${fault.line}:${fault.column}`
}

describe('the fault of a text', () => {
  for (const [text, expected] of [
    ['{"Node": }', "invalid character '}' looking for beginning of value 1:10"],
    ['{\n  "a": 1,\n}', "invalid character '}' looking for beginning of object key string 3:1"],
    ['{"a" 1}', "invalid character '1' after object key 1:6"],
    ['{"a":1 "b":2}', `invalid character '"' after object key:value pair 1:8`],
    ['[1 2]', "invalid character '2' after array element 1:4"],
    ['[1,]', "invalid character ']' looking for beginning of value 1:4"],
    ['{} x', "invalid character 'x' after top-level value 1:4"],
    ['{"a":"x', 'unexpected EOF 1:8'],
    ['[[[', 'unexpected EOF 1:4'],
    ['', 'unexpected EOF 1:1'],
    ['"a\nb"', "invalid character '\\n' in string literal 1:3"],
    ['"\\x"', "invalid character '\\' in string escape code 1:2"],
    ['01', "invalid character '1' after top-level value 1:2"],
    ['{😀}', "invalid character '😀' looking for beginning of object key string 1:2"],
    ['{"a":[true,null,-1.5e3,"\\u00e9"]}', 'none'],
  ] as const) {
    it(`${JSON.stringify(text)}: ${expected}`, () => {
      assert.equal(faultOf(text), expected)
    })
  }

  const piece = fc.oneof(
    fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ':',
      ',',
      '"',
      '\\',
      '"a"',
      '1',
      '-',
      '.5',
      'e1',
      'true',
      ' ',
      '\n',
      '\\u00',
      '\u0000',
    ),
    fc.string({ unit: 'binary', maxLength: 3 }),
    fc.json({ maxDepth: 2 }),
  )

  it('is there when JSON.parse takes it not, and only then', () => {
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('')),
        (text) => {
          let isJson = true
          try {
            JSON.parse(text)
          } catch (thrown) {
            assert.ok(thrown instanceof SyntaxError)
            isJson = false
          }
          assert.equal(jsonFault(text) === undefined, isJson)
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('is found in megabytes without recursion', () => {
    const deep = '['.repeat(1_000_000)
    assert.equal(faultOf(deep), 'unexpected EOF 1:1000001')
    assert.equal(faultOf(`"${'x'.repeat(1_000_000)}`), 'unexpected EOF 1:1000002')
  })
})
