/**
 * A server's farewell, in the order of Raft specification 11: hand leadership over, say goodbye to the pool,
 * go on answering for a while, see itself removed.
 *
 * Guarantees: refuses at once, with nothing done, when the cluster would lose its quorum and that was not
 * forced; after that it only ever goes on, whatever of it fails, and ends within its bounds. Afterwards the
 * server may be stopped.
 */

import { leaveRefusal } from '../../core/cluster/leave-rule.ts'
import { FairleadError, toFairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { MemberPool } from '../../core/membership.ts'
import { isVoter } from '../../core/raft/configuration.ts'
import { serverId } from '../../core/raft/types.ts'
import type { Clock } from '../../core/time.ts'
import { instant } from '../../core/time.ts'
import type { RaftNodeApi } from '../raft/types.ts'
import type { ServerDirectory } from './server-directory.ts'

const REMOVED_MAX_MS = 5_000
const POLL_MS = 50

export interface LeavingOptions {
  readonly nodeId: string
  /** How long requests in flight and agents that have not heard yet are still served. */
  readonly drainMs: number
  /** Leave also when the cluster cannot go on without this server. */
  readonly force: boolean
}

export interface LeavingDeps {
  readonly raft: Pick<RaftNodeApi, 'status' | 'transferLeadership' | 'changeMembers'>
  readonly pool: Pick<MemberPool, 'leave'>
  readonly directory: ServerDirectory
  readonly clock: Clock
  readonly log: Logger
}

/** @throws FairleadError REJECTED when the cluster would lose its quorum */
export function assertMayLeave(
  { nodeId, force }: Pick<LeavingOptions, 'nodeId' | 'force'>,
  { raft, directory }: Pick<LeavingDeps, 'raft' | 'directory'>,
): void {
  const isAlive = (id: string): boolean => directory.find(id)?.status === 'alive'
  const reason = leaveRefusal(raft.status().configuration, nodeId, isAlive)
  if (reason === null || force) return
  throw new FairleadError('REJECTED', `Leaving would cost the cluster its quorum: ${reason}`, {
    facts: { hint: 'start other servers first, or force it: fairlead leave -force' },
  })
}

export async function leaveCluster(
  options: LeavingOptions,
  deps: LeavingDeps,
  signal: AbortSignal,
): Promise<void> {
  const { raft, pool, clock, log } = deps
  assertMayLeave(options, deps)
  if (!(await handOver(options.nodeId, deps))) await removeSelf(options.nodeId, deps)
  log.info('leaving the gossip pool')
  await pool.leave(signal)
  await clock.sleep(options.drainMs, signal)
  const until = instant(clock.now() + REMOVED_MAX_MS)
  const isRemoved = (): boolean => {
    const { role, configuration } = raft.status()
    return role === 'leader' || configuration.addresses.every(({ id }) => id !== options.nodeId)
  }
  while (!isRemoved() && clock.now() < until) await clock.sleep(POLL_MS, signal)
  if (!isRemoved()) {
    log.warn('left before the leader has taken this server out of the cluster; it is about to', {
      see: 'fairlead operator raft list-peers',
    })
  }
}

/**
 * A leader with others beside it hands over, so that they need not find out by waiting.
 *
 * @returns false when this server leads on
 */
export async function handOver(
  nodeId: string,
  { raft, log }: Pick<LeavingDeps, 'raft' | 'log'>,
): Promise<boolean> {
  const { role, configuration } = raft.status()
  if (role !== 'leader' || !isVoter(configuration, serverId(nodeId))) return true
  if (configuration.incoming.length < 2) return true
  try {
    await raft.transferLeadership()
    log.info('leadership was handed over')
    return true
  } catch (thrown) {
    log.warn('leadership could not be handed over', { err: toFairleadError(thrown) })
    return false
  }
}

async function removeSelf(nodeId: string, { raft, log }: LeavingDeps): Promise<void> {
  try {
    await raft.changeMembers({ kind: 'simple', change: { kind: 'remove', id: serverId(nodeId) } })
  } catch (thrown) {
    log.warn('this server could not remove itself', { err: toFairleadError(thrown) })
  }
}
