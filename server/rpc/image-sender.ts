/**
 * Sends one image of the state to a server that lags too far behind (Raft specification 9.3).
 *
 * Offer, answer, then chunks from where the receiver wants them, at most WINDOW_CHUNKS unacknowledged and
 * never faster than the given rate, so that heartbeats and appends on their own connections go on. The last
 * word is the receiver's: the image is whole, proven and durable there. Every wait ends: WAIT_MS for a sign
 * of progress, and for the last word time that grows with the size. Keeps nothing: a broken attempt is
 * repeated by the caller and goes on where the receiver's file ends.
 */

import { FairleadError } from '../../core/errors.ts'
import type { SnapshotOfferMessage } from '../../core/raft/messages.ts'
import type { ClusterName } from '../../core/rpc/peer-calls.ts'
import type { Clock } from '../../core/time.ts'
import { decodeImageDown, encodeImageUp, type ImageDown } from '../../runtime/rpc/image-codec.ts'
import { MessageStream } from '../../runtime/rpc/message-stream.ts'
import { dialRaft } from '../../runtime/rpc/raft-service.ts'
import type { OpenedSnapshot } from '../../runtime/storage/snapshot-store.ts'
import type { OutgoingTls } from '../../runtime/tls/rpc-tls.ts'

const WINDOW_CHUNKS = 8
const WAIT_MS = 30_000
/** Slowest disk that a receiver may have for proving and making durable what it got. */
const PROOF_BYTES_PER_MS = 4 * 1024
/** A pause in reading may be caught up with so much haste. */
const BURST_MS = 50

export interface ImageSending {
  readonly address: string
  readonly cluster: ClusterName
  readonly offer: SnapshotOfferMessage
  readonly image: OpenedSnapshot
  readonly bytesPerSecond: number
  readonly tls: OutgoingTls | undefined
}

/** @throws FairleadError of the receiver or the connection, or the abort reason */
export async function sendImage(
  sending: ImageSending,
  clock: Clock,
  signal: AbortSignal,
): Promise<'received' | 'declined'> {
  const { address, cluster, offer, image, tls } = sending
  const { sizeBytes, digest } = image
  const dialled = await dialRaft(address, 'image', { clock, signal, tls })
  try {
    const dialogue = new MessageStream(dialled.stream, decodeImageDown, clock)
    const wait = { timeoutMs: WAIT_MS, signal }
    await dialogue.write(
      encodeImageUp({ kind: 'offer', cluster, message: offer, sizeBytes, digest }),
      wait,
    )
    const answer = await dialogue.next(wait)
    if (answer?.kind === 'decline') return 'declined'
    if (answer?.kind !== 'accept' || answer.resumeFrom > sizeBytes) throw outOfTurn(answer)
    await sendChunks(sending, { dialogue, from: answer.resumeFrom, clock, signal })
    dialled.stream.finish()
    const timeoutMs = WAIT_MS + sizeBytes / PROOF_BYTES_PER_MS
    for (;;) {
      const last = await dialogue.next({ timeoutMs, signal })
      if (last?.kind === 'done') return 'received'
      if (last?.kind !== 'ack') throw outOfTurn(last)
    }
  } finally {
    dialled.stream.end()
    dialled.close()
  }
}

async function sendChunks(
  { image, bytesPerSecond }: ImageSending,
  way: {
    readonly dialogue: MessageStream<ImageDown>
    readonly from: number
    readonly clock: Clock
    readonly signal: AbortSignal
  },
): Promise<void> {
  const { dialogue, clock, signal } = way
  const wait = { timeoutMs: WAIT_MS, signal }
  /** Where the chunks end that are on their way. */
  const unacknowledged: number[] = []
  const acknowledge = (message: ImageDown | null): void => {
    if (message?.kind !== 'ack') throw outOfTurn(message)
    while ((unacknowledged[0] ?? Number.POSITIVE_INFINITY) <= message.received) {
      unacknowledged.shift()
    }
  }
  let offset = way.from
  let dueAt: number = clock.now()
  for await (const data of image.image(way.from)) {
    signal.throwIfAborted()
    for (let ack = dialogue.take(); ack !== undefined; ack = dialogue.take()) acknowledge(ack)
    while (unacknowledged.length >= WINDOW_CHUNKS) acknowledge(await dialogue.next(wait))
    const early = dueAt - clock.now()
    if (early > 1) await clock.sleep(early, signal)
    dueAt = Math.max(dueAt, clock.now() - BURST_MS) + (data.length / bytesPerSecond) * 1000
    await dialogue.write(encodeImageUp({ kind: 'chunk', offset, data }), wait)
    offset += data.length
    unacknowledged.push(offset)
  }
  if (offset !== image.sizeBytes) {
    throw new FairleadError(
      'STORAGE_CORRUPT',
      `An image of ${image.sizeBytes} bytes ended after ${offset}`,
    )
  }
}

function outOfTurn(message: ImageDown | null): FairleadError {
  const what = message === null ? 'nothing' : `"${message.kind}"`
  return new FairleadError('BAD_REQUEST', `The receiver of an image answered ${what} out of turn`)
}
