/**
 * The caller's side of HTTP/1 in memory: cutting, noise, deadlines, and bodies that are not what they say.
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
import { Http1ServerConnection } from '../../../../proxy/http1/server-connection.ts'
import { type Bench, bench, type FarEnd, ScriptedCall, settle } from '../memory-wire.ts'

interface Setup {
  readonly b: Bench
  readonly far: FarEnd
  readonly calls: ScriptedCall[]
  readonly connection: Http1ServerConnection
  readonly state: { closed: boolean }
}

/** @param answer what the callee does with each call, at once */
function setup(answer: (call: ScriptedCall) => void = () => {}): Setup {
  const b = bench()
  const { wire, far } = b.wire()
  const calls: ScriptedCall[] = []
  const state = { closed: false }
  const connection = new Http1ServerConnection(
    wire,
    {
      normalisePaths: false,
      open: (head, caller) => {
        const call = new ScriptedCall(head, caller)
        calls.push(call)
        answer(call)
        return call
      },
      onConnectionClosed: () => {
        state.closed = true
      },
    },
    b,
  )
  return { b, far, calls, connection, state }
}

function respond(call: ScriptedCall, body: string): void {
  const text = `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n`
  const kind = body === '' ? BODY_NONE : BODY_LENGTH
  call.caller.onResponse(new ResponseHead(200, text, kind, body.length))
  if (body !== '') call.caller.onData(Buffer.from(body, 'latin1'), 0, body.length)
  call.caller.onResponseEnd()
}

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'
const POST = 'POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody'
const CHUNKED =
  'PUT /c HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1;x\r\nd\r\n0\r\nt: 1\r\n\r\n'

describe('a connection of a caller', () => {
  it('gives the same exchanges however its bytes are cut', async () => {
    const text = `${GET}${POST}${CHUNKED}${GET}`
    const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(cuts, async (sizes) => {
        const { far, calls } = setup()
        let answered = 0
        const answerAll = async (): Promise<void> => {
          await settle()
          for (let call = calls[answered]; call !== undefined; call = calls[answered]) {
            if (call.head?.body !== BODY_NONE && !call.ended) return
            answered++
            respond(call, 'ok')
            await settle()
          }
        }
        let at = 0
        for (const size of [...sizes, text.length]) {
          far.send(text.slice(at, at + size))
          at += size
          await answerAll()
        }
        assert.deepEqual(
          calls.map((call) => [call.head?.text.split(' ')[0], call.body, call.trailerText]),
          [
            ['GET', '', ''],
            ['POST', 'body', ''],
            ['PUT', 'abcd', 't: 1\r\n'],
            ['GET', '', ''],
          ],
        )
        assert.equal(far.text.match(/200 OK/g)?.length, 4)
      }),
      { numRuns: 60 },
    )
  })

  it('holds pipelined requests until the one before is answered', async () => {
    const { far, calls } = setup()
    far.send(`${GET}${POST}${CHUNKED}`)
    await settle()
    assert.equal(calls.length, 1)
    respond(calls[0] as ScriptedCall, 'one')
    await settle()
    assert.equal(calls.length, 2)
    assert.equal(calls[1]?.body, 'body')
    assert.equal(calls[1]?.ended, true)
    respond(calls[1] as ScriptedCall, 'two')
    respond(calls[2] as ScriptedCall, '')
    await settle()
    assert.match(far.text, /one[\s\S]*two[\s\S]*content-length: 0/)
  })

  it('stops reading while the callee asks it to', async () => {
    const { far, calls } = setup((call) => {
      call.isRoomy = false
    })
    far.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n')
    const piece = 'x'.repeat(10_000)
    for (let i = 0; i < 100; i++) {
      far.send(piece)
      await settle()
    }
    const [call] = calls
    assert.ok(call !== undefined && call.body.length < 200_000, `${call?.body.length} bytes passed`)
    call.isRoomy = true
    call.caller.resumeRequest()
    await settle()
    assert.equal(call.body.length, 1_000_000)
    assert.equal(call.ended, true)
  })

  it('answers an early response and closes, for the rest of the body has no reader', async () => {
    const { far, calls } = setup((call) => respond(call, 'no'))
    far.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nbeginning')
    await settle()
    assert.match(far.text, /^HTTP\/1.1 200 OK[\s\S]*no$/)
    assert.equal(far.ended, true)
    assert.equal(calls[0]?.aborted, true)
  })

  it('is cut when a response is longer or shorter than it says', async () => {
    for (const body of ['toolong', 'x']) {
      const { far, state } = setup((call) => {
        call.caller.onResponse(
          new ResponseHead(200, 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n', BODY_LENGTH, 3),
        )
        call.caller.onData(Buffer.from(body), 0, body.length)
        call.caller.onResponseEnd()
      })
      far.send(GET)
      await settle()
      assert.equal(state.closed, true, body)
      assert.ok(!far.text.includes('toolong'))
    }
  })

  it('passes not one byte on beyond the length of a response', async () => {
    const { far, calls, state } = setup()
    far.send(GET)
    await settle()
    const caller = calls[0]?.caller
    const head = 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n'
    caller?.onResponse(new ResponseHead(200, head, BODY_LENGTH, 3))
    caller?.onData(Buffer.from('abc'), 0, 3)
    await settle()
    caller?.onData(Buffer.from('HTTP/1.1 200 OK'), 0, 15)
    await settle()
    assert.equal(state.closed, true)
    assert.ok(far.text.endsWith('\r\n\r\nabc'))
  })

  it('is cut when a response breaks off after its head, and answered when before', async () => {
    const failure = { code: 'UPSTREAM_RESET', reason: 'gone', retry: 'final' } as const
    const late = setup((call) => {
      call.caller.onResponse(new ResponseHead(200, 'HTTP/1.1 200 OK\r\n', BODY_STREAM, 0))
      call.caller.onData(Buffer.from('part'), 0, 4)
      call.caller.onFailed(failure)
    })
    late.far.send(GET)
    await settle()
    assert.equal(late.state.closed, true)
    assert.ok(!late.far.text.includes('\r\n0\r\n'))
    const early = setup((call) => call.caller.onFailed(failure))
    early.far.send(`${GET}${GET}`)
    await settle()
    assert.equal(early.calls.length, 2, 'the connection lives on')
    assert.match(early.far.text, /^HTTP\/1.1 503 [\s\S]*UPSTREAM_RESET[\s\S]*gone/)
  })

  it('is told 408 when a head does not come to its end, and closed when idle for an hour', async () => {
    const slow = setup()
    slow.far.send('GET / HTTP/1.1\r\n')
    await settle()
    slow.b.clock.advance(62_000)
    await settle()
    assert.match(slow.far.text, /^HTTP\/1.1 408 Request Timeout\r\n/)
    assert.equal(slow.far.ended, true)
    slow.b.clock.advance(4000)
    assert.equal(slow.state.closed, true)
    const idle = setup((call) => respond(call, ''))
    idle.far.send(GET)
    await settle()
    idle.b.clock.advance(3_590_000)
    await settle()
    assert.equal(idle.far.ended, false)
    idle.b.clock.advance(15_000)
    await settle()
    assert.equal(idle.far.ended, true)
  })

  it('gives up the call when the caller goes', async () => {
    const { far, calls, state } = setup()
    far.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc')
    await settle()
    far.stream.end()
    await settle()
    assert.equal(calls[0]?.aborted, true)
    assert.equal(state.closed, true)
  })

  it('never throws at noise, and answers or closes', async () => {
    const part = fc.constantFrom(
      'GET / HTTP/1.1\r\n',
      'host: a\r\n',
      '\r\n',
      'content-length: 5\r\n',
      'transfer-encoding: chunked\r\n',
      '5\r\nhello\r\n',
      '0\r\n\r\n',
      'hello',
      '\n',
      '\0',
      'POST /x HTTP/1.0\r\n',
      'connection: close\r\n',
      'expect: 100-continue\r\n',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 14 }), fc.boolean(), async (parts, isQuick) => {
        const { far, calls } = setup((call) => {
          if (isQuick) respond(call, 'x')
        })
        for (const each of parts) far.send(each)
        await settle()
        for (const call of calls) assert.ok(call.body.length <= 70)
        const replies = far.text.match(/HTTP\/1\.1 /g)?.length ?? 0
        assert.ok(replies <= calls.length + 1, 'at most one reply a request, and one refusal')
      }),
      { numRuns: 300 },
    )
  })
})
