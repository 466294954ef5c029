/**
 * Whether a server may leave without costing the cluster its quorum (Raft specification 11). Pure.
 */

import type { Configuration } from '../raft/configuration.ts'

/**
 * A sole voter may always go: it takes the whole cluster along, and brings it back when it starts again.
 *
 * @param isAlive what gossip says of a server
 * @returns why it may not, or null
 */
export function leaveRefusal(
  configuration: Configuration,
  selfId: string,
  isAlive: (id: string) => boolean,
): string | null {
  const voters: readonly string[] = configuration.incoming
  const others = voters.filter((id) => id !== selfId)
  if (others.length === voters.length || others.length === 0) return null
  const quorum = Math.floor(others.length / 2) + 1
  const alive = others.filter(isAlive).length
  if (alive >= quorum) return null
  return `of the ${others.length} other voting servers ${alive} ${alive === 1 ? 'is' : 'are'} alive, and ${quorum} are needed to go on`
}
