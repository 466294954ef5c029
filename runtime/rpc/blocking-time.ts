/**
 * How long a server may keep a read that waits for a change (server/api/blocking-read.ts).
 */

import type { ReadOptions } from '../../core/rpc/server-api.ts'

/** Reads block this much longer than asked, at most. */
const WAIT_JITTER_PARTS = 16
const WAIT_DEFAULT_MS = 300_000
const WAIT_MAX_MS = 600_000

/** 0 for a read that does not wait. */
export function blockingMs({ minIndex, waitMs }: ReadOptions): number {
  if (minIndex === undefined || minIndex <= 0) return 0
  const wait = waitMs === undefined || waitMs <= 0 ? WAIT_DEFAULT_MS : Math.min(waitMs, WAIT_MAX_MS)
  return wait + wait / WAIT_JITTER_PARTS
}
