/**
 * Tags of a member as the opaque bytes that gossip carries: a count, then keys and values.
 *
 * Bounds: `META_SIZE_MAX` bytes in all (gossip.md 3.2). Bytes that are no tags decode to none: another version
 * may write them otherwise, and a member without tags is still a member.
 */

import type { StringMap } from '../catalog/types.ts'
import { FairleadError } from '../errors.ts'
import { WireError, WireReader, WireWriter } from './wire.ts'

export const META_SIZE_MAX = 512
const TAGS_MAX = 128
/** By this tag a member says how long it is to be kept once it failed: a duration. */
export const RECONNECT_TIMEOUT_TAG = 'rc_tm'

/** @throws FairleadError TOO_LARGE */
export function encodeTags(tags: StringMap): Uint8Array {
  const writer = new WireWriter()
  const entries = Object.entries(tags)
  writer.varint(entries.length)
  for (const [key, value] of entries) {
    writer.text(key)
    writer.text(value)
  }
  if (writer.length > META_SIZE_MAX || entries.length > TAGS_MAX) {
    throw new FairleadError(
      'TOO_LARGE',
      `Tags of this member take ${writer.length} bytes in ${entries.length} tags; gossip carries at most ${META_SIZE_MAX} bytes in ${TAGS_MAX} tags`,
      { facts: { bytes: writer.length, tags: entries.length } },
    )
  }
  return writer.finish()
}

export function decodeTags(meta: Uint8Array): StringMap {
  const tags: Record<string, string> = {}
  try {
    const reader = new WireReader(meta)
    const count = reader.varint(TAGS_MAX)
    for (let i = 0; i < count; i++) {
      const key = reader.text(META_SIZE_MAX)
      const value = reader.text(META_SIZE_MAX)
      Object.defineProperty(tags, key, { value, enumerable: true, configurable: true })
    }
    return tags
  } catch (error) {
    if (error instanceof WireError) return {}
    throw error
  }
}
