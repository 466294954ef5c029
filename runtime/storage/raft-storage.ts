/**
 * What a Raft server keeps on disk, opened as one: the log in `raft/log`, snapshots in `raft/snapshots`, and
 * the witness of both in `raft.seq`.
 *
 * `RaftStorageOpener` is what the server is given, so that opening (and the lock on the directory) happens
 * at its start and not at composition. The in-memory form keeps its contents over several openings.
 */

import { join } from 'node:path'
import type { ServerId } from '../../core/raft/types.ts'
import type { Clock } from '../../core/time.ts'
import { openLevelStore } from './level-store.ts'
import type { LogStore } from './log-store.ts'
import { MemorySnapshots } from './memory-snapshots.ts'
import { MemoryStore } from './memory-store.ts'
import { RaftLogStore } from './raft-log-store.ts'
import { Scrubber } from './scrubber.ts'
import { SnapshotFiles } from './snapshot-files.ts'
import type { SnapshotStore } from './snapshot-store.ts'
import { SpaceWatch } from './space-watch.ts'
import { WitnessFile } from './witness-file.ts'

/** The log is small and append-mostly; a larger buffer means fewer table files. */
const LOG_WRITE_BUFFER_BYTES = 32 * 1_048_576

/** Beside `raft/`, so that it outlives what happens to that directory. */
const WITNESS_NAME = 'raft.seq'
const RESERVE_NAME = 'raft.reserve'

export interface RaftStorage {
  readonly log: LogStore
  readonly snapshots: SnapshotStore
  /** Absent where nothing can rot. */
  readonly scrubber?: Scrubber
}

/** Who opens. */
export interface StorageContext {
  /** The server that the log is to belong to. */
  readonly owner: ServerId
  readonly clock: Clock
}

export type RaftStorageOpener = (context: StorageContext) => Promise<RaftStorage>

/** @throws (when called) FairleadError STORAGE_FAILED: another agent uses the directory, or it is unusable */
export function diskRaftStorage(dataDir: string): RaftStorageOpener {
  return async ({ owner, clock }) => {
    // Opening takes the lock: whoever fails here has touched nothing.
    const store = await openLevelStore({
      directory: join(dataDir, 'raft', 'log'),
      writeBufferBytes: LOG_WRITE_BUFFER_BYTES,
    })
    const file = new WitnessFile(join(dataDir, WITNESS_NAME), clock)
    const log = new RaftLogStore(store, { file, owner })
    const snapshots = snapshotsIn(dataDir)
    return { log, snapshots, scrubber: new Scrubber({}, { log, snapshots, clock }) }
  }
}

/** Watches the disk that `diskRaftStorage` of the same directory writes to. */
export function diskSpaceWatch(dataDir: string, clock: Clock): SpaceWatch {
  const snapshots = snapshotsIn(dataDir)
  return new SpaceWatch({ directory: dataDir }, join(dataDir, RESERVE_NAME), {
    clock,
    snapshotBytes: () => snapshots.largestBytes(),
  })
}

function snapshotsIn(dataDir: string): SnapshotFiles {
  return new SnapshotFiles(join(dataDir, 'raft', 'snapshots'))
}

/** For `-dev`: everything is gone with the process. */
export function memoryRaftStorage(): RaftStorageOpener {
  const store = new MemoryStore()
  const snapshots = new MemorySnapshots()
  return async () => ({ log: new RaftLogStore(store), snapshots })
}
