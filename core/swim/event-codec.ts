/**
 * Bytes of user events, in packets and in streams alike (gossip.md 11.4).
 *
 * Reading fails with WireError and with nothing else; what is read holds no view of the bytes.
 * Bounds: name and payload together take at most USER_EVENT_SIZE_MAX bytes, so that an event fits any packet.
 */

import { readLamport, readName } from './fields.ts'
import type { UserEvent } from './messages.ts'
import { WireError, type WireReader, type WireWriter } from './wire.ts'

export const USER_EVENT_SIZE_MAX = 512

const UTF8 = new TextEncoder()

/** What counts against USER_EVENT_SIZE_MAX. */
export function userEventSize({ name, payload }: Omit<UserEvent, 'time'>): number {
  return UTF8.encode(name).length + payload.length
}

export function writeUserEvent(writer: WireWriter, { time, name, payload }: UserEvent): void {
  writer.varint(time)
  writer.text(name)
  writer.blob(payload)
}

/** @throws WireError */
export function readUserEvent(reader: WireReader): UserEvent {
  const time = readLamport(reader)
  const name = readName(reader)
  const payload = reader.blob(USER_EVENT_SIZE_MAX).slice()
  const event = { time, name, payload }
  if (userEventSize(event) > USER_EVENT_SIZE_MAX) throw new WireError('an event is too large')
  return event
}
