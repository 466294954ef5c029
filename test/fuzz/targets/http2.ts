/**
 * HTTP/2 as it comes from callers and servers: header blocks, and whole connections of either side.
 */

import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { Rng } from '../../../core/rng.ts'
import { BODY_NONE, BODY_STREAM, RequestHead, ResponseHead } from '../../../proxy/http1/message.ts'
import { HttpDate } from '../../../proxy/http1/replies.ts'
import { Http2ClientConnection } from '../../../proxy/http2/client-connection.ts'
import { HpackDecoder } from '../../../proxy/http2/hpack-decoder.ts'
import { HpackEncoder } from '../../../proxy/http2/hpack-encoder.ts'
import { RequestFields } from '../../../proxy/http2/request-fields.ts'
import { Http2ServerConnection } from '../../../proxy/http2/server-connection.ts'
import { IdleSweep } from '../../../proxy/sockets/idle-sweep.ts'
import { Turn } from '../../../proxy/sockets/turn.ts'
import { Wire } from '../../../proxy/sockets/wire.ts'
import { ManualClock } from '../../../runtime/clock/manual-clock.ts'
import {
  clientHello,
  frame,
  headers,
  numbers,
  type Pairs,
  request,
} from '../../unit/proxy/http2/raw-frames.ts'
import { ScriptedCall, ScriptedCaller } from '../../unit/proxy/memory-wire.ts'
import { type FuzzTarget, never } from '../target.ts'

/** The safe alphabet of a head: what a reader of HTTP/1 sees as one request. */
const CANONICAL = /^[!-~]+ [!-~]+ HTTP\/1\.1\r\n(?:[!-9;-~]+: [\t -~\x80-\xff]*\r\n)+$/

function fieldsOf(rng: Rng): Pairs {
  const more: [string, string][] = [
    ['cookie', 'a=b'],
    ['content-type', 'application/grpc'],
    ['x-request-id', `${rng.u32()}`],
    ['te', 'trailers'],
    [`x-${rng.range(0, 5)}`, 'v'.repeat(rng.range(0, 60))],
  ]
  return request(more.filter(() => rng.float() < 0.5))
}

/** Fields that come again, so that all forms of a field occur: new, entering the table, and out of it. */
function blockOf(rng: Rng): Uint8Array {
  const encoder = new HpackEncoder()
  const fields = fieldsOf(rng)
  const again = fields.filter(([name]) => !name.startsWith(':'))
  const all = [...fields, ...again, ...again]
  return Buffer.from(all.map(([name, value]) => encoder.field(name, value)).join(''), 'latin1')
}

/** Takes what is written and gives nothing back. */
class Sink extends Duplex {
  override _read(): void {}
  override _write(_chunk: Buffer, _encoding: string, done: () => void): void {
    done()
  }
}

function wireOf(): { readonly wire: Wire; readonly deps: Deps } {
  const clock = new ManualClock()
  const turn = new Turn()
  const deps = { turn, sweep: new IdleSweep(clock), date: new HttpDate(() => clock.wall()) }
  return { wire: new Wire(new Sink() as unknown as Socket, turn, 'onread'), deps }
}

interface Deps {
  readonly turn: Turn
  readonly sweep: IdleSweep
  readonly date: HttpDate
}

function requestsOf(rng: Rng): Uint8Array {
  return Buffer.concat([
    clientHello(),
    headers(1, fieldsOf(rng)),
    headers(3, fieldsOf(rng), false),
    frame(0, rng.range(0, 2), 3, 'body'.repeat(rng.range(0, 9))),
    frame(8, 0, rng.range(0, 4), numbers(rng.range(0, 99))),
    frame(3, 0, 1, numbers(8)),
    frame(rng.range(0, 12), rng.range(0, 256), rng.range(0, 6), 'payload!'),
  ])
}

function responsesOf(rng: Rng): Uint8Array {
  return Buffer.concat([
    frame(4, 0, 0, ''),
    headers(
      1,
      [
        [':status', '200'],
        ['content-length', '4'],
      ],
      false,
    ),
    frame(0, 1, 1, 'body'),
    headers(3, [[':status', '103']], false),
    headers(3, [[':status', `${rng.range(100, 600)}`]], rng.float() < 0.5),
    headers(3, [['grpc-status', '0']]),
    frame(7, 0, 0, numbers(rng.range(0, 5), 0)),
    frame(rng.range(0, 12), rng.range(0, 256), rng.range(0, 6), 'payload!'),
  ])
}

export const HTTP2_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'HTTP/2 header block',
    valid: blockOf,
    decode: (bytes) => {
      const fields = new RequestFields()
      const decoder = new HpackDecoder()
      if (!decoder.decode(Buffer.from(bytes), 0, bytes.length, fields)) return null
      const head = fields.head(true, true)
      if (!(head instanceof RequestHead)) return null
      if (!CANONICAL.test(head.text))
        throw new Error(`no canonical text: ${JSON.stringify(head.text)}`)
      return undefined
    },
    isDeclared: never,
  },
  {
    name: 'HTTP/2 from a caller',
    valid: requestsOf,
    decode: (bytes) => {
      const { wire, deps } = wireOf()
      const calls: ScriptedCall[] = []
      const connection = new Http2ServerConnection(
        wire,
        {
          normalisePaths: true,
          open: (head, caller) => {
            const call = new ScriptedCall(head, caller)
            calls.push(call)
            return call
          },
          onConnectionClosed: () => {},
        },
        deps,
      )
      connection.link.onBytes(Buffer.from(bytes), bytes.length)
      for (const { caller } of calls) {
        caller.onResponse(new ResponseHead(200, 'HTTP/1.1 200 OK\r\n', BODY_STREAM, 0))
        caller.onData(Buffer.from('hello'), 0, 5)
        caller.onResponseEnd()
      }
      const isAlive = !connection.link.isDown
      connection.destroy()
      return isAlive ? undefined : null
    },
    isDeclared: never,
  },
  {
    name: 'HTTP/2 from a server',
    valid: responsesOf,
    decode: (bytes) => {
      const { wire, deps } = wireOf()
      const callers: ScriptedCaller[] = []
      const connection: Http2ClientConnection = new Http2ClientConnection(
        wire,
        { responseTimeoutMs: 0, streamIdleMs: 0, scheme: 'http' },
        {
          ...deps,
          owner: {
            onReady: () => {
              for (let i = 0; i < 3; i++) {
                const caller = new ScriptedCaller()
                callers.push(caller)
                const text = 'POST / HTTP/1.1\r\nhost: a\r\n'
                connection.open(
                  new RequestHead(text, i === 0 ? BODY_NONE : BODY_STREAM, 0, 0, false),
                  caller,
                )
              }
            },
            onClosing: () => {},
            onRoom: () => {},
          },
        },
      )
      connection.link.onBytes(Buffer.from(bytes), bytes.length)
      const isAlive = !connection.link.isDown
      connection.destroy()
      for (const caller of callers) {
        if (!caller.ended && caller.failure === undefined) throw new Error('a caller was forgotten')
      }
      return isAlive ? undefined : null
    },
    isDeclared: never,
  },
]
