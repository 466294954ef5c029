/**
 * `?near=` (http-api.md section 8): what an answer lists, in the order of the round trips from a node.
 *
 * The named node comes first, the others by the coordinates that the servers keep; what stands nowhere comes last, in the
 * order it came. Without a coordinate of the named node only that node is moved. Any server is asked, and not waited for
 * longer than PLACES_WAIT_MS: an answer in no order is better than none. `_ip` is the node at the client's address.
 */

import type { CoordinateRecord, NodeRecord } from '../../core/catalog/types.ts'
import { orderedByDistance } from '../../core/coordinates/order.ts'
import { toFairleadError } from '../../core/errors.ts'
import type { ReadName, Reads } from '../../core/rpc/reads.ts'
import { withDeadline } from '../../runtime/clock/with-deadline.ts'
import type { HttpCall } from './call.ts'

const PLACES_WAIT_MS = 1_000
const BY_CLIENT_ADDRESS = '_ip'

/** @param near name of a node, '' for none */
export async function nearest<T>(
  call: HttpCall,
  items: readonly T[],
  near: string,
  nodeOf: (item: T) => string,
): Promise<readonly T[]> {
  if (near === '' || items.length < 2) return items
  const node = near === BY_CLIENT_ADDRESS ? await nodeOfClient(call) : near
  if (node === undefined) return items
  const places = await placesOf(call, [node, ...items.map(nodeOf)])
  const source = places.get(keyOf(node))?.coordinate
  const ordered =
    source === undefined
      ? items
      : orderedByDistance(items, source, (item) => places.get(keyOf(nodeOf(item)))?.coordinate)
  const isNear = (item: T): boolean => keyOf(nodeOf(item)) === keyOf(node)
  return [...ordered.filter(isNear), ...ordered.filter((item) => !isNear(item))]
}

async function placesOf(
  call: HttpCall,
  names: readonly string[],
): Promise<ReadonlyMap<string, CoordinateRecord>> {
  if (call.agent.config.disableCoordinates) return new Map()
  const nodes = [...new Set(names.map(keyOf))]
  const records = (await askBriefly(call, 'coordinate.some', { nodes })) ?? []
  return new Map(records.map((record) => [keyOf(record.node), record]))
}

async function nodeOfClient(call: HttpCall): Promise<string | undefined> {
  const found = await askBriefly(call, 'catalog.address', { ip: call.clientAddress })
  const [node]: readonly NodeRecord[] = found?.nodes ?? []
  return node?.node
}

async function askBriefly<N extends ReadName>(
  call: HttpCall,
  name: N,
  request: Reads[N]['request'],
): Promise<Reads[N]['reply'] | undefined> {
  const { servers, clock, log } = call.agent
  try {
    const result = await withDeadline(clock, PLACES_WAIT_MS, call.signal, (signal) =>
      servers.read(name, request, { consistency: 'stale', signal }),
    )
    return result.value
  } catch (thrown) {
    call.signal.throwIfAborted()
    log.debug('an answer is not in the order of round trips', { err: toFairleadError(thrown) })
    return undefined
  }
}

function keyOf(node: string): string {
  return node.toLowerCase()
}
