/**
 * Tells operators of gossip that was not opened: why, from whom, how often.
 *
 * Guarantees: all are counted; of each reason one line is written at once and then one in REPEAT_MS at most, with the
 * number of those in between, so that a stranger cannot fill the log.
 */

import type { Logger } from '../../core/log.ts'
import type { NodeAddress } from '../../core/swim/types.ts'
import type { Clock, Instant } from '../../core/time.ts'
import type { SealRefusal } from './seal.ts'

const REPEAT_MS = 60_000

const TEXTS: Readonly<Record<SealRefusal, { readonly level: 'warn' | 'debug'; text: string }>> = {
  malformed: { level: 'debug', text: 'refused gossip that cannot be read' },
  version: { level: 'warn', text: 'refused gossip of another version' },
  label: { level: 'warn', text: 'refused gossip of another pool' },
  checksum: { level: 'debug', text: 'refused gossip that was damaged on the way' },
  plain: { level: 'warn', text: 'refused gossip that is not encrypted; its sender has no key' },
  encrypted: { level: 'warn', text: 'refused gossip that is encrypted; this agent has no key' },
  key: { level: 'warn', text: 'refused gossip that no key of this agent opens' },
  replay: { level: 'warn', text: 'refused gossip that was received before' },
}

export class RefusalLog {
  readonly #deps: { readonly clock: Clock; readonly log: Logger }
  readonly #counts = new Map<SealRefusal, number>()
  readonly #told = new Map<SealRefusal, { readonly at: Instant; readonly count: number }>()

  constructor(deps: { readonly clock: Clock; readonly log: Logger }) {
    this.#deps = deps
  }

  /** Since the start, by reason. */
  get counts(): ReadonlyMap<SealRefusal, number> {
    return this.#counts
  }

  note(reason: SealRefusal, from: NodeAddress): void {
    const count = (this.#counts.get(reason) ?? 0) + 1
    this.#counts.set(reason, count)
    const { clock, log } = this.#deps
    const at = clock.now()
    const last = this.#told.get(reason)
    if (last !== undefined && at - last.at < REPEAT_MS) return
    this.#told.set(reason, { at, count })
    const { level, text } = TEXTS[reason]
    log[level](text, { address: from.address, port: from.port, count: count - (last?.count ?? 0) })
  }
}
