/**
 * A second witness of what the log has acknowledged: a tiny file outside the log's directory (Raft
 * specification 14.5, mitigation a; 15.13).
 *
 * A log whose last batches vanished looks like an older log that is whole, so that it alone cannot prove the
 * loss. The witness holds sequence number, end, term and vote of an append job that was durable before. It
 * also finds a log that was wiped, or restored from an old backup, under an id that lives on.
 *
 * Guarantees: term and vote are never behind what `write` resolved for; the rest is at most 100 ms behind
 * `note` while the disk keeps up. Two slots of 4 KiB are written in turn, so that a torn write leaves the
 * one before. Does not judge: load-log.ts does. A witness that cannot be read proves nothing and counts as
 * none. Bounds: two blocks; ids of at most 255 characters.
 */

import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import { FairleadError } from '../../core/errors.ts'
import {
  type LogIndex,
  logIndex,
  type ServerId,
  serverId,
  type Term,
  term,
} from '../../core/raft/types.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'
import { syncDirectory } from '../host/sync-directory.ts'

export interface Testimony {
  readonly serverId: ServerId
  /** Of the append job, as in the hard state record. */
  readonly seq: number
  readonly term: Term
  readonly vote: ServerId | null
  readonly lastIndex: LogIndex
}

interface Slot {
  readonly testimony: Testimony
  readonly count: number
}

export const WITNESS_INTERVAL_MS = 100
export const WITNESS_SLOT_BYTES = 4_096
const HEAD_BYTES = 40
const ID_LENGTH_MAX = 255
const VERSION = 1

export class WitnessFile {
  readonly #path: string
  readonly #clock: Clock
  #file: FileHandle | null = null
  #slot = 0
  /** Of writes over the life of the file: tells which slot is newer. */
  #count = 0
  #noted: Testimony | null = null
  #timer: Timer | null = null
  #writtenAt = Number.NEGATIVE_INFINITY
  #writes: Promise<void> = Promise.resolve()
  #failure: FairleadError | null = null
  #isClosed = false

  constructor(path: string, clock: Clock) {
    this.#path = path
    this.#clock = clock
  }

  /** Set by the first write that failed; nothing is written after it. */
  get failure(): FairleadError | null {
    return this.#failure
  }

  /** @returns null when there is no testimony, or none that can be read */
  async read(): Promise<Testimony | null> {
    try {
      const file = await this.#open()
      const content = Buffer.alloc(2 * WITNESS_SLOT_BYTES)
      await file.read(content, 0, content.length, 0)
      const [first, second] = [decodeSlot(slotOf(content, 0)), decodeSlot(slotOf(content, 1))]
      const newest = (second?.count ?? 0) > (first?.count ?? 0) ? second : first
      // The next write must not hit the newer slot.
      this.#slot = newest === first && first !== null ? 1 : 0
      this.#count = newest?.count ?? 0
      return newest?.testimony ?? null
    } catch (cause) {
      throw this.#failed('read', cause)
    }
  }

  /** To be written soon; a later note replaces one that waits. */
  note(testimony: Testimony): void {
    this.#noted = testimony
    if (this.#timer !== null || this.#isClosed) return
    const due = instant(Math.max(this.#clock.now(), this.#writtenAt + WITNESS_INTERVAL_MS))
    this.#timer = this.#clock.timer(due, () => {
      this.#timer = null
      this.#flush().catch(() => undefined)
    })
  }

  /** Resolves when it is durable. @throws FairleadError STORAGE_FAILED */
  write(testimony: Testimony): Promise<void> {
    this.#noted = null
    const written = this.#writes.then(() => this.#execute(testimony))
    // A failure is kept for every later caller.
    this.#writes = written.catch(() => undefined)
    return written
  }

  /** Writes what waits. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#timer = null
    await this.#flush().catch(() => undefined)
    await this.#writes
    const file = this.#file
    this.#file = null
    await file?.close()
  }

  async #flush(): Promise<void> {
    if (this.#noted !== null) await this.write(this.#noted)
  }

  async #execute(testimony: Testimony): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    try {
      const file = await this.#open()
      this.#count++
      const slot = encodeSlot(testimony, this.#count)
      await file.write(slot, 0, slot.length, this.#slot * WITNESS_SLOT_BYTES)
      await file.datasync()
      this.#slot = 1 - this.#slot
      this.#writtenAt = this.#clock.now()
    } catch (cause) {
      this.#failure = this.#failed('write', cause)
      throw this.#failure
    }
  }

  async #open(): Promise<FileHandle> {
    if (this.#file !== null) return this.#file
    this.#file = await open(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600)
    await syncDirectory(dirname(this.#path))
    return this.#file
  }

  #failed(act: string, cause: unknown): FairleadError {
    const text = cause instanceof Error ? cause.message : String(cause)
    return new FairleadError('STORAGE_FAILED', `Failed to ${act} "${this.#path}": ${text}`, {
      cause,
    })
  }
}

/** {crc32 (4), version, lengths of id and vote (2 each), count (6), seq, term, last index (8 each), id, vote}. */
export function encodeSlot(testimony: Testimony, count: number): Buffer {
  const slot = Buffer.alloc(WITNESS_SLOT_BYTES)
  const id = Buffer.from(testimony.serverId, 'utf8')
  const vote = Buffer.from(testimony.vote ?? '', 'utf8')
  slot.writeUInt16BE(VERSION, 4)
  slot.writeUInt16BE(id.length, 6)
  slot.writeUInt16BE(vote.length, 8)
  slot.writeUIntBE(count, 10, 6)
  slot.writeBigUInt64BE(BigInt(testimony.seq), 16)
  slot.writeBigUInt64BE(BigInt(testimony.term), 24)
  slot.writeBigUInt64BE(BigInt(testimony.lastIndex), 32)
  slot.set(id, HEAD_BYTES)
  slot.set(vote, HEAD_BYTES + id.length)
  slot.writeUInt32BE(crc32(slot.subarray(4)), 0)
  return slot
}

/** @returns null for anything that the encoder does not write; never throws */
export function decodeSlot(slot: Uint8Array): Slot | null {
  const view = Buffer.from(slot.buffer, slot.byteOffset, slot.byteLength)
  if (view.length !== WITNESS_SLOT_BYTES || view.readUInt16BE(4) !== VERSION) return null
  if (view.readUInt32BE(0) !== crc32(view.subarray(4))) return null
  const idEnd = HEAD_BYTES + view.readUInt16BE(6)
  const voteEnd = idEnd + view.readUInt16BE(8)
  if (voteEnd > view.length) return null
  const id = view.toString('utf8', HEAD_BYTES, idEnd)
  const vote = view.toString('utf8', idEnd, voteEnd)
  if (id === '' || id.length > ID_LENGTH_MAX || vote.length > ID_LENGTH_MAX) return null
  const [seq, ofTerm, lastIndex] = [16, 24, 32].map((at) => Number(view.readBigUInt64BE(at)))
  if (!Number.isSafeInteger(seq) || !Number.isSafeInteger(ofTerm)) return null
  if (!Number.isSafeInteger(lastIndex)) return null
  const testimony = {
    serverId: serverId(id),
    seq: seq as number,
    term: term(ofTerm as number),
    vote: vote === '' ? null : serverId(vote),
    lastIndex: logIndex(lastIndex as number),
  }
  return { testimony, count: view.readUIntBE(10, 6) }
}

function slotOf(content: Buffer, slot: number): Buffer {
  return content.subarray(slot * WITNESS_SLOT_BYTES, (slot + 1) * WITNESS_SLOT_BYTES)
}
