/**
 * What an answer lists, in the order of the round trips from a node (http-api.md section 8).
 *
 * The named node comes first, the others by the coordinates that the servers keep; what stands nowhere comes last, in the
 * order it came. Without a coordinate of the named node only that node is moved. Any server is asked, and not waited for
 * longer than PLACES_WAIT_MS: an answer in no order is better than none. `_ip` is the node at the client's address.
 */

import type { CoordinateRecord, NodeRecord } from '../../core/catalog/types.ts'
import { orderedByDistance } from '../../core/coordinates/order.ts'
import { toFairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { ReadName, Reads } from '../../core/rpc/reads.ts'
import type { ServerApi } from '../../core/rpc/server-api.ts'
import type { Clock } from '../../core/time.ts'
import { withDeadline } from '../../runtime/clock/with-deadline.ts'

export const PLACES_WAIT_MS = 1_000
const BY_CLIENT_ADDRESS = '_ip'

export interface NearestDeps {
  readonly servers: Pick<ServerApi, 'read'>
  readonly clock: Clock
  readonly log: Logger
}

export interface NearestOptions {
  /** Name of a node or `_ip`, '' for no order. */
  readonly near: string
  readonly clientAddress: string
  readonly disableCoordinates: boolean
  readonly signal: AbortSignal
}

/** @throws the abort reason of `signal` */
export async function nearest<T>(
  items: readonly T[],
  nodeOf: (item: T) => string,
  options: NearestOptions,
  deps: NearestDeps,
): Promise<readonly T[]> {
  const { near } = options
  if (near === '' || items.length < 2) return items
  const node = near === BY_CLIENT_ADDRESS ? await nodeOfClient(options, deps) : near
  if (node === undefined) return items
  const places = await placesOf([node, ...items.map(nodeOf)], options, deps)
  const source = places.get(keyOf(node))?.coordinate
  const ordered =
    source === undefined
      ? items
      : orderedByDistance(items, source, (item) => places.get(keyOf(nodeOf(item)))?.coordinate)
  const isNear = (item: T): boolean => keyOf(nodeOf(item)) === keyOf(node)
  return [...ordered.filter(isNear), ...ordered.filter((item) => !isNear(item))]
}

async function placesOf(
  names: readonly string[],
  options: NearestOptions,
  deps: NearestDeps,
): Promise<ReadonlyMap<string, CoordinateRecord>> {
  if (options.disableCoordinates) return new Map()
  const nodes = [...new Set(names.map(keyOf))]
  const records = (await askBriefly('coordinate.some', { nodes }, options, deps)) ?? []
  return new Map(records.map((record) => [keyOf(record.node), record]))
}

async function nodeOfClient(
  options: NearestOptions,
  deps: NearestDeps,
): Promise<string | undefined> {
  const request = { ip: options.clientAddress }
  const found = await askBriefly('catalog.address', request, options, deps)
  const [node]: readonly NodeRecord[] = found?.nodes ?? []
  return node?.node
}

async function askBriefly<N extends ReadName>(
  name: N,
  request: Reads[N]['request'],
  options: NearestOptions,
  { servers, clock, log }: NearestDeps,
): Promise<Reads[N]['reply'] | undefined> {
  try {
    const result = await withDeadline(clock, PLACES_WAIT_MS, options.signal, (signal) =>
      servers.read(name, request, { consistency: 'stale', signal }),
    )
    return result.value
  } catch (thrown) {
    options.signal.throwIfAborted()
    log.debug('an answer is not in the order of round trips', { err: toFairleadError(thrown) })
    return undefined
  }
}

function keyOf(node: string): string {
  return node.toLowerCase()
}
