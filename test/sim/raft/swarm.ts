/**
 * What kind of run a seed is: which faults exist in it at all, and how large everything is (verification 9).
 *
 * Each feature is on or off by a coin of its own, since leaving faults out lets the others interact more
 * deeply; tiny limits are drawn often, since they take rare branches thousands of times.
 */

import type { Rng } from '../../../core/rng.ts'

/** Virtual microseconds throughout. */
export interface NetworkProfile {
  readonly delayMin: number
  readonly delayMean: number
  readonly hasHeavyTail: boolean
  readonly loss: number
  /** Two-state model: chances to turn bad, to turn good again, and to lose a message while bad. */
  readonly burst: { readonly toBad: number; readonly toGood: number; readonly loss: number } | null
  readonly duplication: number
  /** Messages may overtake each other. */
  readonly reorders: boolean
  /** Chance for each message that an old one is delivered again. */
  readonly replay: number
  /** Chance for each entry-carrying append that a bit of an entry is flipped behind the checks of the transport. */
  readonly corruption: number
}

export interface DiskProfile {
  readonly writeMean: number
  /** Chance of each write to take `stallMean` instead. */
  readonly stallChance: number
  readonly stallMean: number
  readonly hasWriteErrors: boolean
  /** Single writes may hang for several election timeouts. */
  readonly hasHangs: boolean
  /** Acknowledged entries may be found damaged at a restart, within the fault atlas. */
  readonly hasDamage: boolean
}

export interface ClockProfile {
  /** Relative rate error of each server's clock is drawn within plus or minus this. */
  readonly driftMax: number
  readonly hasPauses: boolean
  readonly hasWallJumps: boolean
  /** Each turn of a server costs up to this. */
  readonly turnCostMax: number
}

export interface FaultSwitches {
  readonly crashes: boolean
  readonly armedCrashes: boolean
  readonly crashLoops: boolean
  readonly partitions: boolean
  readonly swizzles: boolean
  readonly clogs: boolean
  readonly streamBreaks: boolean
  readonly longAbsence: boolean
  /** Links may be slow in one direction. */
  readonly lags: boolean
  /** Followers may be killed at the moment in which voting again would break a lease. */
  readonly turncoats: boolean
  /** Learners may lose what they acknowledged without knowing. */
  readonly wipes: boolean
}

export interface Swarm {
  readonly voters: number
  readonly learners: number
  readonly electionTicks: number
  readonly heartbeatTicks: number
  readonly messageBytesMax: number
  readonly inflightMessagesMax: number
  readonly uncommittedBytesMax: number
  readonly applyingBytesMax: number
  readonly unappliedMax: number
  readonly snapshotThreshold: number
  readonly trailing: number
  readonly chunkBytes: number
  /** Followers that lag are waited for before the log is shortened (9.1). */
  readonly hasCourtesy: boolean
  readonly applyDelay: number
  /** To restore the state from an image, and to write one. */
  readonly restoreMean: number
  readonly imageMean: number
  readonly leaseReads: boolean
  readonly network: NetworkProfile
  readonly disk: DiskProfile
  readonly clock: ClockProfile
  readonly faults: FaultSwitches
  /** Proposals that come while a write runs form the next batch. */
  readonly groupCommit: boolean
  readonly hasMembership: boolean
  readonly hasTransfers: boolean
  /** Mean time between two acts of the nemesis; 0 for no nemesis at all. */
  readonly nemesisMean: number
  readonly membershipMean: number
  readonly clients: number
  readonly thinkMean: number
  readonly keys: number
  readonly valueBytes: number
  readonly stateMachine: 'recorder' | 'store'
  /** Requests of unknown outcome are sent again under their name. */
  readonly retries: boolean
  /** Damage may hit more disks than the model allows: service may end, what was acknowledged may not change. */
  readonly isBeyondModel: boolean
  /** In the liveness phase only a bare quorum comes back. */
  readonly bareQuorum: boolean
}

export function drawSwarm(rng: Rng): Swarm {
  const coin = (p = 0.5): boolean => rng.float() < p
  const pick = <T>(items: readonly T[]): T => rng.pick(items) as T
  const isCalm = coin(0.1)
  const fault = (p = 0.5): boolean => coin(p) && !isCalm
  const [electionTicks, heartbeatTicks] = pick([
    [10, 1],
    [10, 1],
    [20, 2],
    [20, 2],
    [3, 1],
    [100, 10],
  ] as const)
  const messageBytesMax = pick([1, 64, 1_024, 65_536, 1_048_576])
  const writeMean = pick([0, 200, 1_000, 5_000])
  const hasDamage = fault(0.3)
  const election = electionTicks * 10_000
  return {
    voters: pick([1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 5, 5, 5, 5, 5, 5, 7, 7]),
    learners: pick([0, 0, 1, 2]),
    electionTicks,
    heartbeatTicks,
    messageBytesMax,
    inflightMessagesMax: pick([1, 2, 4, 64]),
    uncommittedBytesMax: pick([200, 2_000, 16 * 1_048_576]),
    applyingBytesMax: pick([1, 300, 16 * 1_048_576]),
    unappliedMax: pick([3, 50, 5_000]),
    ...pick([
      { snapshotThreshold: 2, trailing: 0 },
      { snapshotThreshold: 10, trailing: 3 },
      { snapshotThreshold: 50, trailing: 5 },
      { snapshotThreshold: 1_000, trailing: 100 },
      { snapshotThreshold: 1_000_000, trailing: 0 },
    ]),
    chunkBytes: pick([40, 400, 65_536]),
    hasCourtesy: coin(0.3),
    applyDelay: pick([0, 0, 300, 5_000, 40_000]),
    restoreMean: pick([writeMean, writeMean, 2 * election, 10 * election]),
    imageMean: pick([writeMean, writeMean, writeMean, 2 * election]),
    leaseReads: coin(0.3),
    network: drawNetwork(rng, isCalm, electionTicks),
    disk: {
      writeMean,
      stallChance: fault(0.3) ? 0.003 : 0,
      stallMean: pick([100_000, 1_000_000, 5_000_000]),
      hasWriteErrors: fault(0.3),
      hasHangs: fault(0.25),
      hasDamage,
    },
    clock: {
      driftMax: coin(0.6) ? 0 : 0.05,
      hasPauses: fault(0.5),
      hasWallJumps: fault(0.3),
      turnCostMax: fault(0.15) ? pick([100, 2_000, 20_000]) : 0,
    },
    faults: {
      crashes: fault(),
      armedCrashes: fault(),
      crashLoops: fault(0.25),
      partitions: fault(),
      swizzles: fault(0.2),
      clogs: fault(0.3),
      streamBreaks: fault(0.4),
      longAbsence: fault(0.3),
      lags: fault(0.25),
      turncoats: fault(0.15),
      wipes: fault(0.3),
    },
    groupCommit: coin(),
    hasMembership: coin(),
    hasTransfers: coin(0.4),
    nemesisMean: isCalm ? 0 : pick([40_000, 150_000, 600_000]) * (electionTicks / 10),
    membershipMean: pick([100_000, 800_000, 3_000_000]),
    clients: pick([1, 2, 4, 8, 16]),
    thinkMean: pick([0, 2_000, 20_000, 200_000]),
    keys: pick([1, 2, 10, 50]),
    valueBytes: pick([0, 10, 100, 1_000]),
    stateMachine: coin() ? 'recorder' : 'store',
    retries: coin(),
    isBeyondModel: hasDamage && coin(0.1),
    bareQuorum: coin(),
  }
}

function drawNetwork(rng: Rng, isCalm: boolean, electionTicks: number): NetworkProfile {
  const coin = (p = 0.5): boolean => rng.float() < p
  const pick = <T>(items: readonly T[]): T => rng.pick(items) as T
  // Delays far above the election timeout would leave nothing but elections to see.
  const scale = Math.min(1, electionTicks / 10)
  return {
    delayMin: pick([0, 0, 300, 5_000]) * scale,
    delayMean: pick([0, 100, 500, 2_000, 10_000]) * scale,
    hasHeavyTail: !isCalm && coin(0.05),
    loss: isCalm || coin(0.4) ? 0 : 0.3 * rng.float() * rng.float(),
    burst:
      isCalm || coin(0.8)
        ? null
        : {
            toBad: 0.001 + 0.019 * rng.float(),
            toGood: 0.05 + 0.45 * rng.float(),
            loss: 0.5 + 0.5 * rng.float(),
          },
    duplication: isCalm || coin() ? 0 : 0.5 * rng.float(),
    reorders: !isCalm && coin(),
    replay: isCalm || coin(0.7) ? 0 : 0.01 * rng.float(),
    corruption: isCalm || coin(0.7) ? 0 : 0.02 * rng.float(),
  }
}
