/**
 * A stream of feeds over a TCP connection of its own, in clear or TLS: both ends.
 *
 * The agent begins with FEED_GREETING; then messages go both ways, each with its head (feed-messages.ts), which
 * are written as they are: what many agents get is the same bytes. The server's last message may say why it ends.
 * Guarantees those of ByteStream; a message longer than the receiver allows, or a wrong greeting, ends the stream
 * before anything is kept. A peer that is gone without a word is found by TCP keepalive within minutes, and
 * sooner by the beats of the feeds. Bound: what one message may have, `messageBytesMax`.
 */

import { connect, type Socket } from 'node:net'
import { connect as connectTls, TLSSocket } from 'node:tls'
import { ERRORS, type ErrorCode, FairleadError } from '../../core/errors.ts'
import type { OutgoingTls } from '../tls/rpc-tls.ts'
import { type ByteStream, LOST } from './byte-stream.ts'
import { REPLY_BYTES_MAX } from './envelope.ts'
import { FOLLOW_BYTES_MAX, HEAD_BYTES, messageLength } from './feed-messages.ts'
import { PieceWriter } from './piece-writer.ts'

export const FEED_GREETING = Buffer.from('FEEDS/1\n')
const KEEPALIVE_MS = 30_000
/** Instead of the version byte of a message: the end, and why. */
const END_MARK = 0xff
const REASON_BYTES_MAX = 4 * 1024

/** @param address `host:port`. @throws FairleadError NO_SERVERS, or the abort reason */
export function dialFeeds(
  address: string,
  signal: AbortSignal,
  tls?: OutgoingTls,
): Promise<ByteStream> {
  signal.throwIfAborted()
  const { host, port } = placeOf(address)
  const socket =
    tls === undefined ? connect({ host, port, noDelay: true }) : dialTls(host, port, tls)
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      signal.removeEventListener('abort', onAbort)
      socket.off('error', onError)
    }
    const onAbort = (): void => {
      settle()
      socket.on('error', () => {}).destroy()
      reject(signal.reason)
    }
    const onError = (cause: Error): void => {
      settle()
      const text = `rpc error making call: ${cause.message}`
      reject(new FairleadError('NO_SERVERS', text, { cause }))
    }
    signal.addEventListener('abort', onAbort, { once: true })
    socket.once('error', onError)
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
      settle()
      socket.write(FEED_GREETING)
      resolve(new FeedSocket(socket, { isDialled: false, messageBytesMax: REPLY_BYTES_MAX }))
    })
  })
}

function dialTls(host: string, port: number, tls: OutgoingTls): Socket {
  const { context, serverName, checkIdentity } = tls
  const socket = connectTls({
    host,
    port,
    secureContext: context,
    servername: serverName,
    checkServerIdentity: checkIdentity,
  })
  return socket.setNoDelay(true)
}

/** @param socket of an agent that has said, or begun to say, the greeting */
export function takeFeeds(socket: Socket): ByteStream {
  return new FeedSocket(socket, { isDialled: true, messageBytesMax: FOLLOW_BYTES_MAX })
}

interface FeedSocketOptions {
  /** This end was called, and waits for the greeting. */
  readonly isDialled: boolean
  readonly messageBytesMax: number
}

class FeedSocket implements ByteStream {
  readonly #socket: Socket
  readonly #options: FeedSocketOptions
  /** Over TLS. */
  readonly #pieces: PieceWriter | undefined
  #awaitsGreeting: boolean
  /** Received and not a whole message yet. */
  #chunks: Buffer[] = []
  #size = 0
  /** How many bytes the next step needs. */
  #wanted: number
  #receiver: ((bytes: Buffer) => void) | undefined
  #onFinished: (() => void) | undefined
  #onEnd: ((error: FairleadError | null) => void) | undefined
  #hasEnded = false

  constructor(socket: Socket, options: FeedSocketOptions) {
    this.#socket = socket
    this.#pieces = socket instanceof TLSSocket ? new PieceWriter(socket) : undefined
    this.#options = options
    this.#awaitsGreeting = options.isDialled
    this.#wanted = options.isDialled ? FEED_GREETING.length : HEAD_BYTES
    socket.setKeepAlive(true, KEEPALIVE_MS)
    socket.on('error', () => this.#ended(LOST))
    socket.on('close', () => this.#ended(LOST))
    socket.on('end', () => this.#onFinished?.())
  }

  write(bytes: Buffer, done: () => void): void {
    if (this.#hasEnded) return
    if (this.#pieces !== undefined) {
      this.#pieces.write(bytes, done)
      return
    }
    this.#socket.write(bytes, (error) => {
      if (error === undefined || error === null) done()
    })
  }

  finish(): void {
    if (this.#hasEnded) return
    this.#pieces?.flush()
    this.#socket.end()
  }

  end(error?: FairleadError): void {
    if (this.#hasEnded) return
    if (!this.#options.isDialled) {
      this.#ended(LOST)
      this.#socket.destroy()
      return
    }
    this.#pieces?.flush()
    if (error !== undefined) this.#socket.write(encodeEnd(error))
    this.#ended(error ?? null)
    // What was written still goes out.
    this.#socket.destroySoon()
  }

  onBytes(receiver: (bytes: Buffer) => void): void {
    const isFirst = this.#receiver === undefined
    this.#receiver = receiver
    if (isFirst) this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk))
  }

  onFinished(listener: () => void): void {
    this.#onFinished = listener
  }

  onEnd(listener: (error: FairleadError | null) => void): void {
    this.#onEnd = listener
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  #receive(chunk: Buffer): void {
    if (this.#hasEnded) return
    this.#chunks.push(chunk)
    this.#size += chunk.length
    // Most chunks are whole messages; only those that are not are joined, once they are complete.
    if (this.#size < this.#wanted) return
    let rest = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#size)
    this.#chunks = []
    this.#size = 0
    while (rest.length >= this.#wanted && !this.#hasEnded) {
      const taken = this.#step(rest)
      if (taken > 0) rest = rest.subarray(taken)
    }
    if (rest.length === 0 || this.#hasEnded) return
    this.#chunks = [rest]
    this.#size = rest.length
  }

  /** @param bytes at least `#wanted`. @returns how many of them are done with */
  #step(bytes: Buffer): number {
    if (this.#awaitsGreeting) {
      this.#awaitsGreeting = false
      this.#wanted = HEAD_BYTES
      if (!bytes.subarray(0, FEED_GREETING.length).equals(FEED_GREETING)) this.end(UNKNOWN_GREETING)
      return FEED_GREETING.length
    }
    const length = messageLength(bytes)
    if (length > this.#options.messageBytesMax) {
      this.end(tooLong(length, this.#options.messageBytesMax))
      return 0
    }
    if (bytes.length < length) {
      this.#wanted = length
      return 0
    }
    this.#wanted = HEAD_BYTES
    const message = bytes.subarray(0, length)
    if (message[0] === END_MARK && !this.#options.isDialled) this.#told(message)
    else this.#receiver?.(message)
    return length
  }

  #told(message: Buffer): void {
    this.#ended(decodeEnd(message))
    this.#socket.destroy()
  }

  #ended(error: FairleadError | null): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#chunks = []
    this.#onEnd?.(error)
  }
}

const UNKNOWN_GREETING = new FairleadError('NOT_SUPPORTED', 'Unknown version of the feeds')

function tooLong(length: number, max: number): FairleadError {
  return new FairleadError('TOO_LARGE', `The message is too large: ${length} bytes, at most ${max}`)
}

function encodeEnd({ code, message }: FairleadError): Buffer {
  const text = Buffer.from(`${code} ${message}`).subarray(0, REASON_BYTES_MAX)
  const bytes = Buffer.alloc(HEAD_BYTES + text.length)
  bytes[0] = END_MARK
  bytes.writeUInt32BE(text.length, 1)
  text.copy(bytes, HEAD_BYTES)
  return bytes
}

function decodeEnd(message: Buffer): FairleadError {
  const text = message.toString('utf8', HEAD_BYTES)
  const space = text.indexOf(' ')
  const code = text.slice(0, Math.max(0, space))
  if (!Object.hasOwn(ERRORS, code)) return LOST
  return new FairleadError(code as ErrorCode, `rpc error making call: ${text.slice(space + 1)}`)
}

function placeOf(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon)
  return {
    host: host.startsWith('[') ? host.slice(1, -1) : host,
    port: Number(address.slice(colon + 1)),
  }
}
