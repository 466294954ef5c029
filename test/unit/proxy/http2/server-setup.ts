/**
 * The called side of HTTP/2 on a wire in memory, with scripted calls behind it.
 */

import assert from 'node:assert/strict'
import { GOAWAY, HEADERS } from '../../../../proxy/http2/format.ts'
import { HpackDecoder } from '../../../../proxy/http2/hpack-decoder.ts'
import { Http2ServerConnection } from '../../../../proxy/http2/server-connection.ts'
import { type Bench, bench, type FarEnd, ScriptedCall } from '../memory-wire.ts'
import { frames, type RawFrame } from './raw-frames.ts'

export interface Setup {
  readonly b: Bench
  readonly far: FarEnd
  readonly calls: ScriptedCall[]
  readonly server: Http2ServerConnection
  readonly state: { closed: boolean }
}

export function setup(change: (call: ScriptedCall) => void = () => {}): Setup {
  const b = bench()
  const { wire, far } = b.wire()
  const calls: ScriptedCall[] = []
  const state = { closed: false }
  const server = new Http2ServerConnection(
    wire,
    {
      normalisePaths: true,
      open: (head, caller) => {
        const call = new ScriptedCall(head, caller)
        calls.push(call)
        change(call)
        return call
      },
      onConnectionClosed: () => {
        state.closed = true
      },
    },
    b,
  )
  return { b, far, calls, server, state }
}

export function of(far: FarEnd, type: number): RawFrame[] {
  return frames(far.bytes).filter((each) => each.type === type)
}

/** Fields of the header blocks that were sent on a stream, in order. */
export function heads(far: FarEnd): string[][] {
  const decoder = new HpackDecoder()
  return of(far, HEADERS).map(({ payload }) => {
    const lines: string[] = []
    const field = ({ name, value }: { name: string; value: string }): void => {
      lines.push(`${name}: ${value}`)
    }
    assert.ok(decoder.decode(payload, 0, payload.length, { field }))
    return lines
  })
}

export function codeOf(far: FarEnd, type: number): number | undefined {
  const last = of(far, type).at(-1)
  return last?.payload.readUInt32BE(type === GOAWAY ? 4 : 0)
}

/** Of an answer whose content nobody looks at. */
export const OK = 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n'
