/**
 * An image that is on its way into the state through the log, outside of what anybody sees (raft.md 13.3).
 *
 * Its bytes come as commands; they are read as they come, so that the last command only swaps. Deterministic:
 * the same commands leave the same here on every server, also after a restart in the middle, for the bytes
 * so far are part of the image. Ends by `finish`, by a piece that does not fit, by a newer one, or when
 * nothing came for RESTORE_IDLE_MS of stamped time.
 * Bounds: RESTORE_SIZE_MAX bytes in all, RESTORE_PIECE_SIZE_MAX a piece.
 */

import { Sha256 } from '../digest/sha256.ts'
import { FairleadError } from '../errors.ts'
import { ImageReader } from './image-reader.ts'
import type { StagedImage } from './image-writer.ts'
import type { State } from './state.ts'

export const RESTORE_SIZE_MAX = 1024 * 1024 * 1024
export const RESTORE_PIECE_SIZE_MAX = 512 * 1024
/** A restore that got nothing for so long makes place for another one. */
export const RESTORE_ABANDONED_MS = 30_000
/** A restore that got nothing for so long is forgotten. */
export const RESTORE_IDLE_MS = 600_000

export class StagedRestore implements StagedImage {
  readonly id: string
  touchedAt: number
  readonly #pieces: Uint8Array[] = []
  readonly #reader = new ImageReader()
  readonly #digest = new Sha256()
  #received = 0

  constructor(id: string, touchedAt: number) {
    this.id = id
    this.touchedAt = touchedAt
  }

  /** Bytes that have come. */
  get received(): number {
    return this.#received
  }

  get pieces(): readonly Uint8Array[] {
    return this.#pieces
  }

  /**
   * Takes the piece that begins at `received`; kept by reference.
   *
   * @throws FairleadError TOO_LARGE, BAD_REQUEST (no image), NOT_SUPPORTED (of a newer version); all is over then
   */
  push(bytes: Uint8Array): void {
    if (this.#received + bytes.length > RESTORE_SIZE_MAX) {
      throw new FairleadError(
        'TOO_LARGE',
        `The snapshot is over the limit of ${RESTORE_SIZE_MAX} bytes`,
      )
    }
    asRequest(() => this.#reader.push(bytes))
    this.#digest.update(bytes)
    this.#pieces.push(bytes)
    this.#received += bytes.length
  }

  /** @throws FairleadError BAD_REQUEST when size or digest differ or the image is cut; all is over then */
  finish(sizeBytes: number, digest: string): State {
    if (sizeBytes !== this.#received) {
      throw new FairleadError(
        'BAD_REQUEST',
        `The snapshot has ${this.#received} bytes, expected ${sizeBytes}`,
      )
    }
    if (digest !== this.#digest.digest()) {
      throw new FairleadError('BAD_REQUEST', 'The snapshot arrived damaged: its digest differs')
    }
    return asRequest(() => this.#reader.end()).state
  }

  /** What an image of this moment holds of it. */
  freeze(): StagedImage {
    return { id: this.id, touchedAt: this.touchedAt, pieces: this.#pieces.slice() }
  }
}

/** Damage in what a user sent is the user's matter. */
function asRequest<T>(read: () => T): T {
  try {
    return read()
  } catch (thrown) {
    if (!(thrown instanceof FairleadError) || thrown.code !== 'STORAGE_CORRUPT') throw thrown
    throw new FairleadError('BAD_REQUEST', thrown.message, { cause: thrown })
  }
}
