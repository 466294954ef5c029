/**
 * `?near=` on behalf of a request (agent/coordinates/nearest.ts).
 */

import { nearest as nearestOf } from '../coordinates/nearest.ts'
import type { HttpCall } from './call.ts'

/** @param near name of a node or `_ip`, '' for none */
export async function nearest<T>(
  call: HttpCall,
  items: readonly T[],
  near: string,
  nodeOf: (item: T) => string,
): Promise<readonly T[]> {
  if (near === '' || items.length < 2) return items
  const { config } = call.agent
  const { disableCoordinates } = config
  const options = { near, clientAddress: call.clientAddress, disableCoordinates }
  return nearestOf(items, nodeOf, { ...options, signal: call.signal }, call.agent)
}
