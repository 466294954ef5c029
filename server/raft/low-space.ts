/**
 * What this server does while its disk is nearly full (Raft specification 15.2).
 *
 * Takes only writes that free space, and hands leadership to a server that may have more. Guarantees that a
 * refused write was not appended. Does not measure: runtime/storage does, and tells. Bound: one handover in
 * `HANDOVER_EVERY_MS`, so that servers which are all full do not pass leadership around.
 */

import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'

const HANDOVER_EVERY_MS = 60_000

/** Who watches the disk. */
export interface SpaceNews {
  /** Called with each change, and at once when space is low. @returns stops; idempotent */
  onChange(listener: (isLow: boolean) => void): () => void
}

export interface LowSpaceDeps {
  readonly news: SpaceNews | undefined
  readonly clock: Clock
  readonly log: Logger
  readonly leads: () => boolean
  readonly handOver: () => Promise<void>
}

export class LowSpace {
  readonly #deps: LowSpaceDeps
  #isLow = false
  #stopListening: (() => void) | undefined
  #timer: Timer | null = null

  constructor(deps: LowSpaceDeps) {
    this.#deps = deps
  }

  open(): void {
    this.#stopListening = this.#deps.news?.onChange((isLow) => this.#changed(isLow))
  }

  /** No timer and no listener is left after it. */
  close(): void {
    this.#stopListening?.()
    this.#stopListening = undefined
    this.#timer?.cancel()
    this.#timer = null
  }

  /** Why a write is not taken now; null when it is. */
  refusal(frees: boolean): FairleadError | null {
    if (!this.#isLow || frees) return null
    return new FairleadError(
      'STORAGE_FULL',
      'The disk of the leading server is nearly full: only deletes are taken until space is freed',
    )
  }

  #changed(isLow: boolean): void {
    if (isLow === this.#isLow) return
    this.#isLow = isLow
    const { log } = this.#deps
    if (isLow) log.error('disk space is low; only writes that free space are taken')
    else log.info('disk space is sufficient again')
    this.#timer?.cancel()
    this.#timer = null
    if (isLow) this.#handOver()
  }

  #handOver(): void {
    const { clock, log } = this.#deps
    this.#timer = clock.timer(instant(clock.now() + HANDOVER_EVERY_MS), () => this.#handOver())
    if (!this.#deps.leads()) return
    this.#deps.handOver().then(
      () => log.warn('leadership handed over, because disk space is low'),
      (err: unknown) => log.warn('leadership could not be handed over', { err }),
    )
  }
}
