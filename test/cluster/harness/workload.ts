/**
 * Clients that work beside the registers in the same run, and judge themselves when all is healed.
 */

export interface WorkloadConditions {
  /** Some act of the run makes the network lose packets. */
  readonly losesPackets: boolean
}

export interface Workload {
  readonly name: string
  start(): void
  /** Resolves when no request is open any more. */
  stop(): Promise<void>
  /**
   * @returns what was checked, in one sentence
   * @throws AssertionError with what cannot be explained
   */
  verdict(): Promise<string>
}
