/**
 * Response heads: framing, persistence, and what is too ambiguous to be forwarded.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { NEED_MORE } from '../../../../proxy/http1/head-parser.ts'
import { HeadReader } from '../../../../proxy/http1/head-reader.ts'
import {
  BODY_LENGTH,
  BODY_NONE,
  BODY_STREAM,
  type ResponseHead,
} from '../../../../proxy/http1/message.ts'
import { interpretResponse, type ResponseContext } from '../../../../proxy/http1/response-head.ts'

const GET: ResponseContext = { isHead: false, upgrade: false }

/** @returns the head, undefined when it is refused, null when it is not complete */
function read(text: string, request: ResponseContext = GET): ResponseHead | undefined | null {
  const bytes = Buffer.from(text, 'latin1')
  const whole = readCut(bytes, bytes.length, request)
  for (let at = 1; at < bytes.length; at++) {
    assert.deepEqual(readCut(bytes, at, request), whole, `cut at ${at}`)
  }
  return whole
}

function readCut(
  bytes: Buffer,
  at: number,
  request: ResponseContext,
): ResponseHead | undefined | null {
  const reader = new HeadReader('response')
  let end = reader.read(bytes, 0, at)
  if (end === NEED_MORE && at < bytes.length) {
    const rest = Buffer.from(bytes.subarray(at))
    end = reader.read(rest, 0, rest.length)
  }
  if (end === NEED_MORE) return null
  if (end < 0) return undefined
  return interpretResponse(reader.parser, reader.bytes, reader.base, request)
}

function accepted(text: string, request: ResponseContext = GET): ResponseHead {
  const head = read(text, request)
  assert.ok(head, `not accepted: ${JSON.stringify(text)}`)
  return head
}

describe('a response head', () => {
  it('is forwarded as it came, without the fields of the hop', () => {
    const head = accepted(
      'HTTP/1.1 200 Fine by me\r\nServer: x\r\nContent-Length: 3\r\nConnection: keep-alive, x-a\r\n' +
        'Keep-Alive: timeout=7, max=9\r\nX-A: 1\r\nProxy-Authenticate: b\r\nDate: d\r\n\r\n',
    )
    assert.equal(
      head.text,
      'HTTP/1.1 200 Fine by me\r\nServer: x\r\nContent-Length: 3\r\nDate: d\r\n',
    )
    assert.equal(head.body, BODY_LENGTH)
    assert.equal(head.length, 3)
    assert.equal(head.keepAlive, true)
    assert.equal(head.keepAliveMs, 7000)
    assert.equal(head.hasDate, true)
  })

  it('is delimited by length, chunks or the end of the connection', () => {
    assert.equal(accepted('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n').body, BODY_NONE)
    const chunked = accepted('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
    assert.equal(chunked.body, BODY_STREAM)
    assert.equal(chunked.untilClose, false)
    assert.equal(chunked.keepAlive, true)
    const close = accepted('HTTP/1.1 200 OK\r\n\r\n')
    assert.equal(close.body, BODY_STREAM)
    assert.equal(close.untilClose, true)
    assert.equal(close.keepAlive, false)
  })

  it('has no body where HTTP says so, whatever its fields say', () => {
    const fields = 'Content-Length: 5\r\n\r\n'
    assert.equal(accepted(`HTTP/1.1 204 No Content\r\n${fields}`).body, BODY_NONE)
    assert.doesNotMatch(accepted(`HTTP/1.1 204 No Content\r\n${fields}`).text, /length/i)
    assert.equal(accepted(`HTTP/1.1 304 Not Modified\r\n${fields}`).body, BODY_NONE)
    const head = accepted(`HTTP/1.1 200 OK\r\n${fields}`, { isHead: true, upgrade: false })
    assert.equal(head.body, BODY_NONE)
    assert.match(head.text, /Content-Length: 5/)
    assert.equal(accepted('HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n').isInterim, true)
  })

  it('of HTTP/1.0 is sent on as HTTP/1.1 and keeps the connection only when it says so', () => {
    const head = accepted('HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n')
    assert.match(head.text, /^HTTP\/1.1 200 OK\r\n/)
    assert.equal(head.keepAlive, false)
    const kept = accepted('HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n')
    assert.equal(kept.keepAlive, true)
  })

  it('may leave out its reason, with or without the space', () => {
    assert.equal(accepted('HTTP/1.1 200 \r\n\r\n').status, 200)
    assert.equal(accepted('HTTP/1.1 200\r\n\r\n').status, 200)
  })

  it('switches protocols only when that was asked for', () => {
    const text =
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'
    const asked = accepted(text, { isHead: false, upgrade: true })
    assert.equal(asked.upgrade, true)
    assert.match(asked.text, /Upgrade: websocket\r\nconnection: upgrade\r\n$/)
    assert.equal(read(text), undefined)
    const other = text.replace('websocket', 'h2c')
    assert.equal(read(other, { isHead: false, upgrade: true }), undefined)
    const silent = text.replace('Connection: Upgrade\r\n', '')
    assert.equal(read(silent, { isHead: false, upgrade: true }), undefined)
  })

  it('is refused when two readers could delimit it differently', () => {
    const refused = [
      'Content-Length: 1\r\nContent-Length: 1\r\n',
      'Content-Length: 1\r\nContent-Length: 2\r\n',
      'Content-Length: 1\r\nTransfer-Encoding: chunked\r\n',
      'Content-Length: -1\r\n',
      'Content-Length: 1,1\r\n',
      'Transfer-Encoding: gzip, chunked\r\n',
      'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n',
      'Connection: content-length\r\nContent-Length: 1\r\n',
      'X: a\nY: b\r\n',
      'X: a\r\n folded\r\n',
      'X : a\r\n',
    ]
    for (const fields of refused) {
      assert.equal(read(`HTTP/1.1 200 OK\r\n${fields}\r\n`), undefined, fields)
    }
    assert.equal(read('HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'), undefined)
    for (const line of [
      'HTTP/1.1 20 OK',
      'HTTP/1.1 099 OK',
      'HTTP/1.1 2000 OK',
      'HTTP/2 200 OK',
      'ICY 200 OK',
      'HTTP/1.1  200 OK',
      '\r\nHTTP/1.1 200 OK',
    ]) {
      assert.equal(read(`${line}\r\n\r\n`), undefined, line)
    }
  })

  it('never throws and means the same however it is cut', () => {
    const part = fc.constantFrom(
      'HTTP/1.1',
      ' ',
      '200',
      '101',
      '204',
      ' OK',
      '\r\n',
      '\n',
      'Content-Length: 3',
      ':',
      'x',
      'Transfer-Encoding: chunked',
      'Connection: upgrade',
      'Upgrade: websocket',
      '\0',
      ',',
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 24 }), fc.boolean(), fc.boolean(), (parts, a, b) => {
        read(parts.join(''), { isHead: a, upgrade: b })
      }),
      { numRuns: 1500 },
    )
  })
})
