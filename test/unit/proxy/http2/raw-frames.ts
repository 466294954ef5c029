/**
 * Frames of HTTP/2 by hand, for playing a peer that keeps no rules.
 */

import {
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FRAME_HEADER_BYTES,
  HEADERS,
  PREFACE,
  SETTINGS,
} from '../../../../proxy/http2/format.ts'
import { HpackEncoder } from '../../../../proxy/http2/hpack-encoder.ts'

export interface RawFrame {
  readonly type: number
  readonly flags: number
  readonly id: number
  readonly payload: Buffer
}

export function frame(
  type: number,
  flags: number,
  id: number,
  payload: Buffer | string = '',
): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload
  const header = Buffer.alloc(FRAME_HEADER_BYTES)
  header.writeUIntBE(body.length, 0, 3)
  header[3] = type
  header[4] = flags
  header.writeUInt32BE(id, 5)
  return Buffer.concat([header, body])
}

/** Whole frames in what was sent; the preface of a client is passed over. */
export function frames(bytes: Buffer): RawFrame[] {
  const found: RawFrame[] = []
  const isClient = bytes.toString('latin1', 0, PREFACE.length) === PREFACE
  for (let at = isClient ? PREFACE.length : 0; at + FRAME_HEADER_BYTES <= bytes.length; ) {
    const size = bytes.readUIntBE(at, 3)
    const from = at + FRAME_HEADER_BYTES
    found.push({
      type: bytes[at + 3] as number,
      flags: bytes[at + 4] as number,
      id: bytes.readUInt32BE(at + 5),
      payload: bytes.subarray(from, from + size),
    })
    at = from + size
  }
  return found
}

export function numbers(...values: readonly number[]): Buffer {
  const out = Buffer.alloc(values.length * 4)
  for (const [i, value] of values.entries()) out.writeUInt32BE(value, i * 4)
  return out
}

export type Pairs = readonly (readonly [name: string, value: string])[]

/** A header block that uses no table, whatever its fields are. */
export function block(pairs: Pairs): Buffer {
  const encoder = new HpackEncoder()
  encoder.resize(0)
  const fields = pairs.map(([name, value]) => encoder.field(name, value))
  return Buffer.from(encoder.begin() + fields.join(''), 'latin1')
}

export function headers(id: number, pairs: Pairs, isEnd = true): Buffer {
  return frame(HEADERS, FLAG_END_HEADERS | (isEnd ? FLAG_END_STREAM : 0), id, block(pairs))
}

export const REQUEST: Pairs = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'shop'],
  [':path', '/items?n=1'],
]

/** A request with other or further fields. */
export function request(more: Pairs): Pairs {
  const names = new Set(more.map(([name]) => name))
  return [...REQUEST.filter(([name]) => !names.has(name)), ...more].sort(
    ([a], [b]) => Number(b.startsWith(':')) - Number(a.startsWith(':')),
  )
}

/** What a client says first. */
export function clientHello(settings: Buffer = Buffer.alloc(0)): Buffer {
  return Buffer.concat([Buffer.from(PREFACE, 'latin1'), frame(SETTINGS, 0, 0, settings)])
}

export function setting(id: number, value: number): Buffer {
  const out = Buffer.alloc(6)
  out.writeUInt16BE(id, 0)
  out.writeUInt32BE(value, 2)
  return out
}
