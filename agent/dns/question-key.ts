/**
 * Reads just enough of an ordinary query to find its cached answer.
 *
 * The key holds the asked name in lower case, the type and the EDNS size: all that an answer from a view
 * depends on. Whatever is out of the ordinary (other opcodes and classes, client subnet, malformed) has no key and
 * goes through core/dns/decode.ts: a kept packet echoes the class of its question, so only one class may share it.
 * Not re-entrant: results stand until the next call.
 * Cost: about 0.2 µs, one string.
 */

import { Buffer } from 'node:buffer'

/** Longest name, type and size. */
const KEY_SIZE_MAX = 255 + 4
const OPT_HEAD_SIZE = 11
const TYPE_OPT = 41
const CLASS_IN = 1
const CLIENT_SUBNET = 8

export class QuestionReader {
  readonly #scratch = Buffer.allocUnsafe(KEY_SIZE_MAX)
  /** Offset after the asked name. */
  nameEnd = 0
  isMixedCase = false

  /** @returns the key, or '' when the packet is no ordinary query */
  read(packet: Buffer): string {
    if (packet.length < 17 || !hasOrdinaryHeader(packet)) return ''
    const scratch = this.#scratch
    let at = 12
    let size = 0
    let isMixedCase = false
    let labelEnd = 12
    for (;;) {
      const byte = packet[at]
      if (byte === undefined) return ''
      if (at === labelEnd) {
        if (byte > 63) return ''
        labelEnd = at + byte + 1
        if (labelEnd > 12 + 254) return ''
        scratch[size++] = byte
        at++
        if (byte === 0) break
        continue
      }
      const isCapital = byte >= 0x41 && byte <= 0x5a
      isMixedCase ||= isCapital
      scratch[size++] = isCapital ? byte + 0x20 : byte
      at++
    }
    const questionEnd = at + 4
    if (questionEnd > packet.length) return ''
    if (packet[at + 2] !== 0 || packet[at + 3] !== CLASS_IN) return ''
    scratch[size++] = packet[at] as number
    scratch[size++] = packet[at + 1] as number
    if (packet[11] === 1) {
      if (!hasOrdinaryOpt(packet, questionEnd)) return ''
      scratch[size++] = packet[questionEnd + 3] as number
      scratch[size++] = packet[questionEnd + 4] as number
    }
    this.nameEnd = at
    this.isMixedCase = isMixedCase
    return scratch.toString('latin1', 0, size)
  }
}

/** A query with one question, no answers and at most one additional record. */
function hasOrdinaryHeader(p: Buffer): boolean {
  const opcodeAndResponse = (p[2] as number) & 0xf8
  const counts =
    (p[4] as number) |
    ((p[5] as number) ^ 1) |
    (p[6] as number) |
    (p[7] as number) |
    (p[8] as number) |
    (p[9] as number) |
    (p[10] as number) |
    ((p[11] as number) & 0xfe)
  return (opcodeAndResponse | counts) === 0
}

/** An OPT record without client subnet; options such as cookies are passed over. */
function hasOrdinaryOpt(packet: Buffer, start: number): boolean {
  let at = start + OPT_HEAD_SIZE
  if (at > packet.length || packet[start] !== 0) return false
  if (packet.readUInt16BE(start + 1) !== TYPE_OPT) return false
  const end = at + packet.readUInt16BE(start + 9)
  if (end > packet.length) return false
  while (at < end) {
    if (at + 4 > end || packet.readUInt16BE(at) === CLIENT_SUBNET) return false
    at += 4 + packet.readUInt16BE(at + 2)
  }
  return at === end
}
