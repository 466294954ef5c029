/**
 * What everything that runs implements; composed as one ordered list in cli/main.ts.
 */

import type { Instant } from './time.ts'

export interface Service {
  /** Resolves when ready to serve; throws after undoing what it had begun. A second call gets the first promise. */
  start(signal: AbortSignal): Promise<void>
  /** Stops taking work and finishes what runs, until `deadline`. */
  drain(deadline: Instant): Promise<void>
  /** Cuts. Idempotent. After it no timer, socket or callback of this service runs. */
  stop(): Promise<void>
}
