/**
 * Builds frames in large blocks and hands all of a turn's blocks to the socket in one write.
 *
 * Blocks are reused once the socket has taken them. Bounds: BLOCKS_KEPT idle blocks in the pool; what waits
 * in the socket is bounded by the windows of the exchanges.
 */

import type { Turn } from '../sockets/turn.ts'
import type { Wire } from '../sockets/wire.ts'
import { DATA, FLAG_END, FRAME_HEADER_BYTES } from './format.ts'

const BLOCK_BYTES = 32 * 1024
const BLOCKS_KEPT = 64

class Block {
  readonly bytes = Buffer.allocUnsafeSlow(BLOCK_BYTES)
  used = 0
  readonly release: () => void

  constructor(pool: Block[]) {
    this.release = () => {
      this.used = 0
      if (pool.length < BLOCKS_KEPT) pool.push(this)
    }
  }
}

/** Shared by all mux connections of a process. */
export class BlockPool {
  readonly #free: Block[] = []

  take(): Block {
    return this.#free.pop() ?? new Block(this.#free)
  }
}

export class FrameWriter {
  readonly #wire: Wire
  readonly #turn: Turn
  readonly #pool: BlockPool
  #full: Block[] = []
  #block: Block | undefined
  #isDirty = false
  #isRoomy = true
  /** Exchange and place of the last DATA frame of the current block, if it is the last frame. */
  #lastDataId = 0
  #lastDataAt = 0

  constructor(wire: Wire, deps: { readonly turn: Turn; readonly pool: BlockPool }) {
    this.#wire = wire
    this.#turn = deps.turn
    this.#pool = deps.pool
  }

  /** False while the socket holds more than it wants to; the wire's drain ends that. */
  get isRoomy(): boolean {
    return this.#isRoomy
  }

  onDrain(): void {
    this.#isRoomy = true
  }

  /** A frame with a text payload (latin1), at most HEAD_PAYLOAD_MAX characters. */
  text(kind: number, flags: number, id: number, payload: string): void {
    const size = payload.length
    if (size + FRAME_HEADER_BYTES > BLOCK_BYTES) {
      const bytes = Buffer.allocUnsafe(size)
      bytes.write(payload, 0, 'latin1')
      this.#large(kind, flags, id, bytes)
      return
    }
    const block = this.#header(kind, flags, id, size)
    block.bytes.write(payload, block.used, 'latin1')
    block.used += size
  }

  /** A frame with a copy of `bytes[from, to)`, at most DATA_BYTES_MAX. */
  bytes(kind: number, flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    const block = this.#header(kind, flags, id, to - from)
    this.#lastDataId = id
    this.#lastDataAt = block.used - FRAME_HEADER_BYTES
    bytes.copy(block.bytes, block.used, from, to)
    block.used += to - from
  }

  /** A frame of one or two 32-bit numbers. */
  numbers(kind: number, id: number, first: number, second = -1): void {
    const block = this.#header(kind, 0, id, second < 0 ? 4 : 8)
    block.used = block.bytes.writeUInt32BE(first, block.used)
    if (second >= 0) block.used = block.bytes.writeUInt32BE(second, block.used)
  }

  empty(kind: number, flags: number, id: number): void {
    this.#header(kind, flags, id, 0)
  }

  /** Ends the exchange's direction: marks its last DATA frame if that has not left yet, else sends an empty one. */
  endData(id: number): void {
    if (this.#lastDataId === id && this.#block !== undefined) {
      this.#block.bytes[this.#lastDataAt + 1] = FLAG_END
      this.#lastDataId = 0
    } else {
      this.empty(DATA, FLAG_END, id)
    }
  }

  flush(): void {
    this.#isDirty = false
    this.#lastDataId = 0
    const block = this.#block
    if (this.#full.length > 0) {
      const full = this.#full
      this.#full = []
      this.#wire.socket.cork()
      for (const each of full) this.#send(each)
      if (block !== undefined) this.#send(block)
      this.#wire.socket.uncork()
    } else if (block !== undefined) {
      this.#send(block)
    }
    this.#block = undefined
  }

  #send(block: Block): void {
    const bytes = block.bytes.subarray(0, block.used)
    if (!this.#wire.writeOwned(bytes, block.release)) this.#isRoomy = false
  }

  #large(kind: number, flags: number, id: number, payload: Buffer): void {
    this.#header(kind, flags, id, 0)
    const block = this.#block as Block
    block.bytes.writeUInt16BE(payload.length, block.used - FRAME_HEADER_BYTES + 2)
    this.flush()
    this.#wire.writeOwned(payload)
  }

  /** Room for a frame in the current block, its header written. */
  #header(kind: number, flags: number, id: number, size: number): Block {
    let block = this.#block
    if (block === undefined || block.used + FRAME_HEADER_BYTES + size > BLOCK_BYTES) {
      if (block !== undefined) this.#full.push(block)
      block = this.#pool.take()
      this.#block = block
    }
    this.#lastDataId = 0
    const bytes = block.bytes
    const at = block.used
    bytes[at] = kind
    bytes[at + 1] = flags
    bytes[at + 2] = size >>> 8
    bytes[at + 3] = size
    bytes[at + 4] = id >>> 24
    bytes[at + 5] = id >>> 16
    bytes[at + 6] = id >>> 8
    bytes[at + 7] = id
    block.used = at + FRAME_HEADER_BYTES
    if (!this.#isDirty) {
      this.#isDirty = true
      this.#turn.add(this)
    }
    return block
  }
}
