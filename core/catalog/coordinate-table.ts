/**
 * Where the nodes stand in the network, as replicated state (gossip.md 12): one record a node and segment. Pure.
 *
 * Written in batches that the leader gathers. Guarantees: a record's node is there; what is said again moves no index;
 * a batch that moves anything moves the index of the table, which is that of every read here. Bound: COORDINATE_BATCH_MAX
 * updates a command; records by the number of nodes and segments.
 */

import type { Reads } from '../rpc/reads.ts'
import { type Draft, type Refusal, refuse, touchTable } from './draft.ts'
import { sameData } from './equality.ts'
import { nameKey, pairKey, type State } from './state.ts'
import type { Evaluated } from './store-api.ts'
import type { CoordinateRecord } from './types.ts'
import { tableWatch } from './watch-keys.ts'

export const COORDINATE_BATCH_MAX = 128

type Request<N extends keyof Reads> = Reads[N]['request']

const WATCH = [tableWatch('coordinates')]

export function setCoordinates(
  draft: Draft,
  updates: readonly CoordinateRecord[],
): Refusal | undefined {
  if (updates.length > COORDINATE_BATCH_MAX) {
    return refuse(
      `A batch holds ${updates.length} coordinates, at most ${COORDINATE_BATCH_MAX}`,
      'TOO_LARGE',
    )
  }
  for (const update of updates) {
    const node = draft.next.nodes.get(nameKey(update.node))
    if (node === undefined) continue
    const record = { ...update, node: node.record.node }
    if (sameData(draft.next.coordinates.get(keyOf(record)), record)) continue
    putCoordinate(draft, record)
    touchTable(draft, 'coordinates')
  }
  return undefined
}

/** Stores the record as it is. */
export function putCoordinate(draft: Draft, record: CoordinateRecord): void {
  draft.next.coordinates = draft.next.coordinates.set(keyOf(record), record)
}

/** All of a node. */
export function deleteCoordinates(draft: Draft, nodeKey: string): void {
  for (const record of draft.next.coordinates.valuesUnder(pairKey(nodeKey, ''))) {
    draft.next.coordinates = draft.next.coordinates.delete(keyOf(record))
    touchTable(draft, 'coordinates')
  }
}

export function readCoordinates(
  state: State,
  { segment }: Request<'coordinate.nodes'>,
): Evaluated<'coordinate.nodes'> {
  return evaluated(state, inSegment(state.coordinates.values(), segment))
}

export function readCoordinatesOfNode(
  state: State,
  { node, segment }: Request<'coordinate.node'>,
): Evaluated<'coordinate.node'> {
  const records = state.coordinates.valuesUnder(pairKey(nameKey(node), ''))
  return evaluated(state, inSegment(records, segment))
}

export function readSomeCoordinates(
  state: State,
  { nodes }: Request<'coordinate.some'>,
): Evaluated<'coordinate.some'> {
  const value: CoordinateRecord[] = []
  for (const node of nodes) {
    const record = state.coordinates.get(pairKey(nameKey(node), ''))
    if (record !== undefined) value.push(record)
  }
  return evaluated(state, value)
}

function inSegment(
  records: readonly CoordinateRecord[],
  segment: string | undefined,
): readonly CoordinateRecord[] {
  return segment === undefined ? records : records.filter((record) => record.segment === segment)
}

function evaluated(state: State, value: readonly CoordinateRecord[]) {
  const index = Math.max(1, state.indexes.coordinates)
  return { value, index, watch: WATCH, found: value.length > 0 }
}

function keyOf({ node, segment }: CoordinateRecord): string {
  return pairKey(nameKey(node), segment)
}
