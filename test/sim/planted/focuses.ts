/**
 * What seeds are told to draw when a bug needs circumstances that few seeds have by themselves (verification 9, 14).
 */

const NO_FAULTS = {
  crashes: false,
  armedCrashes: false,
  crashLoops: false,
  partitions: false,
  swizzles: false,
  clogs: false,
  streamBreaks: false,
  longAbsence: false,
  wipes: false,
  lags: false,
  turncoats: false,
}

const QUICK = { electionTicks: 10, heartbeatTicks: 1, nemesisMean: 300_000, bareQuorum: false }

/** Leaders are deposed all the time while clients write. */
export const UNREST = {
  ...QUICK,
  faults: { ...NO_FAULTS, crashes: true, partitions: true, swizzles: true },
  clients: 8,
  thinkMean: 2_000,
}

/** Leaders that are cut off with more writes than the others commit meanwhile. */
export const LONG_TAILS = {
  ...QUICK,
  faults: { ...NO_FAULTS, crashes: true, partitions: true, swizzles: true },
  clients: 24,
  thinkMean: 400_000,
  voters: 3,
  learners: 0,
  hasMembership: false,
  hasTransfers: false,
  isBeyondModel: false,
}

/** Reads by lease while answers to the leader are late and nobody hears it any more. */
export const LATE_LEASES = {
  ...QUICK,
  electionTicks: 20,
  heartbeatTicks: 2,
  nemesisMean: 600_000,
  faults: { ...NO_FAULTS, lags: true },
  leaseReads: true,
  clients: 4,
  thinkMean: 15_000,
  applyDelay: 0,
  voters: 3,
  learners: 0,
  hasMembership: false,
  hasTransfers: false,
  isBeyondModel: false,
}

/** Reads by lease while followers come back and are asked for votes; few write, so that logs are level. */
export const TURNCOATS = {
  ...LATE_LEASES,
  faults: { ...NO_FAULTS, turncoats: true },
  clients: 8,
  thinkMean: 4_000_000,
}
