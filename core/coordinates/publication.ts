/**
 * When an agent says where its node stands (gossip.md 12). Pure: chance is an argument.
 *
 * The larger the cluster, the rarer, so that all agents together say about RATE_PER_SECOND coordinates a second.
 */

import type { Rng } from '../rng.ts'

const RATE_PER_SECOND = 64
export const INTERVAL_MIN_MS = 15_000
/** Of the interval, added at random, so that agents that started together part. */
const SPREAD = 1 / 8

export function publicationIntervalMs(members: number): number {
  return Math.max(INTERVAL_MIN_MS, (members / RATE_PER_SECOND) * 1000)
}

/** From the start of the agent to its first word: somewhere in an interval. */
export function firstPublicationMs(members: number, rng: Rng): number {
  return rng.float() * publicationIntervalMs(members)
}

/** From one word to the next. */
export function nextPublicationMs(members: number, rng: Rng): number {
  return publicationIntervalMs(members) * (1 + rng.float() * SPREAD)
}
