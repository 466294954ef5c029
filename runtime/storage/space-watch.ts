/**
 * Watches the free space under the data directory, so that writes are refused before the disk is full (Raft
 * specification 15.2).
 *
 * Space is low below twice the largest snapshot plus 512 MiB, on small disks a sixteenth of them instead, and
 * ample again a tenth above that. A reserve file of 64 MiB is kept while there is room for it: deleting it
 * (`freeReserve`) after a failed write lets the server end in order and start again. Does not refuse writes
 * itself: the listener does. A disk that cannot be asked keeps its last answer. Bounds: one listener, one look
 * at a time.
 */

import { open, rm, stat, statfs } from 'node:fs/promises'
import type { Clock } from '../../core/time.ts'

export interface Space {
  readonly freeBytes: number
  readonly totalBytes: number
}

export interface SpaceState {
  readonly isLow: boolean
  readonly freeBytes: number
  /** What should be free. */
  readonly wantedBytes: number
}

export interface SpaceWatchOptions {
  readonly directory: string
  /** Free space wanted beside two snapshots; default 512 MiB or a sixteenth of the disk. */
  readonly floorBytes?: number
  /** Of the reserve file; default 64 MiB, none on disks below 8 GiB. 0: none. */
  readonly reserveBytes?: number
  /** Default 5 s: longer, and a fast writer may fill the disk unseen. */
  readonly intervalMs?: number
}

export interface SpaceWatchDeps {
  readonly clock: Clock
  /** Size of the largest snapshot; 0 when there is none. */
  readonly snapshotBytes: () => Promise<number>
  /** Default asks the file system of `directory`. */
  readonly measure?: (directory: string) => Promise<Space>
}

const MIB = 1_048_576
const FLOOR_BYTES = 512 * MIB
const FLOOR_SHARE = 1 / 16
const RESERVE_BYTES = 64 * MIB
const RESERVE_DISK_BYTES_MIN = 8_192 * MIB
const AMPLE_FACTOR = 1.1
const INTERVAL_MS = 5_000

export class SpaceWatch {
  readonly #options: SpaceWatchOptions
  readonly #deps: SpaceWatchDeps
  readonly #reservePath: string
  #isLow = false

  /** @param reservePath of the reserve file, on the same file system */
  constructor(options: SpaceWatchOptions, reservePath: string, deps: SpaceWatchDeps) {
    this.#options = options
    this.#reservePath = reservePath
    this.#deps = deps
  }

  /**
   * Looks at once and then at intervals, until it is stopped.
   *
   * @param listener called when space gets low or ample again
   * @returns stops; idempotent
   */
  onChange(listener: (isLow: boolean) => void): () => void {
    const stopped = new AbortController()
    void this.#watch(listener, stopped.signal)
    return () => stopped.abort()
  }

  /** Gives the reserve back to the file system: the disk is full and this server is about to end. */
  async freeReserve(): Promise<void> {
    await rm(this.#reservePath, { force: true })
  }

  /** One look. @returns null when the disk cannot be asked */
  async look(): Promise<SpaceState | null> {
    const { directory, floorBytes } = this.#options
    let space: Space
    try {
      space = await (this.#deps.measure ?? measure)(directory)
    } catch {
      // The next write tells whether the disk is gone; this is only a forecast.
      return null
    }
    const { freeBytes, totalBytes } = space
    const floor = floorBytes ?? Math.min(FLOOR_BYTES, totalBytes * FLOOR_SHARE)
    const wantedBytes = Math.round(2 * (await this.#deps.snapshotBytes()) + floor)
    this.#isLow = freeBytes < wantedBytes * (this.#isLow ? AMPLE_FACTOR : 1)
    if (!this.#isLow) await this.#keepReserve(space, wantedBytes)
    return { isLow: this.#isLow, freeBytes, wantedBytes }
  }

  async #watch(listener: (isLow: boolean) => void, signal: AbortSignal): Promise<void> {
    let wasLow = false
    while (!signal.aborted) {
      const state: SpaceState | null = await this.look()
      const isLow: boolean = state?.isLow ?? wasLow
      if (isLow !== wasLow && !signal.aborted) listener(isLow)
      wasLow = isLow
      try {
        await this.#deps.clock.sleep(this.#options.intervalMs ?? INTERVAL_MS, signal)
      } catch (thrown) {
        if (!signal.aborted) throw thrown
      }
    }
  }

  /** Written out and not only declared: a sparse file reserves nothing. */
  async #keepReserve(space: Space, wantedBytes: number): Promise<void> {
    const isSmall = space.totalBytes < RESERVE_DISK_BYTES_MIN
    const bytes = this.#options.reserveBytes ?? (isSmall ? 0 : RESERVE_BYTES)
    if (bytes === 0 || space.freeBytes < wantedBytes + bytes) return
    try {
      if ((await sizeOf(this.#reservePath)) === bytes) return
      await writeZeros(this.#reservePath, bytes)
    } catch {
      // A reserve that cannot be made is not worth a server.
      await rm(this.#reservePath, { force: true })
    }
  }
}

async function measure(directory: string): Promise<Space> {
  const { bavail, bsize, blocks } = await statfs(directory)
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
}

async function sizeOf(path: string): Promise<number> {
  return await stat(path).then(
    ({ size }) => size,
    () => -1,
  )
}

async function writeZeros(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'w', 0o600)
  try {
    const zeros = Buffer.alloc(MIB)
    for (let at = 0; at < bytes; at += zeros.length) {
      await file.write(zeros, 0, Math.min(zeros.length, bytes - at), at)
    }
    await file.datasync()
  } finally {
    await file.close()
  }
}
