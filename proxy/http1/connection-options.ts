/**
 * Reads Connection fields: what they say about the connection, and which other fields they take away
 * (RFC 9110 7.6.1).
 *
 * A field that decides what the message is or who it is for (Host, Content-Length, …) cannot be taken
 * away: naming one is a smuggling attempt and refused. Bounds: CONNECTION_OPTIONS_MAX names.
 */

import { equalsIgnoreCase, IS_TOKEN, SPACE, TAB } from './bytes.ts'
import { FIELD_CONNECTION, fieldId, NEVER_HOP_BY_HOP_MASK } from './field-ids.ts'
import type { HeadParser } from './head-parser.ts'
import { CONNECTION_OPTIONS_MAX } from './limits.ts'

const COMMA = 0x2c

export interface ConnectionOptions {
  readonly close: boolean
  readonly keepAlive: boolean
  readonly upgrade: boolean
  /** Lower-case names of other fields to drop, or undefined when there are none. */
  readonly drop: ReadonlySet<string> | undefined
}

interface Draft {
  close: boolean
  keepAlive: boolean
  upgrade: boolean
  drop: Set<string> | undefined
}

const NO_OPTIONS: ConnectionOptions = {
  close: false,
  keepAlive: false,
  upgrade: false,
  drop: undefined,
}

/** @returns undefined when a Connection field is malformed or names what it must not */
export function readConnectionOptions(
  parser: HeadParser,
  bytes: Buffer,
  base: number,
): ConnectionOptions | undefined {
  if ((parser.mask & (1 << FIELD_CONNECTION)) === 0) return NO_OPTIONS
  const options: Draft = { ...NO_OPTIONS, drop: undefined }
  for (let i = 0; i < parser.fieldCount; i++) {
    if (parser.ids[i] !== FIELD_CONNECTION) continue
    const from = base + (parser.fields[i * 4 + 2] as number)
    const to = base + (parser.fields[i * 4 + 3] as number)
    if (!readList(options, bytes, from, to)) return undefined
  }
  return options
}

function readList(options: Draft, bytes: Buffer, from: number, to: number): boolean {
  let at = from
  while (at < to) {
    const byte = bytes[at] as number
    if (byte === COMMA || byte === SPACE || byte === TAB) {
      at++
      continue
    }
    const start = at
    while (at < to && IS_TOKEN[bytes[at] as number] === 1) at++
    if (at === start || !readOption(options, bytes, start, at)) return false
    while (at < to && (bytes[at] === SPACE || bytes[at] === TAB)) at++
    if (at < to && bytes[at] !== COMMA) return false
  }
  return true
}

function readOption(options: Draft, bytes: Buffer, from: number, to: number): boolean {
  if (equalsIgnoreCase(bytes, from, to, 'close')) options.close = true
  else if (equalsIgnoreCase(bytes, from, to, 'keep-alive')) options.keepAlive = true
  else if (equalsIgnoreCase(bytes, from, to, 'upgrade')) options.upgrade = true
  else {
    if ((NEVER_HOP_BY_HOP_MASK & (1 << fieldId(bytes, from, to)) & ~1) !== 0) return false
    options.drop ??= new Set()
    if (options.drop.size === CONNECTION_OPTIONS_MAX) return false
    options.drop.add(bytes.toString('latin1', from, to).toLowerCase())
  }
  return true
}
