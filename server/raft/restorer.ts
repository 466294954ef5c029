/**
 * Puts a received image in the place of the whole state, while the server goes on (Raft specification 9.3).
 *
 * Guarantees: entries are applied only on the state that they belong to; readers see the old state or the
 * new one; of several images only the newest counts. A state machine that cannot take an image which was
 * proven when it arrived is fatal. Bound: one restore at a time.
 */

import type { Logger } from '../../core/log.ts'
import type { SnapshotMeta } from '../../core/raft/types.ts'
import type { Clock } from '../../core/time.ts'
import type { SnapshotStore } from '../../runtime/storage/snapshot-store.ts'
import type { Applier } from './applier.ts'
import type { RaftMetrics } from './raft-metrics.ts'
import type { RaftStateMachine } from './types.ts'

export interface RestorerDeps {
  readonly applier: Applier
  readonly snapshots: SnapshotStore
  readonly stateMachine: RaftStateMachine
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Pick<RaftMetrics, 'restored'>
  /** The state is that of the snapshot. */
  readonly onRestored: (snapshot: SnapshotMeta) => void
  readonly onFatal: (thrown: unknown) => void
}

export class Restorer {
  readonly #deps: RestorerDeps
  #wanted: SnapshotMeta | null = null
  #running: Promise<void> | null = null

  constructor(deps: RestorerDeps) {
    this.#deps = deps
  }

  begin(snapshot: SnapshotMeta): void {
    this.#wanted = snapshot
    this.#deps.applier.hold(snapshot.index)
    this.#running ??= this.#run()
      .catch(this.#deps.onFatal)
      .finally(() => {
        this.#running = null
      })
  }

  async settled(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    const { snapshots, stateMachine, clock, log, applier, metrics } = this.#deps
    for (let wanted = this.#wanted; wanted !== null; wanted = this.#wanted) {
      const begun = clock.now()
      const opened = await snapshots.open(wanted)
      await stateMachine.restore(opened.image())
      // A newer image may have come meanwhile; then this state was of use to nobody.
      if (wanted !== this.#wanted) continue
      const durationMs = Math.round(clock.now() - begun)
      metrics.restored(durationMs)
      log.info('state restored from an image', { index: wanted.index, durationMs })
      this.#wanted = null
      applier.release()
      this.#deps.onRestored(wanted)
    }
  }
}
