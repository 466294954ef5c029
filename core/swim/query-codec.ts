/**
 * Bytes of queries, of their answers and of answers that go by way of a third member (gossip.md 11.5).
 *
 * Reading fails with WireError and with nothing else; what is read holds no view of the bytes.
 * Bounds: a query and an answer take at most QUERY_SIZE_MAX bytes each, so that either fits any packet, relayed too.
 */

import { readLamport, readName } from './fields.ts'
import type { Query, QueryFilters, QueryResponse, RelayMessage } from './messages.ts'
import { WireError, type WireReader, WireWriter } from './wire.ts'

export const QUERY_SIZE_MAX = 1024
export const QUERY_TIMEOUT_MAX_MS = 600_000
export const RELAY_FACTOR_MAX = 5
const FILTERS_MAX = 64
const FLAG = { ack: 1 } as const

/** Bytes that it takes, to be held against QUERY_SIZE_MAX. */
export function querySize(query: Query): number {
  const writer = new WireWriter()
  writeQuery(writer, query)
  return writer.length
}

export function responseSize(response: QueryResponse): number {
  const writer = new WireWriter()
  writeResponse(writer, response)
  return writer.length
}

export function writeQuery(writer: WireWriter, query: Query): void {
  writer.varint(query.time)
  writer.u32(query.id)
  writer.text(query.origin)
  writer.u8(query.wantsAck ? FLAG.ack : 0)
  writer.u8(query.relayFactor)
  writer.varint(query.timeoutMs)
  const { nodes, tags } = query.filters
  writer.varint(nodes.length)
  for (const node of nodes) writer.text(node)
  writer.varint(tags.length)
  for (const { tag, pattern } of tags) {
    writer.text(tag)
    writer.text(pattern)
  }
  writer.text(query.name)
  writer.blob(query.payload)
}

/** @throws WireError */
export function readQuery(reader: WireReader): Query {
  const before = reader.left
  const query = {
    time: readLamport(reader),
    id: reader.u32(),
    origin: readName(reader),
    wantsAck: (reader.u8() & FLAG.ack) !== 0,
    relayFactor: readRelayFactor(reader),
    timeoutMs: reader.varint(QUERY_TIMEOUT_MAX_MS),
    filters: readFilters(reader),
    name: readName(reader),
    payload: reader.blob(QUERY_SIZE_MAX).slice(),
  }
  if (before - reader.left > QUERY_SIZE_MAX) throw new WireError('a query is too large')
  return query
}

export function writeResponse(writer: WireWriter, response: QueryResponse): void {
  writer.varint(response.time)
  writer.u32(response.id)
  writer.text(response.from)
  writer.u8(response.isAck ? FLAG.ack : 0)
  writer.blob(response.payload)
}

/** @throws WireError */
export function readResponse(reader: WireReader): QueryResponse {
  const before = reader.left
  const response = {
    time: readLamport(reader),
    id: reader.u32(),
    from: readName(reader),
    isAck: (reader.u8() & FLAG.ack) !== 0,
    payload: reader.blob(QUERY_SIZE_MAX).slice(),
  }
  if (before - reader.left > QUERY_SIZE_MAX) throw new WireError('an answer is too large')
  return response
}

export function writeRelay(writer: WireWriter, { target, response }: RelayMessage): void {
  writer.text(target)
  writeResponse(writer, response)
}

/** @throws WireError */
export function readRelay(reader: WireReader): Omit<RelayMessage, 'kind'> {
  return { target: readName(reader), response: readResponse(reader) }
}

function readRelayFactor(reader: WireReader): number {
  const factor = reader.u8()
  if (factor > RELAY_FACTOR_MAX) throw new WireError('a relay factor is too large')
  return factor
}

function readFilters(reader: WireReader): QueryFilters {
  const nodes: string[] = []
  for (let left = reader.varint(FILTERS_MAX); left > 0; left--) nodes.push(readName(reader))
  const tags: { tag: string; pattern: string }[] = []
  for (let left = reader.varint(FILTERS_MAX); left > 0; left--) {
    tags.push({ tag: reader.text(QUERY_SIZE_MAX), pattern: reader.text(QUERY_SIZE_MAX) })
  }
  return { nodes, tags }
}
