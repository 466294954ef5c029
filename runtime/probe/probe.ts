/**
 * What every probe is: one attempt to find out how something is, that ends when its signal does.
 *
 * A probe never rejects for what it finds (refused, timed out, wrong answer): that is its result. It rejects
 * with the signal's reason only when aborted for another cause than its time limit.
 */

import type { CheckStatus } from '../../core/catalog/types.ts'

export interface ProbeResult {
  readonly status: CheckStatus
  readonly output: string
  /** Takes effect whatever the thresholds say. */
  readonly immediate?: true
}

export type Probe = (signal: AbortSignal) => Promise<ProbeResult>

/** The abort reason when the time limit of a probe has passed. */
export class ProbeTimeout extends Error {
  override readonly name = 'ProbeTimeout'
  readonly timeoutMs: number

  constructor(timeoutMs: number) {
    super(`no result within ${timeoutMs} ms`)
    this.timeoutMs = timeoutMs
  }
}

export interface ProbeTlsOptions {
  /** '' takes the host of the address. */
  readonly serverName: string
  readonly skipVerify: boolean
}

export function passing(output: string): ProbeResult {
  return { status: 'passing', output }
}

export function critical(output: string): ProbeResult {
  return { status: 'critical', output }
}

/** Rethrows when the probe was cut short for another reason than its time limit. */
export function throwIfStopped(signal: AbortSignal): void {
  if (signal.aborted && !(signal.reason instanceof ProbeTimeout)) throw signal.reason
}

export function isTimeout(signal: AbortSignal): boolean {
  return signal.aborted && signal.reason instanceof ProbeTimeout
}
