/**
 * Requests of HTTP/2 that HTTP/1 text would say in two ways, or not at all: each is refused.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  CONTINUATION,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  HEADERS,
  PROTOCOL_ERROR,
  RST_STREAM,
} from '../../../../proxy/http2/format.ts'
import { settle } from '../memory-wire.ts'
import { block, clientHello, frame, headers, type Pairs, REQUEST, request } from './raw-frames.ts'
import { codeOf, heads, setup } from './server-setup.ts'

describe('requests that could be read in two ways', () => {
  const MALFORMED: readonly (readonly [what: string, fields: Pairs])[] = [
    ['upper case', request([['X-A', 'b']])],
    ['a line break in a value', request([['x-a', 'b\r\nhost: evil']])],
    ['a bare LF in a value', request([['x-a', 'b\nc']])],
    ['NUL in a value', request([['x-a', 'b\0']])],
    ['a value that begins with a blank', request([['x-a', ' b']])],
    ['a colon in a name', request([['x:a', 'b']])],
    ['a blank in a name', request([['x a', 'b']])],
    ['no name', request([['', 'b']])],
    ['Connection', request([['connection', 'close']])],
    ['Transfer-Encoding', request([['transfer-encoding', 'chunked']])],
    ['Upgrade', request([['upgrade', 'h2c']])],
    ['Keep-Alive', request([['keep-alive', '1']])],
    ['TE that is not trailers', request([['te', 'gzip']])],
    ['a pseudo field after a regular one', [...REQUEST.slice(0, 3), ['a', 'b'], [':path', '/']]],
    ['a pseudo field twice', [...REQUEST, [':path', '/evil']]],
    ['a pseudo field of responses', [...REQUEST, [':status', '200']]],
    ['a pseudo field that nobody knows', [...REQUEST, [':evil', '1']]],
    ['another Host than the authority', request([['host', 'evil']])],
    ['two Hosts', [...REQUEST.filter(([n]) => n !== ':authority'), ['host', 'a'], ['host', 'a']]],
    [
      'two lengths',
      request([
        ['content-length', '0'],
        ['content-length', '0'],
      ]),
    ],
    ['a length that is no number', request([['content-length', '+5']])],
    ['a body shorter than it says', request([['content-length', '5']])],
    ['a method with a blank', request([[':method', 'GET /evil HTTP/1.1\r\nx:']])],
    ['a line break in its path', request([[':path', '/a HTTP/1.1\r\nx: y']])],
    ['no path', REQUEST.filter(([n]) => n !== ':path')],
    ['an empty path', request([[':path', '']])],
  ]
  for (const [what, fields] of MALFORMED) {
    it(`resets the stream of one with ${what}`, async () => {
      const { far, calls } = setup()
      far.send(Buffer.concat([clientHello(), headers(1, fields), headers(3, REQUEST)]))
      await settle()
      assert.equal(codeOf(far, RST_STREAM), PROTOCOL_ERROR)
      assert.equal(calls.length, 1, 'the other stream goes on')
    })
  }

  for (const [what, fields, status] of [
    ['a blank in its path', request([[':path', '/a b']]), 400],
    ['an absolute path', request([[':path', 'http://evil/']]), 400],
    ['a path above the root', request([[':path', '/../../etc']]), 400],
    ['a broken escape', request([[':path', '/%zz']]), 400],
    ['user information in its authority', request([[':authority', 'a@b']]), 400],
    ['no authority', REQUEST.filter(([n]) => n !== ':authority'), 400],
    [
      'CONNECT',
      [
        [':method', 'CONNECT'],
        [':authority', 'a:1'],
      ],
      501,
    ],
    ['an expectation that nobody knows', request([['expect', 'magic']]), 417],
    ['a path that is too long', request([[':path', `/${'a'.repeat(17_000)}`]]), 414],
    [
      'too many fields',
      [...REQUEST, ...(Array.from({ length: 99 }, (_, i) => [`x-${i}`, '']) as unknown as Pairs)],
      431,
    ],
  ] as readonly (readonly [string, Pairs, number])[]) {
    it(`refuses one with ${what}: ${status}`, async () => {
      const { far, calls } = setup()
      const bytes = block(fields)
      const first = frame(HEADERS, FLAG_END_STREAM, 1, bytes.subarray(0, 16_000))
      far.send(Buffer.concat([clientHello(), first]))
      far.send(frame(CONTINUATION, FLAG_END_HEADERS, 1, bytes.subarray(16_000)))
      await settle()
      assert.equal(heads(far)[0]?.[0], `:status: ${status}`)
      assert.equal(calls.length, 0)
    })
  }
})
