/**
 * The options of a simulated server's core: what the seed has drawn.
 */

import { type RaftOptions, serverId } from '../../../core/raft/types.ts'
import type { WorldContext } from './world-context.ts'

export function coreOptions(
  { swarm, counters }: Pick<WorldContext, 'swarm' | 'counters'>,
  run: { readonly id: string; readonly boot: number; readonly startGrace: boolean },
): RaftOptions {
  const { id, boot, startGrace } = run
  return {
    id: serverId(id),
    electionTicks: swarm.electionTicks,
    heartbeatTicks: swarm.heartbeatTicks,
    startGrace,
    boot: `${id}.${boot}`,
    messageBytesMax: swarm.messageBytesMax,
    inflightBytesMax: Math.max(swarm.messageBytesMax, 65_536),
    inflightMessagesMax: swarm.inflightMessagesMax,
    uncommittedBytesMax: swarm.uncommittedBytesMax,
    applyingBytesMax: swarm.applyingBytesMax,
    unappliedMax: swarm.unappliedMax,
    mark: (name) => counters.add(`mark.${name}`),
  }
}
