/**
 * Whom a round of reads asks (specification 8.2): as many as a quorum needs, the promptest first.
 *
 * Whoever else were asked would only cost messages: a round counts by the answers it gets, whoever was sent
 * what (read-index.ts). Guarantees: with this server those chosen are a quorum of both halves, so that the
 * round is confirmed if they all answer; learners, and peers that count for nothing, are never chosen. Who
 * is prompt is seen at every heartbeat to all: who answered the newest one first comes first, who has not
 * answered it comes behind. So each heartbeat interval a slow peer loses its place to a faster one, and who has
 * stopped to answer stands last after the first heartbeat that it missed.
 */

import { type Configuration, compareIds } from './configuration.ts'
import type { Progress } from './progress.ts'
import { majorityOf } from './quorum.ts'
import type { ServerId } from './types.ts'

export type Promptness = Pick<Progress, 'isCounted' | 'beatAnswered' | 'beatRank'>

/** @returns null when those that may be counted on are no quorum; everybody is to be asked then */
export function readQuorum(
  configuration: Pick<Configuration, 'incoming' | 'outgoing'>,
  self: ServerId,
  peers: ReadonlyMap<ServerId, Promptness>,
): readonly ServerId[] | null {
  const { incoming, outgoing } = configuration
  let missingIncoming = missingVotes(incoming, self)
  let missingOutgoing = missingVotes(outgoing, self)
  const chosen: ServerId[] = []
  for (const id of promptestFirst(peers)) {
    if (missingIncoming <= 0 && missingOutgoing <= 0) break
    const isIncoming = incoming.includes(id)
    const isOutgoing = outgoing.includes(id)
    const helps = (isIncoming && missingIncoming > 0) || (isOutgoing && missingOutgoing > 0)
    if (!helps) continue
    chosen.push(id)
    if (isIncoming) missingIncoming--
    if (isOutgoing) missingOutgoing--
  }
  return missingIncoming <= 0 && missingOutgoing <= 0 ? chosen : null
}

function missingVotes(half: readonly ServerId[], self: ServerId): number {
  if (half.length === 0) return 0
  return majorityOf(half.length) - (half.includes(self) ? 1 : 0)
}

function promptestFirst(peers: ReadonlyMap<ServerId, Promptness>): readonly ServerId[] {
  return [...peers]
    .filter(([, peer]) => peer.isCounted)
    .sort(
      ([one, a], [other, b]) =>
        b.beatAnswered - a.beatAnswered || a.beatRank - b.beatRank || compareIds(one, other),
    )
    .map(([id]) => id)
}
