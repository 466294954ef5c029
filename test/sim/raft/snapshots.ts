/**
 * When a simulated server takes an image and shortens its log: the steps of server/raft/snapshotter.ts, each
 * followed by a place to die, with the shipped rule of how much of the log stays.
 */

import assert from 'node:assert/strict'
import { logIndex, type SnapshotMeta } from '../../../core/raft/types.ts'
import { compactionIndex } from '../../../server/raft/compaction.ts'
import { digestOf } from './digest.ts'
import type { SimServer } from './sim-server.ts'

const TRAILING_BYTES = 64 * 1_048_576

export class Snapshots {
  readonly #server: SimServer
  #entriesSince = 0
  #isRunning = false
  /** Raised when the log is replaced; an image begun before is of the past. */
  #generation = 0
  /** Index of the image that is on its way to a peer. */
  sending: number | null = null
  transferEntries = 0

  constructor(server: SimServer) {
    this.#server = server
  }

  applied(entries: number): void {
    this.#entriesSince += entries
    if (this.#entriesSince >= this.#server.context.swarm.snapshotThreshold) this.take()
  }

  supersede(): void {
    this.#generation++
    this.#entriesSince = 0
  }

  /** Of what is applied now; one at a time. */
  take(): void {
    const { life, disk, context } = this.#server
    if (life === null || this.#isRunning || life.restoring !== null) return
    if (life.core.restoring !== null || life.applied === 0) return
    this.#isRunning = true
    this.#entriesSince = 0
    const generation = this.#generation
    const meta = life.core.snapshotMetaAt(logIndex(life.applied))
    const bytes = life.machine.image()
    const digest = digestOf(bytes)
    context.oracle.imageTaken(this.#server.id, meta, digest)
    this.#server.passes('image.take.writing')
    const { isDisturbed, rng } = this.#server
    const mean = isDisturbed ? context.swarm.imageMean : context.swarm.disk.writeMean
    context.events.after(mean * 2 * rng.float(), () => {
      this.#server.complete(life.boot, () => {
        this.#isRunning = false
        this.#server.passes('image.take.writing')
        disk.keepImage({ meta, bytes, digest })
        context.counters.add('event.image-taken')
        this.#server.passes('image.take.renamed')
        if (generation === this.#generation) this.#shortenLog(meta)
      })
    })
  }

  #shortenLog(meta: SnapshotMeta): void {
    const { life, disk, context } = this.#server
    assert.ok(life !== null)
    const { core } = life
    if (meta.index <= (disk.snapshot?.index ?? 0)) return
    disk.pointTo(meta)
    this.#server.passes('image.take.pointed')
    const active = [...core.peers.values()].filter((peer) => peer.isRecentlyActive)
    const index = compactionIndex({
      snapshotIndex: meta.index,
      firstIndex: core.firstIndex,
      lastIndex: core.last.index,
      trailingEntries: context.swarm.trailing,
      trailingBytes: context.swarm.hasCourtesy ? TRAILING_BYTES : 1,
      activeMatches: active.map((peer) => peer.match),
      transferEntries: this.transferEntries,
      sending: this.sending,
      bytesOf: (at) => core.entry(at)?.data.length ?? 0,
    })
    this.#server.handle({ kind: 'compacted', index: logIndex(index ?? 0), snapshot: meta })
    this.#server.passes('image.take.before-delete')
    if (index === null) return
    // What is on disk may lag behind what the core holds, never behind what is applied.
    disk.deleteTo(index)
    context.counters.add('event.compacted')
    this.#server.passes('image.take.deleted')
    disk.prune()
  }
}
