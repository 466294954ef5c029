/**
 * What a simulated cluster begins with: every founding member's disk holds the same first entries (P1).
 */

import { CHAIN_START, chainedEntry } from '../../../core/raft/chain.ts'
import { encodeConfiguration } from '../../../core/raft/configuration.ts'
import { appendToken, type Entry, logIndex, serverId, term } from '../../../core/raft/types.ts'
import type { ModelDisk } from './model-disk.ts'
import { registerNode } from './state-machines.ts'
import type { Swarm } from './swarm.ts'

const FIRST_TERM = term(1)

/** Further learners may be among the founders. */
export function foundersOf(swarm: Swarm): {
  readonly voters: readonly string[]
  readonly learners: readonly string[]
} {
  return {
    voters: Array.from({ length: swarm.voters }, (_, i) => `s${i + 1}`),
    learners: Array.from({ length: swarm.learners }, (_, i) => `l${i + 1}`),
  }
}

export function firstEntries(swarm: Swarm): readonly Entry[] {
  const { voters, learners } = foundersOf(swarm)
  const first = chainedEntry(CHAIN_START, {
    index: logIndex(1),
    term: FIRST_TERM,
    type: 'config',
    data: encodeConfiguration({
      incoming: voters.map(serverId),
      outgoing: [],
      learners: learners.map(serverId),
      learnersNext: [],
      autoLeave: false,
      addresses: [...learners, ...voters].map((id) => ({ id: serverId(id), address: `${id}:1` })),
    }),
  })
  if (swarm.stateMachine !== 'store') return [first]
  const second = chainedEntry(first.chain, {
    index: logIndex(2),
    term: FIRST_TERM,
    type: 'normal',
    data: registerNode(),
  })
  return [first, second]
}

export function writeFirst(disk: ModelDisk, entries: readonly Entry[]): void {
  disk.begin([
    {
      token: appendToken(0),
      truncateFrom: null,
      entries,
      hardState: { term: FIRST_TERM, vote: null, commit: logIndex(0) },
      last: entries.at(-1) as Entry,
      snapshot: null,
    },
  ])
  disk.complete()
}
