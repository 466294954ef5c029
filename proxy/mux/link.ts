/**
 * One mux connection without its exchanges: greeting, liveness, farewell, and the frames in between.
 *
 * Guarantees: no frame of an exchange is passed on before the peer's HELLO; a peer that breaks the format or
 * floods is told so with GOAWAY and cut; one that falls silent while something is under way is found out by
 * PING; one that does not read our farewell, or does not answer it, is cut after LINGER_TICKS without progress. What exchanges are is the owner's business (client-connection.ts, server-connection.ts).
 * Bounds: format.ts.
 */

import type { IdleSweep, Swept } from '../sockets/idle-sweep.ts'
import type { Turn } from '../sockets/turn.ts'
import type { Wire, WireHandler } from '../sockets/wire.ts'
import {
  CONTROL_FRAMES_PER_TICK_MAX,
  EXCHANGES_MAX,
  EXTRA_WINDOW_MAX,
  GOAWAY,
  GOAWAY_DRAIN,
  GOAWAY_FLOOD,
  GOAWAY_PROTOCOL,
  HELLO,
  HELLO_BYTES,
  INITIAL_WINDOW,
  INITIAL_WINDOW_MIN,
  MUX_VERSION,
  PING,
  PONG,
  RESET,
  WINDOW,
  WINDOW_MAX,
} from './format.ts'
import { type FrameHandler, FrameReader } from './frame-reader.ts'
import { type BlockPool, FrameWriter } from './frame-writer.ts'
import type { WindowBudget } from './receiving.ts'

export interface LinkOwner {
  /** The peer has greeted: exchanges may begin. */
  onReady(): void
  /** @returns false when the frame breaks the rules: the connection is ended */
  onExchangeFrame(
    kind: number,
    isEnd: boolean,
    id: number,
    bytes: Buffer,
    from: number,
    to: number,
  ): boolean
  onExchangeData(id: number, bytes: Buffer, from: number, to: number, isEnd: boolean): boolean
  /** @param lastId what the peer has begun; undefined when it does not say */
  onGoaway(lastId: number | undefined): void
  /** The socket takes more again. */
  onRoomy(): void
  /** Something waits for the peer, so its silence matters. */
  isBusy(): boolean
  onTick(tick: number): void
  /** The connection is over; the last call. */
  onDown(): void
}

export interface MuxDeps {
  readonly turn: Turn
  readonly sweep: IdleSweep
  readonly pool: BlockPool
}

/** Silence during an exchange before a PING, and silence after it before the peer counts as lost. */
const PING_AFTER_TICKS = 10
const PING_LOST_TICKS = 10
/** The peer must greet within this. */
const HELLO_TICKS = 6
/** After our farewell: without a byte taken, or without the peer's end. */
export const LINGER_TICKS = 10

export class MuxLink implements WireHandler, FrameHandler, Swept {
  readonly out: FrameWriter
  readonly budget: WindowBudget = { extraBytes: EXTRA_WINDOW_MAX }
  /** What the peer lets us send on a new exchange, and how many it takes at once. */
  peerWindow = INITIAL_WINDOW
  peerExchangesMax = EXCHANGES_MAX
  isReady = false
  isDown = false
  readonly #wire: Wire
  readonly #owner: LinkOwner
  readonly #sweep: IdleSweep
  readonly #reader: FrameReader
  readonly #startTick: number
  #lastTick: number
  #pingTick = -1
  #controlTick = 0
  #controlFrames = 0
  /** Since when nothing moved after our farewell; -1 before it. */
  #lingerTick = -1
  #unsentBytes = 0

  constructor(wire: Wire, owner: LinkOwner, deps: MuxDeps) {
    this.#wire = wire
    this.#owner = owner
    this.#sweep = deps.sweep
    this.#startTick = deps.sweep.tick
    this.#lastTick = deps.sweep.tick
    this.#reader = new FrameReader(this)
    this.out = new FrameWriter(wire, deps)
    wire.handler = this
    deps.sweep.add(this)
    this.#sendHello()
  }

  /** Ends the connection after what is waiting has been sent. */
  close(code: number, lastId: number): void {
    if (this.isDown) return
    this.out.numbers(GOAWAY, 0, code, lastId)
    this.out.flush()
    this.#wire.end()
    this.#lingerTick = this.#sweep.tick
    this.#unsentBytes = this.#wire.unsentBytes
    this.#down()
  }

  destroy(): void {
    if (this.isDown) return
    this.#wire.destroy()
    this.#down()
  }

  #linger(tick: number): void {
    const { unsentBytes } = this.#wire
    if (unsentBytes !== this.#unsentBytes) {
      this.#unsentBytes = unsentBytes
      this.#lingerTick = tick
    } else if (tick - this.#lingerTick > LINGER_TICKS) {
      this.#sweep.remove(this)
      this.#wire.destroy()
    }
  }

  onBytes(bytes: Buffer, length: number): void {
    // After our farewell the peer may go on sending until it has read it: nobody is left to act on that.
    if (this.isDown) return
    this.#lastTick = this.#sweep.tick
    if (!this.#reader.read(bytes, length) && !this.isDown) this.close(GOAWAY_PROTOCOL, 0)
  }

  onEnd(): void {
    if (this.isDown) this.#wire.destroy()
    else this.destroy()
  }

  onDrain(): void {
    this.out.onDrain()
    this.#owner.onRoomy()
  }

  onClosed(): void {
    this.#sweep.remove(this)
    this.#down()
  }

  onTick(tick: number): void {
    if (this.isDown) {
      this.#linger(tick)
      return
    }
    if (!this.isReady) {
      if (tick - this.#startTick > HELLO_TICKS) this.destroy()
      return
    }
    if (this.#pingTick >= 0) {
      if (tick - this.#pingTick > PING_LOST_TICKS) {
        this.destroy()
        return
      }
    } else if (this.#owner.isBusy() && tick - this.#lastTick > PING_AFTER_TICKS) {
      this.#pingTick = tick
      this.out.numbers(PING, 0, tick, 0)
    }
    this.#owner.onTick(tick)
  }

  onFrame(
    kind: number,
    isEnd: boolean,
    id: number,
    bytes: Buffer,
    from: number,
    to: number,
  ): boolean {
    if (!this.isReady) return kind === HELLO && this.#onHello(bytes, from)
    switch (kind) {
      case HELLO:
        return false
      case PING:
        this.out.numbers(PONG, 0, bytes.readUInt32BE(from), bytes.readUInt32BE(from + 4))
        return this.#countControl()
      case PONG:
        this.#pingTick = -1
        return this.#countControl()
      case GOAWAY:
        this.#owner.onGoaway(lastBegun(bytes, from))
        return !this.isDown
      case WINDOW:
      case RESET:
        if (!this.#countControl()) return false
        break
      default:
    }
    return this.#owner.onExchangeFrame(kind, isEnd, id, bytes, from, to) && !this.isDown
  }

  onData(id: number, bytes: Buffer, from: number, to: number, isEnd: boolean): boolean {
    return this.isReady && this.#owner.onExchangeData(id, bytes, from, to, isEnd) && !this.isDown
  }

  #sendHello(): void {
    const payload = Buffer.alloc(HELLO_BYTES)
    payload[0] = MUX_VERSION
    payload.writeUInt32BE(EXCHANGES_MAX, 4)
    payload.writeUInt32BE(INITIAL_WINDOW, 8)
    this.out.bytes(HELLO, 0, 0, payload, 0, payload.length)
  }

  #onHello(bytes: Buffer, from: number): boolean {
    const exchanges = bytes.readUInt32BE(from + 4)
    const window = bytes.readUInt32BE(from + 8)
    if (bytes[from] !== MUX_VERSION || exchanges === 0) return false
    if (window < INITIAL_WINDOW_MIN || window > WINDOW_MAX) return false
    this.peerExchangesMax = Math.min(exchanges, EXCHANGES_MAX)
    this.peerWindow = window
    this.isReady = true
    this.#owner.onReady()
    return !this.isDown
  }

  /** Small frames cost the sender nothing, so there is a limit to how many are served. */
  #countControl(): boolean {
    if (this.#controlTick !== this.#sweep.tick) {
      this.#controlTick = this.#sweep.tick
      this.#controlFrames = 0
    }
    if (++this.#controlFrames <= CONTROL_FRAMES_PER_TICK_MAX) return true
    this.close(GOAWAY_FLOOD, 0)
    return false
  }

  #down(): void {
    if (this.isDown) return
    this.isDown = true
    if (this.#lingerTick < 0) this.#sweep.remove(this)
    this.#owner.onDown()
  }
}

/** Who ends a connection for a breach may have begun anything. */
function lastBegun(bytes: Buffer, from: number): number | undefined {
  return bytes.readUInt32BE(from) === GOAWAY_DRAIN ? bytes.readUInt32BE(from + 4) : undefined
}
