/**
 * Frames of the mux made and read by hand, so that tests do not trust the code they test.
 */

import { HELLO, INITIAL_WINDOW } from '../../../../proxy/mux/format.ts'
import type { FarEnd } from '../memory-wire.ts'

export const HEAD = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'

export function frame(
  kind: number,
  flags: number,
  id: number,
  payload: Buffer | string = '',
): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload
  const bytes = Buffer.alloc(8 + body.length)
  bytes[0] = kind
  bytes[1] = flags
  bytes.writeUInt16BE(body.length, 2)
  bytes.writeUInt32BE(id, 4)
  body.copy(bytes, 8)
  return bytes
}

export function numbers(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, i * 4)
  return bytes
}

export const hello = (window = INITIAL_WINDOW, exchanges = 100): Buffer =>
  frame(HELLO, 0, 0, Buffer.concat([Buffer.from([1, 0, 0, 0]), numbers(exchanges, window)]))

export interface SeenFrame {
  readonly kind: number
  readonly flags: number
  readonly id: number
  readonly payload: Buffer
}

export function frames(far: FarEnd): SeenFrame[] {
  const seen: SeenFrame[] = []
  for (let at = 0; at + 8 <= far.bytes.length; ) {
    const size = far.bytes.readUInt16BE(at + 2)
    seen.push({
      kind: far.bytes[at] ?? 0,
      flags: far.bytes[at + 1] ?? 0,
      id: far.bytes.readUInt32BE(at + 4),
      payload: far.bytes.subarray(at + 8, at + 8 + size),
    })
    at += 8 + size
  }
  return seen
}
