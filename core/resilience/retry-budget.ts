/**
 * How many retries may be under way at a time, in proportion to what else is: a bound that keeps retries from becoming the
 * load that breaks a destination (mesh.md 10.5). Pure.
 */

export interface RetryBudget {
  /** Of the requests under way. */
  readonly percent: number
  /** Always allowed. */
  readonly minConcurrency: number
}

export const RETRY_BUDGET_DEFAULT: RetryBudget = { percent: 20, minConcurrency: 3 }

/** @param active requests under way, those being retried included */
export function allowsRetry(budget: RetryBudget, active: number, retrying: number): boolean {
  return retrying < Math.max(budget.minConcurrency, (active * budget.percent) / 100)
}
