/**
 * What an object does when nobody else is there: the specification that a concurrent history has to match.
 */

export interface SequentialModel<S, I, O> {
  readonly initial: S
  /**
   * The state afterwards; undefined when the operation cannot have this result in this state. With
   * `undefined` for the result every result is allowed. Never changes `state`.
   */
  step(state: S, input: I, output: O | undefined): S | undefined
  /** Equal texts for equal states, and only for them. */
  encode(state: S): string
  /** Independent objects that the operation touches, at least one; objects touched together are one part. */
  objects(input: I): readonly string[]
  /** True when it changes no state, whatever its result. */
  isRead(input: I): boolean
}
