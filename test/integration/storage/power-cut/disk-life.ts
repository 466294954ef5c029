/**
 * What a server does to its data directory, in small: log, witness and snapshots through the real code, in the order
 * in which a server calls them, and what must be there when the power is cut in the middle.
 *
 * The write buffer is the smallest, so that LevelDB begins new log files and writes tables within a few steps.
 */

import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { silentLogger } from '../../../../core/log.ts'
import { logIndex, type SnapshotMeta } from '../../../../core/raft/types.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { openLevelStore } from '../../../../runtime/storage/level-store.ts'
import { RaftLogStore } from '../../../../runtime/storage/raft-log-store.ts'
import { SnapshotFiles } from '../../../../runtime/storage/snapshot-files.ts'
import { WitnessFile } from '../../../../runtime/storage/witness-file.ts'
import { useNewestSnapshot } from '../../../../server/raft/recovery.ts'
import { CONFIGURATION, IDENTITY, LogWorkload, OWNER, stepOf } from '../log-workload.ts'

const WRITE_BUFFER_BYTES = 65_536
const STEPS_PER_SNAPSHOT = 12
const STEPS_PER_HINT = 5

interface Disk {
  readonly log: RaftLogStore
  readonly snapshots: SnapshotFiles
}

async function openDisk(directory: string): Promise<Disk> {
  const store = await openLevelStore({
    directory: join(directory, 'raft', 'log'),
    writeBufferBytes: WRITE_BUFFER_BYTES,
  })
  const file = new WitnessFile(join(directory, 'raft.seq'), systemClock)
  const log = new RaftLogStore(store, { file, owner: OWNER })
  return { log, snapshots: new SnapshotFiles(join(directory, 'raft', 'snapshots')) }
}

/** @param acknowledged called when a step is durable, with its number */
export async function live(
  directory: string,
  life: { readonly seed: number; readonly steps: number },
  acknowledged: (step: number) => void,
): Promise<void> {
  const { log, snapshots } = await openDisk(directory)
  await log.load()
  const workload = new LogWorkload(life.seed)
  while (workload.step < life.steps) {
    const job = workload.next()
    if (job.snapshot !== null) await receive(job.snapshot, snapshots)
    if (workload.step === 1) await log.initialize(IDENTITY, job)
    else await log.append([job])
    acknowledged(workload.step)
    if (workload.step % STEPS_PER_SNAPSHOT === 0) await takeSnapshot(workload, { log, snapshots })
    if (workload.step % STEPS_PER_HINT === 0) await log.saveCommitHint(workload.hardState.commit)
  }
  await snapshots.close()
  await log.close()
}

/** @returns what is wrong with a directory in which `acknowledged` steps, and at most one more, were done; or null */
export async function fault(
  directory: string,
  life: { readonly seed: number; readonly acknowledged: number },
): Promise<string | null> {
  let disk: Disk
  try {
    disk = await openDisk(directory)
  } catch (thrown) {
    return `cannot be opened: ${String(thrown)}`
  }
  const { log, snapshots } = disk
  try {
    const verdict = await log.load()
    if (verdict.kind === 'empty') return life.acknowledged === 0 ? null : 'is empty'
    if (verdict.kind !== 'consistent') return `is ${verdict.kind}: ${verdict.reason}`
    const stored = verdict.log
    const step = stepOf(stored)
    if (step < life.acknowledged || step > life.acknowledged + 1) return `ends with step ${step}`
    const model = new LogWorkload(life.seed)
    model.skipTo(step)
    const difference = model.difference(stored)
    if (difference !== null || stored.anchor.index === 0) return difference
    let image = ''
    const meta = await useNewestSnapshot(
      stored,
      { storage: { log, snapshots }, log: silentLogger },
      async (opened) => {
        const pieces: Uint8Array[] = []
        for await (const piece of opened.image()) pieces.push(piece)
        image = Buffer.concat(pieces).toString()
      },
    )
    if (meta === null) return 'has no snapshot for its log'
    return image === imageOf(meta).toString() ? null : `has another image ${meta.index}`
  } finally {
    await snapshots.close()
    await log.close()
  }
}

async function takeSnapshot(workload: LogWorkload, { log, snapshots }: Disk): Promise<void> {
  const at = workload.compactionPoint()
  if (at === undefined) return
  const { index, term, chain } = at
  const meta = {
    ...{ index, term, chain },
    configuration: CONFIGURATION,
    configurationIndex: logIndex(1),
  }
  const image = imageOf(meta)
  await snapshots.write(meta, [image.subarray(0, 700), image.subarray(700)])
  await log.saveSnapshotPointer({ index, term })
  await log.compact(at)
  await snapshots.prune(meta)
}

async function receive(meta: SnapshotMeta, snapshots: SnapshotFiles): Promise<void> {
  const image = imageOf(meta)
  const digest = createHash('sha256').update(image).digest('hex')
  const reception = await snapshots.receive(meta, { sizeBytes: image.length, digest })
  await reception.write(image.subarray(0, 1_000))
  await reception.write(image.subarray(1_000))
  await reception.finish()
}

/** Long enough to be torn. */
function imageOf(meta: SnapshotMeta): Buffer {
  return Buffer.from(`image of ${meta.index} `.repeat(150))
}
