/**
 * Wires over in-memory pipes and scripted ends, for testing connections without sockets.
 */

import type { Socket } from 'node:net'
import { type Duplex, duplexPair } from 'node:stream'
import type { Failure, RequestSink, ResponseSink } from '../../../proxy/exchange/types.ts'
import type { RequestHead, ResponseHead } from '../../../proxy/http1/message.ts'
import { HttpDate } from '../../../proxy/http1/replies.ts'
import { BlockPool } from '../../../proxy/mux/frame-writer.ts'
import { IdleSweep } from '../../../proxy/sockets/idle-sweep.ts'
import { Turn } from '../../../proxy/sockets/turn.ts'
import { Wire } from '../../../proxy/sockets/wire.ts'
import { ManualClock } from '../../../runtime/clock/manual-clock.ts'

export interface Bench {
  readonly clock: ManualClock
  readonly turn: Turn
  readonly sweep: IdleSweep
  readonly pool: BlockPool
  readonly date: HttpDate
  /** A wire and the far end of its pipe. */
  wire(): { readonly wire: Wire; readonly far: FarEnd }
}

export function bench(): Bench {
  const clock = new ManualClock()
  const turn = new Turn()
  const sweep = new IdleSweep(clock)
  sweep.start()
  return {
    clock,
    turn,
    sweep,
    pool: new BlockPool(),
    date: new HttpDate(() => clock.wall()),
    wire: () => {
      const [near, far] = duplexPair({ allowHalfOpen: true })
      return { wire: new Wire(near as unknown as Socket, turn, 'data'), far: new FarEnd(far) }
    },
  }
}

/** Lets everything that is ready happen: streams take several turns to pass bytes on. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 8; i++) await new Promise((resolve) => setImmediate(resolve))
}

export class FarEnd {
  readonly stream: Duplex
  bytes: Buffer = Buffer.alloc(0)
  ended = false

  constructor(stream: Duplex) {
    this.stream = stream
    stream.on('data', (chunk: Buffer) => {
      this.bytes = Buffer.concat([this.bytes, chunk])
    })
    stream.on('end', () => {
      this.ended = true
    })
    stream.on('error', () => {})
  }

  get text(): string {
    return this.bytes.toString('latin1')
  }

  send(data: string | Buffer): void {
    this.stream.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data)
  }
}

/** The callee's side, scripted: keeps what it is told. */
export class ScriptedCall implements RequestSink {
  readonly head: RequestHead | undefined
  readonly caller: ResponseSink
  body = ''
  trailerText = ''
  ended = false
  aborted = false
  resumes = 0
  isRoomy = true

  constructor(head: RequestHead | undefined, caller: ResponseSink) {
    this.head = head
    this.caller = caller
  }

  data(bytes: Buffer, from: number, to: number): boolean {
    this.body += bytes.toString('latin1', from, to)
    return this.isRoomy
  }

  trailers(text: string): void {
    this.trailerText = text
  }

  end(): void {
    this.ended = true
  }

  abort(): void {
    this.aborted = true
  }

  resumeResponse(): void {
    this.resumes++
  }
}

/** The caller's side, scripted. */
export class ScriptedCaller implements ResponseSink {
  interims: number[] = []
  response: ResponseHead | undefined
  body = ''
  trailerText = ''
  ended = false
  failure: Failure | undefined
  readonly failures: string[] = []
  resumes = 0
  isRoomy = true

  onInterim(head: ResponseHead): void {
    this.interims.push(head.status)
  }

  onResponse(head: ResponseHead): void {
    this.response = head
  }

  onData(bytes: Buffer, from: number, to: number): boolean {
    this.body += bytes.toString('latin1', from, to)
    return this.isRoomy
  }

  onTrailers(text: string): void {
    this.trailerText = text
  }

  onResponseEnd(): void {
    this.ended = true
  }

  onFailed(failure: Failure): void {
    this.failure = failure
    this.failures.push(failure.code)
  }

  resumeRequest(): void {
    this.resumes++
  }
}
