/**
 * Which of several survivors carries its log into the new epoch (Raft specification 13.2 e).
 *
 * All servers that peers.json lists are started with the same file and tell each other where their logs end.
 * No Raft runs meanwhile, so the answers hold. The one with the highest (last term, last index) is chosen,
 * the smallest id among equals; everybody comes to the same choice from the same answers. One that is in the
 * new epoch already either goes on with its log, or has seen that it is not the chosen one: its log is empty.
 * Guarantees that no server gives up its log while one that is listed may
 * be ahead of the chosen one. Waits for all that are listed, for as long as it takes; bound: one question a
 * second to each.
 */

import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { ClusterName, PeerStats } from '../../core/rpc/peer-calls.ts'
import { type Clock, instant } from '../../core/time.ts'
import type { Survivor } from './peers-file.ts'

const ASK_EVERY_MS = 1_000
const ANSWER_WITHIN_MS = 3_000
const REMIND_EVERY_MS = 10_000

export interface Position {
  readonly id: string
  readonly lastTerm: number
  readonly lastIndex: number
}

export interface SurvivorsDeps {
  readonly stats: (address: string, signal: AbortSignal) => Promise<PeerStats>
  readonly clock: Clock
  readonly log: Logger
}

type Answer =
  | { readonly kind: 'position'; readonly position: Position }
  | { readonly kind: 'goes-on' }
  | { readonly kind: 'none'; readonly reason: string }

/** @returns the id whose log goes on */
export function chooseSeed(positions: readonly Position[]): string {
  const sorted = [...positions].sort(
    (x, y) => y.lastTerm - x.lastTerm || y.lastIndex - x.lastIndex || (x.id < y.id ? -1 : 1),
  )
  return sorted[0]?.id ?? ''
}

/**
 * @returns whether this server's log is the one that goes on
 * @throws FairleadError INVALID_CONFIG when a listed server is not what the list says, or the chosen one may
 *   not vote; the signal's reason
 */
export async function isSeed(
  own: Position & { readonly cluster: ClusterName },
  survivors: readonly Survivor[],
  deps: SurvivorsDeps,
  signal: AbortSignal,
): Promise<boolean> {
  const positions = new Map<string, Position>([[own.id, own]])
  let remindAt = 0
  for (;;) {
    const missing = survivors.filter(({ id }) => !positions.has(id))
    const answers = await Promise.all(missing.map((peer) => ask(peer, own.cluster, deps, signal)))
    if (answers.some(({ kind }) => kind === 'goes-on')) return false
    const silent: string[] = []
    for (const [i, answer] of answers.entries()) {
      if (answer.kind === 'position') positions.set(answer.position.id, answer.position)
      if (answer.kind === 'none') silent.push(`${missing[i]?.address} (${answer.reason})`)
    }
    if (silent.length === 0) break
    const now = deps.clock.now()
    if (now >= remindAt) {
      deps.log.warn('recovery waits for every server that peers.json lists', { waitingFor: silent })
      remindAt = now + REMIND_EVERY_MS
    }
    await deps.clock.sleep(ASK_EVERY_MS, signal)
  }
  const seed = chooseSeed([...positions.values()])
  const isVoter = survivors.some((survivor) => survivor.id === seed && survivor.isVoter)
  if (!isVoter) {
    throw new FairleadError(
      'INVALID_CONFIG',
      `Failed to recover: server "${seed}" has the most complete log and is listed with "non_voter": true; list it as a voter`,
    )
  }
  return seed === own.id
}

async function ask(
  peer: Survivor,
  cluster: ClusterName,
  deps: SurvivorsDeps,
  signal: AbortSignal,
): Promise<Answer> {
  const late = new AbortController()
  const { clock } = deps
  const timer = clock.timer(instant(clock.now() + ANSWER_WITHIN_MS), () => {
    late.abort(new Error('no answer in time'))
  })
  let stats: PeerStats
  try {
    stats = await deps.stats(peer.address, AbortSignal.any([signal, late.signal]))
  } catch (thrown) {
    signal.throwIfAborted()
    return { kind: 'none', reason: thrown instanceof Error ? thrown.message : String(thrown) }
  } finally {
    timer.cancel()
  }
  return judge(peer, cluster, stats)
}

function judge(peer: Survivor, cluster: ClusterName, stats: PeerStats): Answer {
  if (stats.serverId !== peer.id) {
    throw new FairleadError(
      'INVALID_CONFIG',
      `Failed to recover: the server at "${peer.address}" is "${stats.serverId}", peers.json calls it "${peer.id}"`,
    )
  }
  if (stats.cluster === null) return { kind: 'none', reason: 'it has not read its log yet' }
  if (stats.cluster.clusterId !== cluster.clusterId) {
    throw new FairleadError(
      'INVALID_CONFIG',
      `Failed to recover: server "${peer.id}" belongs to cluster "${stats.cluster.clusterId}", this one to "${cluster.clusterId}"`,
    )
  }
  if (stats.cluster.epoch === cluster.epoch + 1) return judgeMoved(stats)
  if (stats.cluster.epoch !== cluster.epoch) {
    throw new FairleadError(
      'INVALID_CONFIG',
      `Failed to recover: server "${peer.id}" is of epoch ${stats.cluster.epoch}, this one of ${cluster.epoch}: the one of the earlier epoch missed a recovery; take it off the list and let it join with an empty data directory and a new node id`,
    )
  }
  const { lastTerm, lastIndex } = stats
  return { kind: 'position', position: { id: peer.id, lastTerm, lastIndex } }
}

/** In the new epoch a log is the chosen one's, or has come from it. */
function judgeMoved(stats: PeerStats): Answer {
  if (stats.lastIndex > 0) return { kind: 'goes-on' }
  return { kind: 'position', position: { id: stats.serverId, lastTerm: 0, lastIndex: 0 } }
}
