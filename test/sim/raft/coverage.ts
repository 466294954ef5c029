/**
 * What a budget of seeds has to have reached: every mark of the core and every place to die (verification 13).
 *
 * A mark that honest servers cannot reach is listed here with its reason, and nowhere else. What the drawn seeds
 * of a budget happen to miss is looked for by seeds that are told to draw what leads there; what even those
 * do not reach is a blind spot, and fails the budget. Bound: SEEDS_MAX seeds for each of the foci.
 */

import { RAFT_MARKS, type RaftMark } from '../../../core/raft/marks.ts'
import { CRASH_POINTS } from './crash-points.ts'
import type { Swarm } from './swarm.ts'

/** Reached by the scenarios of the core alone (test/scenarios/raft). */
export const UNREACHABLE: Readonly<Partial<Record<RaftMark, string>>> = {
  'ack.beyond-log':
    'a peer acknowledges what its leader sent or what is committed, and a leader holds both; only a peer that lies, or more lost disks than the model allows, says more',
  'image.offered.superseded':
    'the host takes one image at a time and declines every other offer before the core hears of it',
  'read.round.no-quorum-known':
    'a leader has peers enough that count for a quorum; only more lost disks at once than the model allows take them away, and then it soon leads no more',
  'compaction.late':
    'the host stands aside in the turn in which an image replaces the log; only a turn that takes several completions at once, as after a pause here, gets to it, and seldom',
}

const SEEDS_MAX = 60

const QUICK = {
  electionTicks: 10,
  heartbeatTicks: 1,
  isBeyondModel: false,
  bareQuorum: false,
} as const

type Focus = (drawn: Swarm) => Swarm

const images: Focus = (drawn) => ({
  ...drawn,
  ...QUICK,
  voters: 3,
  nemesisMean: 80_000,
  snapshotThreshold: 2,
  trailing: 0,
  hasCourtesy: false,
  imageMean: 100_000,
  restoreMean: 300_000,
  clients: 4,
  thinkMean: 10_000,
  inflightMessagesMax: 4,
  faults: {
    ...drawn.faults,
    armedCrashes: true,
    longAbsence: true,
    partitions: true,
    streamBreaks: true,
    lags: false,
  },
})

/** Leaders change while images are on their way, and some still have the entries. */
const lateImages: Focus = (drawn) => ({
  ...drawn,
  ...QUICK,
  voters: 5,
  learners: 0,
  hasMembership: false,
  nemesisMean: 80_000,
  snapshotThreshold: 10,
  trailing: 3,
  hasCourtesy: true,
  imageMean: 1_000_000,
  restoreMean: 1_000,
  clients: 4,
  thinkMean: 10_000,
  messageBytesMax: 65_536,
  inflightMessagesMax: 64,
  faults: {
    ...drawn.faults,
    crashes: true,
    partitions: true,
    longAbsence: true,
    streamBreaks: true,
    lags: false,
    turncoats: false,
  },
})

const disks: Focus = (drawn) => ({
  ...drawn,
  ...QUICK,
  voters: 3,
  nemesisMean: 150_000,
  clients: 4,
  thinkMean: 10_000,
  disk: { ...drawn.disk, writeMean: 5_000, hasHangs: true, hasDamage: true, hasWriteErrors: false },
  faults: { ...drawn.faults, armedCrashes: true, crashLoops: false },
})

const forgetting: Focus = (drawn) => ({
  ...drawn,
  ...QUICK,
  learners: 2,
  nemesisMean: 150_000,
  clients: 4,
  thinkMean: 10_000,
  faults: { ...drawn.faults, wipes: true },
})

const membership: Focus = (drawn) => ({
  ...drawn,
  ...QUICK,
  voters: 3,
  hasMembership: true,
  hasTransfers: true,
  membershipMean: 50_000,
  nemesisMean: 300_000,
})

const unrest: Focus = (drawn) => ({
  ...drawn,
  ...QUICK,
  voters: 5,
  nemesisMean: 100_000,
  clients: 8,
  thinkMean: 2_000,
  leaseReads: true,
  messageBytesMax: 64,
  inflightMessagesMax: 2,
  uncommittedBytesMax: 2_000,
  unappliedMax: 3,
  applyDelay: 40_000,
  network: { ...drawn.network, duplication: 0.3, reorders: true, replay: 0.01, corruption: 0.02 },
  disk: { ...drawn.disk, writeMean: 5_000, stallChance: 0.01, stallMean: 100_000 },
  faults: { ...drawn.faults, partitions: true, crashes: true, turncoats: true },
})

/** In this order: the first whose prefix fits leads there. */
const FOCI: readonly { readonly prefixes: readonly string[]; readonly focus: Focus }[] = [
  { prefixes: ['mark.amnesia', 'mark.boot'], focus: forgetting },
  {
    prefixes: [
      'mark.leader.disk',
      'mark.disk',
      'mark.recovery',
      'crash.recovery',
      'crash.write',
      'crash.hint',
    ],
    focus: disks,
  },
  { prefixes: ['mark.image.received'], focus: lateImages },
  { prefixes: ['mark.image', 'crash.image', 'crash.apply'], focus: images },
  {
    prefixes: [
      'mark.config',
      'mark.transfer',
      'mark.append.config',
      'mark.election.removed',
      'mark.election.timeout',
      'mark.ack.unknown',
    ],
    focus: membership,
  },
  { prefixes: [''], focus: unrest },
]

/** Names of counters that a budget has to have raised. */
export function missing(counts: Readonly<Record<string, number>>): string[] {
  const marks = RAFT_MARKS.filter((name) => UNREACHABLE[name] === undefined)
  const wanted = [
    ...marks.map((name) => `mark.${name}`),
    ...CRASH_POINTS.map((name) => `crash.${name}`),
  ]
  return wanted.filter((name) => counts[name] === undefined)
}

/**
 * Runs seeds that lead to what `counts` lacks.
 *
 * @param run runs one seed under a focus, and adds to `counts`
 * @returns what was not reached
 */
export function seek(
  counts: Readonly<Record<string, number>>,
  run: (seed: number, focus: Focus) => void,
): string[] {
  for (const { focus } of FOCI) {
    const isMeant = (name: string): boolean => leads(name) === focus
    const open = (): boolean => missing(counts).some(isMeant)
    for (let seed = 1; seed <= SEEDS_MAX && open(); seed++) run(seed, focus)
  }
  return missing(counts)
}

function leads(name: string): Focus | undefined {
  return FOCI.find(({ prefixes }) => prefixes.some((prefix) => name.startsWith(prefix)))?.focus
}
