/**
 * What becomes of rot that the scrubber finds while this server runs (Raft specification 14.6, 15.8).
 *
 * A rotten snapshot is made good by a new one at once. Rot in the log is told, loudly: in memory the entries are
 * good, so service goes on; at the next start this server finds the damage and fetches what is in doubt from the
 * others. Bound: one snapshot is taken at a time, one more is remembered.
 */

import type { Logger } from '../../core/log.ts'
import type { Finding, Scrubber } from '../../runtime/storage/scrubber.ts'

export class RotWatch {
  readonly #deps: { readonly log: Logger; readonly takeSnapshot: () => Promise<unknown> }
  #healing: Promise<void> | null = null

  constructor(deps: { readonly log: Logger; readonly takeSnapshot: () => Promise<unknown> }) {
    this.#deps = deps
  }

  start(scrubber: Pick<Scrubber, 'start'> | undefined): void {
    scrubber?.start((finding) => this.#found(finding))
  }

  /** Resolves when no snapshot is being taken because of rot. */
  async settled(): Promise<void> {
    await this.#healing
  }

  #found({ where, reason }: Finding): void {
    const { log } = this.#deps
    if (where === 'log') {
      log.error(
        'the Raft log has rotted on disk; restart this server soon, while the others run, and it is repaired',
        { reason },
      )
      return
    }
    log.error('a snapshot has rotted on disk; taking a new one', { reason })
    this.#healing ??= this.#heal().finally(() => {
      this.#healing = null
    })
  }

  async #heal(): Promise<void> {
    try {
      await this.#deps.takeSnapshot()
    } catch (err) {
      this.#deps.log.error('no new snapshot could be taken', { err })
    }
  }
}
