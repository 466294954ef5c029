/**
 * Names for the write requests of one process (raft.md 16.2): unique for ever, in the order of first sending.
 */

import type { RequestId } from '../catalog/request-id.ts'

export class RequestNames {
  readonly #origin: string
  readonly #boot: string
  #seq = 0

  /** @param options.boot names this start of the process, and was never used before */
  constructor(options: { readonly nodeId: string; readonly boot: string }) {
    this.#origin = options.nodeId
    this.#boot = options.boot
  }

  next(): RequestId {
    this.#seq += 1
    return { origin: this.#origin, boot: this.#boot, seq: this.#seq }
  }
}
