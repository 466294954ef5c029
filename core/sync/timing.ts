/**
 * When an agent synchronises (http-api.md 10.7). Pure: randomness is an argument.
 *
 * Intervals grow with the logarithm of the cluster, so that the load of all agents on the servers does too.
 */

import type { Rng } from '../rng.ts'

export const FULL_SYNC_INTERVAL_MS = 60_000
/** Clusters up to this size are not scaled. */
export const SCALE_THRESHOLD_MEMBERS = 128
export const RETRY_MIN_MS = 15_000
export const RETRY_SPREAD_MS = 15_000
/** A server that joined sees the agent's state within this time. */
export const SERVER_JOIN_SPREAD_MS = 3_000

/** 1 up to 128 members, 2 up to 256, 3 up to 512, … */
export function syncScale(members: number): number {
  if (members <= SCALE_THRESHOLD_MEMBERS) return 1
  return Math.ceil(Math.log2(members)) - Math.log2(SCALE_THRESHOLD_MEMBERS) + 1
}

/** Time from one full sync to the next. */
export function fullSyncDelayMs(members: number, rng: Rng): number {
  const scaled = FULL_SYNC_INTERVAL_MS * syncScale(members)
  return scaled + rng.float() * scaled
}

export function retryDelayMs(rng: Rng): number {
  return RETRY_MIN_MS + rng.float() * RETRY_SPREAD_MS
}

/** Between half and one and a half times the update interval. */
export function outputDeferralMs(updateIntervalMs: number, rng: Rng): number {
  return updateIntervalMs / 2 + rng.float() * updateIntervalMs
}
