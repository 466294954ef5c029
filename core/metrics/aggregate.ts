/**
 * Count, sum and spread of the numbers of one interval (http-api.md 9.5). Pure.
 */

export interface Aggregate {
  readonly count: number
  readonly sum: number
  readonly squares: number
  readonly min: number
  readonly max: number
}

export const NOTHING: Aggregate = { count: 0, sum: 0, squares: 0, min: 0, max: 0 }

export function mean({ count, sum }: Aggregate): number {
  return count === 0 ? 0 : sum / count
}

/** Of the sample, with n - 1; 0 of fewer than two. */
export function standardDeviation({ count, sum, squares }: Aggregate): number {
  if (count < 2) return 0
  // Rounding may put equal numbers a hair below zero.
  return Math.sqrt(Math.max(0, count * squares - sum * sum) / (count * (count - 1)))
}

/** The same with `ones` further numbers, each of them 1. */
export function withOnes(of: Aggregate, ones: number): Aggregate {
  if (ones === 0) return of
  return {
    count: of.count + ones,
    sum: of.sum + ones,
    squares: of.squares + ones,
    min: of.count === 0 ? 1 : Math.min(1, of.min),
    max: of.count === 0 ? 1 : Math.max(1, of.max),
  }
}
