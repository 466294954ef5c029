/**
 * Fields that messages of packets and of streams have in common: names, addresses, Lamport times.
 *
 * Reading fails with WireError and with nothing else. Bounds: the constants below.
 */

import { ipFamily } from '../config/ip-address.ts'
import type { LamportTime } from './messages.ts'
import type { NodeAddress } from './types.ts'
import { WireError, type WireReader, type WireWriter } from './wire.ts'

export const NAME_SIZE_MAX = 255
const IP_TEXT_MAX = 45
const LAMPORT_MAX = Number.MAX_SAFE_INTEGER - 1

// biome-ignore lint/suspicious/noControlCharactersInRegex: names with control characters are refused here
const CONTROL = /[\u0000-\u001f\u007f]/

/** What the codec takes for a member's name. */
export function isMemberName(name: string): boolean {
  return (
    name !== '' && new TextEncoder().encode(name).length <= NAME_SIZE_MAX && !CONTROL.test(name)
  )
}

/** @throws WireError for a name that is empty, too long or holds control characters */
export function readName(reader: WireReader): string {
  const name = reader.text(NAME_SIZE_MAX)
  if (name === '' || CONTROL.test(name)) throw new WireError('not a name')
  return name
}

/** @throws WireError */
export function readLamport(reader: WireReader): LamportTime {
  return reader.varint(LAMPORT_MAX)
}

export function writeAddress(writer: WireWriter, { address, port }: NodeAddress): void {
  if (ipFamily(address) === 4) {
    writer.u8(4)
    for (const octet of address.split('.')) writer.u8(Number(octet))
  } else {
    writer.u8(6)
    writer.text(address)
  }
  writer.u16(port)
}

/** @throws WireError */
export function readAddress(reader: WireReader): NodeAddress {
  const family = reader.u8()
  if (family === 4) {
    const address = `${reader.u8()}.${reader.u8()}.${reader.u8()}.${reader.u8()}`
    return { address, port: readPort(reader) }
  }
  const address = reader.text(IP_TEXT_MAX)
  if (family !== 6 || ipFamily(address) !== 6) throw new WireError('not an address')
  return { address, port: readPort(reader) }
}

function readPort(reader: WireReader): number {
  const port = reader.u16()
  if (port === 0) throw new WireError('not a port')
  return port
}
