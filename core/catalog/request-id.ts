/**
 * The name of one write request, given by the first process that accepted it (raft.md 16.2).
 *
 * A write that is sent again, because its outcome was unknown, carries the same name; the state machine
 * executes a name once. Bounds: REQUEST_NAME_SIZE_MAX bytes for each of the two texts.
 */

export const REQUEST_NAME_SIZE_MAX = 64

export interface RequestId {
  /** Id of the process's node. */
  readonly origin: string
  /** One start of that process; numbers begin anew with each. */
  readonly boot: string
  /** 1, 2, 3 …, each used for one write, in the order in which they are first sent. */
  readonly seq: number
}
