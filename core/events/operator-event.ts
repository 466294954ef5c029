/**
 * Events that operators fire for the agents of a cluster: whom they are for, and their bytes in a user event of gossip.
 *
 * Name: `consul:event:` and the operator's name. Payload: a version (1), the id (16 bytes), the three filters as texts, and
 * the rest is the operator's payload. Filters are regular expressions of RE2 (http-api.md 15): an event without any is
 * for every agent. Guarantees: decoding never throws; a filter that does not compile fits nobody.
 */

import { isUuid } from '../config/uuid.ts'
import { FairleadError } from '../errors.ts'
import { FilterError } from '../filter/errors.ts'
import { compileRegex } from '../filter/regex.ts'
import { isMemberName } from '../swim/fields.ts'
import { WireError, WireReader, WireWriter } from '../swim/wire.ts'
import type { GossipEvent } from './event-bus.ts'

const NAME_PREFIX = 'consul:event:'
const VERSION = 1
const ID_SIZE = 16
const FILTER_SIZE_MAX = 512

/** '' for a filter that is not set. */
export interface EventFilters {
  readonly nodeFilter: string
  readonly serviceFilter: string
  readonly tagFilter: string
}

export interface OperatorEvent extends EventFilters {
  /** UUID, lower case. */
  readonly id: string
  readonly name: string
  readonly payload: Uint8Array
  /** Lamport time of gossip; 0 for one that is only about to be fired. */
  readonly time: number
}

/** The host that a filter is held against. */
export interface EventTarget {
  readonly node: string
  readonly services: Iterable<{ readonly name: string; readonly tags: readonly string[] }>
}

/** @throws FairleadError BAD_REQUEST | REJECTED for what nobody could receive */
export function checkOperatorEvent(event: Omit<OperatorEvent, 'time'>): void {
  if (event.name === '') throw new FairleadError('BAD_REQUEST', 'Missing name')
  if (!isMemberName(NAME_PREFIX + event.name)) {
    throw new FairleadError('REJECTED', 'Invalid event name: too long, or with control characters')
  }
  if (event.tagFilter !== '' && event.serviceFilter === '') {
    throw new FairleadError('REJECTED', 'Cannot provide tag filter without service filter')
  }
  for (const noun of ['node', 'service', 'tag'] as const) {
    try {
      compileRegex(event[`${noun}Filter`])
    } catch (thrown) {
      if (!(thrown instanceof FilterError)) throw thrown
      throw new FairleadError('REJECTED', `Invalid ${noun} filter: ${thrown.message}`, {
        cause: thrown,
      })
    }
  }
}

export function encodeOperatorEvent(event: Omit<OperatorEvent, 'time'>): Omit<GossipEvent, 'time'> {
  const writer = new WireWriter()
  writer.u8(VERSION)
  const digits = event.id.replaceAll('-', '')
  for (let i = 0; i < ID_SIZE; i++) writer.u8(Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16))
  for (const filter of [event.nodeFilter, event.serviceFilter, event.tagFilter]) writer.text(filter)
  writer.bytes(event.payload)
  return { name: NAME_PREFIX + event.name, payload: writer.finish() }
}

/** @returns null for an event of another kind, of a later version, or one that cannot be read */
export function decodeOperatorEvent({ name, payload, time }: GossipEvent): OperatorEvent | null {
  if (!name.startsWith(NAME_PREFIX) || name === NAME_PREFIX) return null
  try {
    const reader = new WireReader(payload)
    if (reader.u8() !== VERSION) return null
    return {
      id: uuidOf(reader.bytes(ID_SIZE)),
      name: name.slice(NAME_PREFIX.length),
      nodeFilter: reader.text(FILTER_SIZE_MAX),
      serviceFilter: reader.text(FILTER_SIZE_MAX),
      tagFilter: reader.text(FILTER_SIZE_MAX),
      payload: reader.bytes(reader.left).slice(),
      time,
    }
  } catch (thrown) {
    if (thrown instanceof WireError) return null
    throw thrown
  }
}

/** Whether an event is for this host: its node fits, and one of its services with one of that service's tags. */
export function isFor(filters: EventFilters, { node, services }: EventTarget): boolean {
  try {
    const { nodeFilter, serviceFilter, tagFilter } = filters
    if (nodeFilter !== '' && !compileRegex(nodeFilter)(node)) return false
    if (serviceFilter === '') return true
    const fitsService = compileRegex(serviceFilter)
    const fitsTag = compileRegex(tagFilter)
    for (const { name, tags } of services) {
      if (fitsService(name) && (tagFilter === '' || tags.some(fitsTag))) return true
    }
    return false
  } catch (thrown) {
    if (thrown instanceof FilterError) return false
    throw thrown
  }
}

/** What clients block on: the two halves of the id, one exclusive or the other. Not ordered. */
export function indexOfEvent(id: string): bigint {
  if (!isUuid(id)) return 0n
  const digits = id.replaceAll('-', '')
  return BigInt(`0x${digits.slice(0, 16)}`) ^ BigInt(`0x${digits.slice(16)}`)
}

function uuidOf(bytes: Uint8Array): string {
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  const groups = [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16)]
  return [...groups, digits.slice(16, 20), digits.slice(20)].join('-')
}
