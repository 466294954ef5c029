/**
 * Which learners become voters in this round (Raft specification 10.6, 12). Pure.
 *
 * Healthy and stable ones, in the order of ids; none while servers are being removed, and none while a
 * joint change is under way. Each is one simple change, made one after the other.
 */

import { removals } from './removals.ts'
import { isStable } from './state.ts'
import type { AutopilotInput, AutopilotState } from './types.ts'

export function promotions(state: AutopilotState, input: AutopilotInput): readonly string[] {
  if (input.raft.configuration.outgoing.length > 0) return []
  if (removals(state, input).length > 0) return []
  return state.servers
    .filter((server) => !server.isVoter && isStable(server, input))
    .map((server) => server.id)
}
