/**
 * The calling side of HTTP/2 in memory: streams, failures and what they say of a second attempt, hostile servers.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  BODY_LENGTH,
  BODY_NONE,
  BODY_STREAM,
  type BodyKind,
  methodKind,
  RequestHead,
} from '../../../../proxy/http1/message.ts'
import { Http2ClientConnection } from '../../../../proxy/http2/client-connection.ts'
import {
  CANCEL,
  DATA,
  FLAG_END_STREAM,
  FLOW_CONTROL_ERROR,
  GOAWAY,
  HEADERS,
  PREFACE,
  PROTOCOL_ERROR,
  PUSH_PROMISE,
  REFUSED_STREAM,
  RST_STREAM,
  SETTING_MAX_CONCURRENT_STREAMS,
  SETTINGS,
  WINDOW_UPDATE,
} from '../../../../proxy/http2/format.ts'
import { type Bench, bench, type FarEnd, ScriptedCaller, settle } from '../memory-wire.ts'
import { frame, headers, numbers, type Pairs, setting } from './raw-frames.ts'
import { codeOf, heads, of } from './server-setup.ts'

interface Setup {
  readonly b: Bench
  readonly far: FarEnd
  readonly connection: Http2ClientConnection
  readonly events: string[]
}

function setup(): Setup {
  const b = bench()
  const { wire, far } = b.wire()
  const events: string[] = []
  const connection = new Http2ClientConnection(
    wire,
    { responseTimeoutMs: 5000, streamIdleMs: 60_000, scheme: 'http' },
    {
      ...b,
      owner: {
        onReady: () => events.push('ready'),
        onClosing: () => events.push('closing'),
        onRoom: () => events.push('room'),
      },
    },
  )
  return { b, far, connection, events }
}

async function ready(settings: Buffer = Buffer.alloc(0)): Promise<Setup> {
  const s = setup()
  s.far.send(frame(SETTINGS, 0, 0, settings))
  await settle()
  return s
}

function head(method = 'GET', body: BodyKind = BODY_NONE, length = 0): RequestHead {
  const text = `${method} /a HTTP/1.1\r\nHost: shop\r\nX-A: b\r\nte: trailers\r\nconnection: te\r\n`
  return new RequestHead(text, body, length, methodKind(method), false)
}

const OK: Pairs = [
  [':status', '200'],
  ['content-type', 'a/b'],
]

describe('the calling side', () => {
  it('greets, and is ready when the server has', async () => {
    const { far, connection, events } = setup()
    await settle()
    assert.ok(far.text.startsWith(PREFACE))
    assert.equal(connection.hasRoom, false)
    far.send(frame(SETTINGS, 0, 0))
    await settle()
    assert.deepEqual(events, ['ready'])
    assert.equal(connection.hasRoom, true)
  })

  it('sends requests as fields, and reads responses into text', async () => {
    const { far, connection } = await ready()
    const caller = new ScriptedCaller()
    const call = connection.open(head('POST', BODY_STREAM), caller)
    call.data(Buffer.from('body'), 0, 4)
    call.trailers('x-sum: 1\r\n')
    call.end()
    await settle()
    assert.deepEqual(heads(far), [
      [':method: POST', ':scheme: http', ':authority: shop', ':path: /a', 'x-a: b', 'te: trailers'],
      ['x-sum: 1'],
    ])
    far.send(headers(1, [[':status', '103']], false))
    far.send(headers(1, [...OK, ['x-envoy-upstream-service-time', '9']], false))
    far.send(frame(DATA, 0, 1, 'hello'))
    far.send(headers(1, [['grpc-status', '0']]))
    await settle()
    assert.deepEqual(caller.interims, [103])
    assert.match(
      caller.response?.text ?? '',
      /^HTTP\/1\.1 200 OK\r\ncontent-type: a\/b\r\ndate: [^\r]+\r\n$/,
    )
    assert.equal(caller.response?.body, BODY_STREAM)
    assert.deepEqual(
      [caller.body, caller.trailerText, caller.ended],
      ['hello', 'grpc-status: 0\r\n', true],
    )
    assert.equal(connection.exchanges, 0)
  })

  it('gives a response that is only a head its length, for who speaks HTTP/1', async () => {
    const { far, connection } = await ready()
    const callers = [new ScriptedCaller(), new ScriptedCaller()]
    connection.open(head(), callers[0] as ScriptedCaller)
    connection.open(head('HEAD'), callers[1] as ScriptedCaller)
    far.send(headers(1, [...OK, ['grpc-status', '5']]))
    far.send(headers(3, [...OK, ['content-length', '99']]))
    await settle()
    assert.match(callers[0]?.response?.text ?? '', /grpc-status: 5\r\ncontent-length: 0\r\n/)
    assert.match(callers[1]?.response?.text ?? '', /content-length: 99\r\n/)
    assert.deepEqual(
      callers.map((caller) => [caller.response?.body, caller.ended]),
      [
        [BODY_NONE, true],
        [BODY_NONE, true],
      ],
    )
  })

  it('opens as many streams as the server takes, and says when there is room', async () => {
    const { far, connection, events } = await ready(setting(SETTING_MAX_CONCURRENT_STREAMS, 1))
    const caller = new ScriptedCaller()
    connection.open(head(), caller)
    assert.equal(connection.hasRoom, false)
    far.send(headers(1, OK))
    await settle()
    assert.equal(connection.hasRoom, true)
    assert.deepEqual(events, ['ready', 'room'])
  })

  it('gives up when its caller does', async () => {
    const { far, connection } = await ready()
    const call = connection.open(head(), new ScriptedCaller())
    call.abort()
    await settle()
    assert.equal(codeOf(far, RST_STREAM), CANCEL)
    far.send(headers(1, OK, false))
    far.send(frame(DATA, FLAG_END_STREAM, 1, 'late'))
    await settle()
    assert.equal(of(far, GOAWAY).length, 0)
  })

  it('lets a slow reader hold up its own stream alone', async () => {
    const { far, connection } = await ready()
    const slow = new ScriptedCaller()
    const fast = new ScriptedCaller()
    slow.isRoomy = false
    const slowCall = connection.open(head(), slow)
    connection.open(head(), fast)
    far.send(Buffer.concat([headers(1, OK, false), headers(3, OK, false)]))
    const piece = Buffer.alloc(16_000)
    for (let i = 0; i < 40; i++) {
      if (i < 4) far.send(frame(DATA, 0, 1, piece))
      far.send(frame(DATA, 0, 3, piece))
      await settle()
    }
    assert.equal(fast.body.length, 640_000)
    assert.deepEqual(
      of(far, WINDOW_UPDATE).filter(({ id }) => id === 1),
      [],
    )
    slowCall.resumeResponse()
    await settle()
    assert.equal(of(far, WINDOW_UPDATE).filter(({ id }) => id === 1).length, 1)
  })
})

describe('what failed', () => {
  it('was never sent when GOAWAY says so, or the stream was refused', async () => {
    const { far, connection, events } = await ready()
    const callers = [1, 3, 5].map(() => new ScriptedCaller())
    for (const caller of callers) connection.open(head('POST'), caller)
    await settle()
    far.send(frame(RST_STREAM, 0, 1, numbers(REFUSED_STREAM)))
    far.send(frame(GOAWAY, 0, 0, numbers(3, 0)))
    await settle()
    assert.deepEqual(
      callers.map((caller) => caller.failure?.retry),
      ['never-sent', undefined, 'never-sent'],
    )
    assert.deepEqual(events, ['ready', 'closing'])
    far.send(headers(3, OK))
    await settle()
    assert.equal(callers[1]?.ended, true)
    assert.equal(far.ended, true)
  })

  it('may have been sent when the connection is lost, and was not if no byte had left', async () => {
    const { far, connection } = await ready()
    const sent = new ScriptedCaller()
    const unsent = new ScriptedCaller()
    const answered = new ScriptedCaller()
    connection.open(head(), sent)
    connection.open(head(), answered)
    await settle()
    far.send(headers(3, OK, false))
    await settle()
    connection.open(head(), unsent)
    connection.destroy()
    assert.deepEqual(
      [sent, unsent, answered].map((caller) => caller.failure?.retry),
      ['maybe-sent', 'never-sent', 'final'],
    )
  })

  it('took too long', async () => {
    const { b, far, connection } = await ready()
    const caller = new ScriptedCaller()
    connection.open(head(), caller)
    for (let i = 0; i < 8; i++) b.clock.advance(1000)
    await settle()
    assert.equal(caller.failure?.code, 'UPSTREAM_TIMEOUT')
    assert.equal(codeOf(far, RST_STREAM), CANCEL)
  })

  it('had another length than it announced', async () => {
    const { connection } = await ready()
    const short = new ScriptedCaller()
    connection.open(head('PUT', BODY_LENGTH, 5), short).end()
    const long = new ScriptedCaller()
    connection.open(head('PUT', BODY_LENGTH, 1), long).data(Buffer.from('ab'), 0, 2)
    assert.deepEqual(
      [short.failure?.code, long.failure?.code],
      ['UPSTREAM_INVALID', 'UPSTREAM_INVALID'],
    )
  })

  for (const [what, pieces, code] of [
    ['no status', [headers(1, [['a', 'b']])], PROTOCOL_ERROR],
    ['status 101', [headers(1, [[':status', '101']], false)], PROTOCOL_ERROR],
    ['a status that is none', [headers(1, [[':status', '99']])], PROTOCOL_ERROR],
    ['a pseudo field of requests', [headers(1, [...OK, [':path', '/']])], PROTOCOL_ERROR],
    ['a line break', [headers(1, [...OK, ['a', 'b\r\nc: d']])], PROTOCOL_ERROR],
    ['Transfer-Encoding', [headers(1, [...OK, ['transfer-encoding', 'chunked']])], PROTOCOL_ERROR],
    [
      'two lengths',
      [headers(1, [...OK, ['content-length', '1'], ['content-length', '1']])],
      PROTOCOL_ERROR,
    ],
    ['an interim response that ends', [headers(1, [[':status', '100']])], PROTOCOL_ERROR],
    [
      'endless interim responses',
      Array.from({ length: 20 }, () => headers(1, [[':status', '100']], false)),
      PROTOCOL_ERROR,
    ],
    ['a body before its head', [frame(DATA, 0, 1, 'x')], PROTOCOL_ERROR],
    [
      'less than it announced',
      [headers(1, [...OK, ['content-length', '9']], false), frame(DATA, 1, 1, 'x')],
      PROTOCOL_ERROR,
    ],
    [
      'more than it announced',
      [headers(1, [...OK, ['content-length', '1']], false), frame(DATA, 1, 1, 'xy')],
      PROTOCOL_ERROR,
    ],
    [
      'a body after HEAD',
      [headers(1, [...OK, ['content-length', '0']], false), headers(1, [[':a', 'b']])],
      PROTOCOL_ERROR,
    ],
    [
      'more than its window',
      [
        headers(1, OK, false),
        ...Array.from({ length: 5 }, () => frame(DATA, 0, 1, Buffer.alloc(16_000))),
      ],
      FLOW_CONTROL_ERROR,
    ],
  ] as const) {
    it(`came with ${what}`, async () => {
      const { far, connection } = await ready()
      const caller = new ScriptedCaller()
      caller.isRoomy = false
      connection.open(head(), caller)
      await settle()
      for (const piece of pieces) far.send(piece)
      await settle()
      assert.equal(caller.failure?.code, 'UPSTREAM_INVALID')
      assert.equal(codeOf(far, RST_STREAM), code)
      assert.equal(of(far, GOAWAY).length, 0, 'other streams go on')
    })
  }

  it('was on a connection whose server pushes', async () => {
    const { far, connection } = await ready()
    const caller = new ScriptedCaller()
    connection.open(head(), caller)
    await settle()
    far.send(frame(PUSH_PROMISE, 4, 1, numbers(2)))
    await settle()
    assert.equal(codeOf(far, GOAWAY), PROTOCOL_ERROR)
    assert.equal(caller.failure?.code, 'UPSTREAM_RESET')
  })

  it('was on a connection to something else', async () => {
    const { far, events } = setup()
    far.send('HTTP/1.1 400 Bad Request\r\n\r\n')
    await settle()
    assert.deepEqual(events, ['closing'])
    assert.equal(of(far, HEADERS).length, 0)
  })
})
