/**
 * What all balancers have in common: one is made for a list of weighted entries and picks an index for each attempt.
 */

export interface Candidates {
  /** Whether the entry may be picked now. */
  isUsable(index: number): boolean
  /** What another exchange costs there, for the policies that compare. */
  cost(index: number): number
}

export interface Balancer {
  /**
   * @param hash of the request, 32 bits; for the policies that hash. undefined: it has none, any entry will do
   * @returns the index of the picked entry, or -1 when none is usable
   */
  pick(candidates: Candidates, hash: number | undefined): number
}
