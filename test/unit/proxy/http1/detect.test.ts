/**
 * Telling HTTP/1 from other protocols by their first bytes.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { detectHttp1 } from '../../../../proxy/http1/detect.ts'

const detect = (text: string): string => {
  const bytes = Buffer.from(text, 'latin1')
  return detectHttp1(bytes, bytes.length)
}

it('takes a whole request line for HTTP and its beginnings for undecided', () => {
  const line = 'GET /a?b HTTP/1.1\r\n'
  assert.equal(detect(line), 'http')
  assert.equal(detect(`${line}Host: a\r\n`), 'http')
  assert.equal(detect('M-SEARCH * HTTP/1.0\r\n'), 'http')
  for (let i = 0; i < line.length; i++) assert.equal(detect(line.slice(0, i)), 'more', `${i}`)
})

it('takes anything else for a stream', () => {
  for (const text of [
    'GET key\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM',
    '\x16\x03\x01',
    'SSH-2.0-x\r\n',
    'EHLO a\r\n',
    ' GET / HTTP/1.1',
    'GET  / HTTP/1.1',
    'GET / HTTP/1.1\n',
    'GET / HTTP/1.2\r\n',
    'GET / http/1.1\r\n',
    'A'.repeat(40),
    `GET /${'a'.repeat(9000)}`,
    '*1\r\n$4\r\nPING\r\n',
  ]) {
    assert.equal(detect(text), 'tcp', JSON.stringify(text))
  }
})

it('never changes its mind once decided, and never throws', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (noise) => {
      let verdict = 'more'
      for (let i = 0; i <= noise.length; i++) {
        const now = detectHttp1(noise, i)
        if (verdict !== 'more') assert.equal(now, verdict)
        verdict = now
      }
    }),
  )
})
