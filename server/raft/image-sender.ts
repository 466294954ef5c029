/**
 * Sends images to peers whose next entry is compacted away (Raft specification 9.3).
 *
 * Guarantees that the core hears the end of every transfer that it asked for, good or bad, and that an image
 * is the newest one that opens and that the log continues; when none does, one is taken. A failed transfer
 * is reported after a pause, which bounds how often it is tried. Bounds: one transfer at a time, one waiting
 * for each peer; the transport bounds the rate. Ends with the office.
 */

import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { RaftCore } from '../../core/raft/raft-core.ts'
import type { RaftInput, ServerId } from '../../core/raft/types.ts'
import type { Clock } from '../../core/time.ts'
import type { OpenedSnapshot, SnapshotStore } from '../../runtime/storage/snapshot-store.ts'
import type { Snapshotter } from './snapshotter.ts'
import type { RaftTransport } from './transport.ts'

const FAILURE_PAUSE_MS = 500

export interface ImageSenderDeps {
  readonly core: RaftCore
  readonly snapshots: SnapshotStore
  readonly snapshotter: Snapshotter
  readonly transport: Pick<RaftTransport, 'sendSnapshot'>
  readonly clock: Clock
  readonly log: Logger
  readonly input: (input: RaftInput) => void
}

export class ImageSender {
  readonly #deps: ImageSenderDeps
  #waiting: ServerId[] = []
  #running: Promise<void> | null = null
  #reign = new AbortController()

  constructor(deps: ImageSenderDeps) {
    this.#deps = deps
  }

  send(peer: ServerId): void {
    if (!this.#waiting.includes(peer)) this.#waiting.push(peer)
    this.#running ??= this.#run().finally(() => {
      this.#running = null
    })
  }

  /** Office was lost, or this server ends: what runs is broken off. */
  stop(): void {
    this.#waiting = []
    this.#reign.abort(new FairleadError('NO_LEADER', 'This server leads no more'))
    this.#reign = new AbortController()
  }

  async settled(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    for (let peer = this.#waiting.shift(); peer !== undefined; peer = this.#waiting.shift()) {
      const { signal } = this.#reign
      const ok = await this.#transfer(peer, signal)
      this.#deps.snapshotter.sending(null)
      if (!signal.aborted) this.#deps.input({ kind: 'snapshot-report', peer, ok })
    }
  }

  async #transfer(peer: ServerId, signal: AbortSignal): Promise<boolean> {
    const { core, snapshotter, transport, clock, log } = this.#deps
    const begun = clock.now()
    const lastIndex = core.last.index
    try {
      const image = await this.#openNewest()
      snapshotter.sending(image.meta.index)
      signal.throwIfAborted()
      log.info('sending an image', { peer, index: image.meta.index, sizeBytes: image.sizeBytes })
      const offer = core.offerOf(peer, image.meta)
      const outcome = await transport.sendSnapshot(offer, image, signal)
      snapshotter.transferTook(core.last.index - lastIndex)
      const durationMs = Math.round(clock.now() - begun)
      log.info('image sent', { peer, index: image.meta.index, outcome, durationMs })
      if (outcome === 'received') return true
    } catch (err) {
      if (signal.aborted) return false
      log.warn('image could not be sent', { peer, err })
    }
    await this.#pause(signal)
    return false
  }

  async #openNewest(): Promise<OpenedSnapshot> {
    const { core, snapshots, snapshotter, log } = this.#deps
    for (const name of await snapshots.list()) {
      if (name.index < core.firstIndex - 1 || name.index > core.applied) continue
      try {
        return await snapshots.open(name)
      } catch (err) {
        const isRotten =
          err instanceof FairleadError &&
          (err.code === 'STORAGE_CORRUPT' || err.code === 'NOT_FOUND')
        if (!isRotten) throw err
        log.error('snapshot is unusable, trying another one', { index: name.index, err })
      }
    }
    return await snapshots.open(await snapshotter.take())
  }

  async #pause(signal: AbortSignal): Promise<void> {
    try {
      await this.#deps.clock.sleep(FAILURE_PAUSE_MS, signal)
    } catch (thrown) {
      if (!signal.aborted) throw thrown
    }
  }
}
