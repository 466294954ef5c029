/**
 * The graceful farewell of an agent: its server role hands over what it has, the pool is told, and requests in
 * flight are still answered for a while (raft.md 11, agent-config.md 15).
 *
 * Guarantees: a farewell that would cost the cluster its quorum is refused before anything is done, unless
 * forced. An agent that is alone has nobody to wait for.
 */

import type { AgentConfig } from '../../core/config/model.ts'
import type { MemberPool } from '../../core/membership.ts'
import type { Clock } from '../../core/time.ts'
import type { Role } from './role.ts'

export interface LeavingParts {
  readonly config: AgentConfig
  readonly role: Role
  readonly pool: MemberPool
  readonly clock: Clock
}

/** @throws FairleadError REJECTED when the cluster would lose its quorum, or the abort reason */
export async function leaveGracefully(
  { config, role, pool, clock }: LeavingParts,
  options: { readonly force: boolean },
  signal: AbortSignal,
): Promise<void> {
  const { name } = pool.self()
  const isAlone = pool
    .members()
    .every((member) => member.name === name || member.status !== 'alive')
  if (role.server !== undefined && !options.force) role.server.assertMayLeave()
  if (isAlone) return pool.leave(signal)
  if (role.server !== undefined) return role.server.leave(pool, signal)
  await pool.leave(signal)
  await clock.sleep(config.leave.drainMs, signal)
}
