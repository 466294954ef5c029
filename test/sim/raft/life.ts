/**
 * One run of a simulated server's process: everything that a crash takes away.
 */

import type { RaftMessage } from '../../../core/raft/messages.ts'
import type { RaftCore } from '../../../core/raft/raft-core.ts'
import type { Entry, SnapshotMeta, SnapshotOffer } from '../../../core/raft/types.ts'
import type { AppendPipeline } from '../../../server/raft/append-pipeline.ts'
import type { TickSource } from '../../../server/raft/tick-source.ts'
import type { ImageHost } from './image-host.ts'
import type { RequestDesk } from './request-desk.ts'
import type { Snapshots } from './snapshots.ts'
import type { SimMachine } from './state-machines.ts'

/** One run of the process. */
export interface Life {
  readonly boot: number
  readonly core: RaftCore
  readonly pipeline: AppendPipeline
  readonly ticks: TickSource
  readonly images: ImageHost
  readonly snapshots: Snapshots
  readonly desk: RequestDesk
  machine: SimMachine
  /** Index of the last entry that the state machine holds. */
  applied: number
  applyQueue: Entry[]
  isApplying: boolean
  restoring: SnapshotMeta | null
  imageWanted: SnapshotOffer | null
  wasRecovering: boolean
  isEndingRecovery: boolean
  ledTerm: number | null
  seen: { readonly term: number; readonly leader: string | null }
  hintedAt: number
  /** What came while the process did not run. */
  readonly waiting: {
    completions: (() => void)[]
    messages: RaftMessage[]
    requests: (() => void)[]
  }
}
