/**
 * The called side of HTTP/2 in memory: streams, windows and farewell.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  BODY_LENGTH,
  BODY_NONE,
  BODY_STREAM,
  ResponseHead,
} from '../../../../proxy/http1/message.ts'
import {
  CANCEL,
  CONTINUATION,
  DATA,
  FLAG_ACK,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FLAG_PADDED,
  FLOW_CONTROL_ERROR,
  GOAWAY,
  HEADERS,
  INTERNAL_ERROR,
  NO_ERROR,
  PING,
  PRIORITY,
  REFUSED_STREAM,
  RST_STREAM,
  SETTING_INITIAL_WINDOW_SIZE,
  STREAM_ID_MAX,
  WINDOW_DEFAULT,
  WINDOW_UPDATE,
} from '../../../../proxy/http2/format.ts'
import { type ScriptedCall, settle } from '../memory-wire.ts'
import {
  block,
  clientHello,
  frame,
  headers,
  numbers,
  REQUEST,
  request,
  setting,
} from './raw-frames.ts'
import { codeOf, heads, OK, of, setup } from './server-setup.ts'

describe('the called side', () => {
  it('passes a request on as canonical text, and its answer back', async () => {
    const { far, calls } = setup()
    const fields = request([
      [':method', 'POST'],
      [':path', '/a/../b%41?x=%41'],
      ['cookie', 'a=1'],
      ['cookie', 'b=2'],
      ['te', 'trailers'],
      ['x-forwarded-client-cert', 'By=x'],
    ])
    far.send(Buffer.concat([clientHello(), headers(1, fields, false)]))
    far.send(frame(DATA, 0, 1, 'bo'))
    far.send(frame(DATA, FLAG_PADDED, 1, '\x03dy\0\0\0'))
    far.send(
      headers(1, [
        ['x-sum', '7'],
        ['content-type', 'text/evil'],
      ]),
    )
    await settle()
    const [call] = calls
    assert.equal(
      call?.head?.text,
      'POST /bA?x=%41 HTTP/1.1\r\nhost: shop\r\ncookie: a=1; b=2\r\n' +
        'te: trailers\r\nconnection: te\r\n',
    )
    assert.equal(call.head.body, BODY_STREAM)
    assert.equal(call.head.clientCert, 'By=x')
    assert.deepEqual([call.body, call.trailerText, call.ended], ['body', 'x-sum: 7\r\n', true])
    call.caller.onInterim(
      new ResponseHead(103, 'HTTP/1.1 103 Early\r\nlink: </a>\r\n', BODY_NONE, 0),
    )
    call.caller.onResponse(new ResponseHead(200, `${OK}connection: upgrade\r\n`, BODY_STREAM, 0))
    call.caller.onData(Buffer.from('hello'), 0, 5)
    call.caller.onTrailers('grpc-status: 0\r\n')
    call.caller.onResponseEnd()
    await settle()
    assert.deepEqual(heads(far), [
      [':status: 103', 'link: </a>'],
      [':status: 200', 'content-type: text/plain'],
      ['grpc-status: 0'],
    ])
    assert.equal(of(far, DATA)[0]?.payload.toString(), 'hello')
    assert.equal((of(far, HEADERS)[2]?.flags ?? 0) & FLAG_END_STREAM, FLAG_END_STREAM)
  })

  it('ends a small answer in its only DATA frame', async () => {
    const { far, calls } = setup()
    far.send(Buffer.concat([clientHello(), headers(1, REQUEST)]))
    await settle()
    const { caller } = calls[0] as ScriptedCall
    caller.onResponse(new ResponseHead(200, `${OK}content-length: 4\r\n`, BODY_LENGTH, 4))
    caller.onData(Buffer.from('ab'), 0, 2)
    caller.onData(Buffer.from('cd'), 0, 2)
    caller.onResponseEnd()
    await settle()
    const data = of(far, DATA)
    assert.deepEqual(
      data.map(({ flags, payload }) => [flags, payload.toString()]),
      [[FLAG_END_STREAM, 'abcd']],
    )
  })

  it('answers what fails before a response, and resets what fails after its head', async () => {
    const { far, calls } = setup()
    const grpc = request([
      [':method', 'POST'],
      ['content-type', 'application/grpc+proto'],
    ])
    far.send(Buffer.concat([clientHello(), headers(1, REQUEST), headers(3, REQUEST)]))
    far.send(headers(5, grpc, false))
    await settle()
    const failure = { code: 'UPSTREAM_UNHEALTHY', reason: 'x', retry: 'final' } as const
    calls[0]?.caller.onFailed(failure)
    calls[1]?.caller.onResponse(new ResponseHead(200, OK, BODY_STREAM, 0))
    calls[1]?.caller.onFailed(failure)
    calls[2]?.caller.onFailed({ ...failure, code: 'PERMISSION_DENIED' })
    await settle()
    const [first, , third] = heads(far)
    assert.deepEqual(first?.slice(0, 4), [
      ':status: 503',
      'content-type: text/plain',
      'content-length: 19',
      'x-fairlead-error: UPSTREAM_UNHEALTHY',
    ])
    assert.deepEqual(third?.slice(0, 5), [
      ':status: 200',
      'content-type: application/grpc',
      'content-length: 0',
      'grpc-status: 7',
      'grpc-message: RBAC: access denied',
    ])
    const resets = of(far, RST_STREAM).map(({ id, payload }) => [id, payload.readUInt32BE(0)])
    assert.deepEqual(resets, [
      [3, INTERNAL_ERROR],
      [5, NO_ERROR],
    ])
  })

  it('sends within the windows of the stream and of the connection, small streams in between', async () => {
    const { far, calls } = setup()
    const small = setting(SETTING_INITIAL_WINDOW_SIZE, 10)
    far.send(Buffer.concat([clientHello(small), headers(1, REQUEST), headers(3, REQUEST)]))
    await settle()
    const [bulk, other] = calls as [ScriptedCall, ScriptedCall]
    bulk.caller.onResponse(new ResponseHead(200, OK, BODY_STREAM, 0))
    assert.equal(bulk.caller.onData(Buffer.alloc(100_000, 'a'), 0, 100_000), false)
    await settle()
    assert.equal(of(far, DATA)[0]?.payload.length, 10)
    far.send(frame(WINDOW_UPDATE, 0, 1, numbers(90_000)))
    await settle()
    const sent = of(far, DATA).reduce((sum, { payload }) => sum + payload.length, 0)
    assert.equal(sent, WINDOW_DEFAULT)
    other.caller.onResponse(new ResponseHead(200, OK, BODY_STREAM, 0))
    other.caller.onData(Buffer.from('b'.repeat(10)), 0, 10)
    other.caller.onResponseEnd()
    far.send(frame(WINDOW_UPDATE, 0, 0, numbers(100_000)))
    await settle()
    const order = of(far, DATA).slice(-3)
    assert.equal(
      order.some(({ id }) => id === 3),
      true,
      'not behind all of the bulk',
    )
    assert.equal(bulk.resumes, 0)
    far.send(frame(WINDOW_UPDATE, 0, 1, numbers(10_000)))
    await settle()
    assert.equal(bulk.resumes, 1)
  })

  it('takes no more than the window of a stream while its reader waits, and lets others pass', async () => {
    const { far, calls, state } = setup((call) => {
      call.isRoomy = call.head?.text.includes('/fast') ?? false
    })
    const slow = request([[':method', 'POST']])
    const fast = request([
      [':method', 'POST'],
      [':path', '/fast'],
    ])
    far.send(Buffer.concat([clientHello(), headers(1, slow, false), headers(3, fast, false)]))
    const piece = Buffer.alloc(16_000)
    for (let i = 0; i < 4; i++) far.send(frame(DATA, 0, 1, piece))
    for (let i = 0; i < 40; i++) {
      far.send(frame(DATA, 0, 3, piece))
      await settle()
    }
    assert.equal(calls[0]?.body.length, 64_000)
    assert.equal(calls[1]?.body.length, 640_000)
    const windows = of(far, WINDOW_UPDATE).map(({ id }) => id)
    assert.equal(windows.includes(1), false)
    assert.equal(windows.includes(3), true)
    far.send(frame(DATA, 0, 1, piece))
    await settle()
    assert.equal(codeOf(far, RST_STREAM), FLOW_CONTROL_ERROR)
    assert.equal(calls[0]?.aborted, true)
    assert.equal(state.closed, false)
  })

  it('drains: what was on its way is taken, then no more, then the connection ends', async () => {
    const { far, calls, server } = setup()
    far.send(Buffer.concat([clientHello(), headers(1, REQUEST)]))
    await settle()
    server.drain()
    await settle()
    assert.equal(of(far, GOAWAY)[0]?.payload.readUInt32BE(0), STREAM_ID_MAX)
    const ping = of(far, PING)[0]?.payload as Buffer
    far.send(headers(3, REQUEST))
    far.send(frame(PING, FLAG_ACK, 0, ping))
    far.send(headers(5, REQUEST))
    await settle()
    assert.equal(calls.length, 2)
    assert.equal(of(far, GOAWAY)[1]?.payload.readUInt32BE(0), 3)
    assert.equal(codeOf(far, RST_STREAM), REFUSED_STREAM)
    for (const { caller } of calls) {
      caller.onResponse(new ResponseHead(200, OK, BODY_NONE, 0))
      caller.onResponseEnd()
    }
    await settle()
    assert.equal(heads(far).length, 2)
    assert.equal(far.ended, true)
  })

  it('can be cut, one stream at a time', async () => {
    const { far, calls, server } = setup()
    far.send(Buffer.concat([clientHello(), headers(1, REQUEST), headers(3, REQUEST)]))
    await settle()
    for (const stream of server.streams) {
      if (stream.id === 1) stream.cut({ code: 'PERMISSION_DENIED', reason: 'x', retry: 'final' })
    }
    await settle()
    assert.deepEqual(heads(far)[0]?.[0], ':status: 403')
    assert.deepEqual(
      calls.map((call) => call.aborted),
      [true, false],
    )
  })

  it('tells the called side when the caller gives up, or is gone', async () => {
    const { far, calls, state } = setup()
    far.send(Buffer.concat([clientHello(), headers(1, REQUEST), headers(3, REQUEST)]))
    far.send(frame(RST_STREAM, 0, 1, numbers(CANCEL)))
    await settle()
    assert.deepEqual(
      calls.map((call) => call.aborted),
      [true, false],
    )
    far.stream.destroy()
    await settle()
    assert.equal(calls[1]?.aborted, true)
    assert.equal(state.closed, true)
  })

  it('gives the same calls however its bytes are cut', async () => {
    const bytes = Buffer.concat([
      clientHello(),
      headers(1, request([[':method', 'POST']]), false),
      frame(DATA, FLAG_PADDED, 1, '\x02hello\0\0'),
      frame(PRIORITY, 0, 9, numbers(0, 0).subarray(0, 5)),
      frame(DATA, FLAG_END_STREAM, 1, ''),
      frame(HEADERS, FLAG_END_STREAM, 3, block(REQUEST).subarray(0, 3)),
      frame(CONTINUATION, FLAG_END_HEADERS, 3, block(REQUEST).subarray(3)),
      frame(77, 0, 0, 'unknown'),
    ])
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 8 }), async (cuts) => {
        const { far, calls } = setup()
        let from = 0
        for (const to of [...cuts.sort((a, b) => a - b), bytes.length]) {
          far.send(bytes.subarray(from, to))
          await settle()
          from = to
        }
        assert.deepEqual(
          calls.map((call) => [call.head?.text.split('\r\n')[0], call.body, call.ended]),
          [
            ['POST /items?n=1 HTTP/1.1', 'hello', true],
            ['GET /items?n=1 HTTP/1.1', '', false],
          ],
        )
      }),
      { numRuns: 40 },
    )
  })
})
