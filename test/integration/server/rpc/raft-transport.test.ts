/**
 * Raft between servers over real sockets when the network misbehaves.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Logger, silentLogger } from '../../../../core/log.ts'
import type { ServerId } from '../../../../core/raft/types.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { decodeImageDown, encodeImageUp } from '../../../../runtime/rpc/image-codec.ts'
import { MessageStream } from '../../../../runtime/rpc/message-stream.ts'
import { dialRaft } from '../../../../runtime/rpc/raft-service.ts'
import type { OpenedSnapshot } from '../../../../runtime/storage/snapshot-store.ts'
import type { RaftTransport } from '../../../../server/raft/transport.ts'
import {
  A,
  B,
  CLUSTER,
  heartbeat,
  heartbeatAck,
  imageOf,
  joinAll,
  listen,
  offerOf,
  TestSink,
  until,
  untilHeard,
} from '../../../contract/raft-transport-suite.ts'
import { makeAppend } from '../../../unit/runtime/rpc/raft-messages.ts'
import { openGrpcBench } from './grpc-bench.ts'

const MIB = 1024 * 1024
const never = new AbortController().signal

/** A server that keeps the first chunk of an image waiting. @returns lets it go on */
function holdFirstChunk(receiver: RaftTransport): () => void {
  const sink = new TestSink()
  const release = Promise.withResolvers<void>()
  sink.onWrite = (received) => (received === 0 ? release.promise : undefined)
  receiver.onSnapshot({ offered: async () => sink })
  return () => release.resolve()
}

/** Says how many pieces of an image were asked for. */
function counted(image: OpenedSnapshot): OpenedSnapshot & { readonly produced: number } {
  let produced = 0
  return {
    ...image,
    get produced() {
      return produced
    },
    async *image(offset = 0) {
      for await (const piece of image.image(offset)) {
        produced += 1
        yield piece
      }
    },
  }
}

describe('the Raft transport over gRPC', { concurrency: true }, () => {
  it('gives up a connection whose other end is gone without a word, and makes another', async () => {
    await using bench = await openGrpcBench()
    joinAll(bench)
    const { a, b } = bench.transports
    const heard = listen(b)
    const lost: ServerId[] = []
    await untilHeard(a, B, heard)
    a.onUnreachable((peer) => lost.push(peer))
    bench.wire('a', 'b').silence()
    await until(() => lost.includes(B), 'the loss of a silent peer')
    bench.wire('a', 'b').cut()
    bench.wire('a', 'b').mend()
    await untilHeard(a, B, heard)
  })

  it('drops what a peer does not read, and lets heartbeats pass meanwhile', async () => {
    await using bench = await openGrpcBench()
    joinAll(bench)
    const { a, b } = bench.transports
    const heard = listen(b)
    await untilHeard(a, B, heard)
    const append = makeAppend({ entries: 128, dataBytes: 8 * 1024, from: 'a', to: 'b' })
    const before = process.memoryUsage().rss
    // Far more than the bounds, in one turn: what does not fit is dropped at once.
    for (let i = 0; i < 2_000; i++) a.send({ ...append, seq: i })
    a.send(heartbeat(A, B, 77))
    await until(() => heard.messages.some((m) => m.kind === 'heartbeat'), 'the heartbeat')
    const appendsBefore = heard.messages.filter((m) => m.kind === 'append').length
    assert.ok(appendsBefore < 16, `${appendsBefore} appends of 1 MiB were ahead of a heartbeat`)
    a.send({ ...append, seq: 5_000 })
    await until(() => {
      a.send({ ...append, entries: [], seq: 6_000 })
      return heard.messages.some((m) => m.kind === 'append' && m.seq === 6_000)
    }, 'what was sent last')
    const seqs = heard.messages.flatMap((m) =>
      m.kind === 'append' && m.seq < 5_000 ? [m.seq] : [],
    )
    assert.ok(seqs.length < 40, `${seqs.length} of 2,000 were kept`)
    assert.deepEqual(
      seqs,
      [...seqs].sort((x, y) => x - y),
    )
    assert.ok(process.memoryUsage().rss - before < 512 * MIB)
  })

  it('resumes an image whose connection broke, again and again, to the last byte', async () => {
    await using bench = await openGrpcBench({ imageBytesPerSecond: 4096 * MIB })
    joinAll(bench)
    const { a, b } = bench.transports
    const image = imageOf(24 * MIB + 17, MIB)
    const kept: Uint8Array[] = []
    let breaks = 0
    let sink = new TestSink()
    const sinks: TestSink[] = []
    b.onSnapshot({
      offered: async () => {
        sink = new TestSink(kept.reduce((sum, chunk) => sum + chunk.length, 0))
        sinks.push(sink)
        sink.onWrite = (received) => {
          if (breaks >= 3 || received < (breaks + 1) * 6 * MIB) return
          breaks += 1
          bench.wire('a', 'b').cut()
        }
        return sink
      },
    })
    let outcome = ''
    while (outcome === '') {
      const current = () => sinks.at(-1)
      const former = current()
      outcome = await a.sendSnapshot(offerOf(A, B), image, never).catch(() => '')
      if (outcome === '') {
        const attempt = current()
        if (attempt !== undefined && attempt !== former) {
          await until(() => attempt.outcome === 'abandoned', 'the sink to be abandoned')
          kept.push(...attempt.chunks)
        }
        bench.wire('a', 'b').mend()
      }
    }
    assert.equal(outcome, 'received')
    assert.equal(breaks, 3)
    assert.ok((sinks.at(-1)?.resumeFrom ?? 0) >= 12 * MIB, 'the last attempt began anew')
    const whole: Uint8Array[] = []
    for await (const piece of image.image()) whole.push(piece)
    assert.ok(Buffer.concat([...kept, ...sink.chunks]).equals(Buffer.concat(whole)))
  })

  it('keeps an image to its rate and its window, and heartbeats going', async () => {
    await using bench = await openGrpcBench({ imageBytesPerSecond: 8 * MIB })
    joinAll(bench)
    const { a, b } = bench.transports
    const heard = listen(b)
    await untilHeard(a, B, heard)
    const release = holdFirstChunk(b)
    const begun = performance.now()
    const image = counted(imageOf(12 * 512 * 1024, 512 * 1024))
    const sent = a.sendSnapshot(offerOf(A, B), image, never)
    await until(() => image.produced >= 5, 'chunks on their way')
    // The receiver writes nothing yet; what is not an image goes on.
    a.send(heartbeat(A, B, 5))
    await until(() => heard.messages.length > 0, 'a heartbeat beside the image')
    assert.ok(image.produced <= 9, `${image.produced} chunks for a window of 8`)
    release()
    assert.equal(await sent, 'received')
    assert.ok(performance.now() - begun > 600, '6 MiB at 8 MiB/s take 0.75 s')
  })

  it('has no more than eight chunks unacknowledged', async () => {
    await using bench = await openGrpcBench({ imageBytesPerSecond: 4096 * MIB })
    joinAll(bench)
    const { a, b } = bench.transports
    const heard = listen(b)
    await untilHeard(a, B, heard)
    const release = holdFirstChunk(b)
    const image = counted(imageOf(100_000, 1_000))
    const sent = a.sendSnapshot(offerOf(A, B), image, never)
    await until(() => image.produced >= 9, 'a full window')
    // Many turns of both sides, in which a sender without a window would go on.
    for (let i = 0; i < 20; i++) {
      a.send(heartbeat(A, B, i))
      await until(() => heard.messages.length > i, 'a heartbeat beside the image')
    }
    assert.equal(image.produced, 9, 'eight on their way, one in hand')
    release()
    assert.equal(await sent, 'received')
  })

  it('refuses chunks with a gap, and what is longer or shorter than was offered', async () => {
    await using bench = await openGrpcBench()
    joinAll(bench)
    const { b } = bench.transports
    const message = offerOf(A, B)
    const { digest } = imageOf(10, 10)
    for (const chunks of [
      [
        { offset: 0, size: 4 },
        { offset: 5, size: 6 },
      ],
      [{ offset: 0, size: 11 }],
      [{ offset: 0, size: 9 }],
    ]) {
      const sink = new TestSink()
      b.onSnapshot({ offered: async () => sink })
      const address = `127.0.0.1:${bench.hosts.b.port}`
      const dialled = await dialRaft(address, 'image', { clock: systemClock, signal: never })
      using _ = { [Symbol.dispose]: () => dialled.close() }
      const dialogue = new MessageStream(dialled.stream, decodeImageDown, systemClock)
      const wait = { timeoutMs: 5_000, signal: never }
      const offer = { kind: 'offer', cluster: CLUSTER, message, sizeBytes: 10, digest } as const
      await dialogue.write(encodeImageUp(offer), wait)
      assert.deepEqual(await dialogue.next(wait), { kind: 'accept', resumeFrom: 0 })
      for (const { offset, size } of chunks) {
        const chunk = encodeImageUp({ kind: 'chunk', offset, data: new Uint8Array(size) })
        await dialogue.write(chunk, wait)
      }
      dialled.stream.finish()
      await assert.rejects(
        async () => {
          while ((await dialogue.next(wait))?.kind === 'ack');
        },
        { code: 'BAD_REQUEST' },
      )
      assert.equal(sink.outcome, 'abandoned')
    }
  })

  it('sends one image at a time, and ends an attempt when another is offered', async () => {
    await using bench = await openGrpcBench()
    joinAll(bench)
    const { a, b, c } = bench.transports
    const stuck = new TestSink()
    const good = new TestSink()
    const entered = Promise.withResolvers<void>()
    stuck.onWrite = () => entered.resolve()
    const sinks = [stuck, good]
    b.onSnapshot({ offered: async () => sinks.shift() ?? null })
    const giveUp = new AbortController()
    const endless = {
      ...imageOf(1000, 100),
      async *image() {
        yield new Uint8Array(100)
        await new Promise((resolve) => giveUp.signal.addEventListener('abort', resolve))
      },
    }
    const first = a.sendSnapshot(offerOf(A, B), endless, giveUp.signal)
    await entered.promise
    await assert.rejects(a.sendSnapshot(offerOf(A, B), imageOf(10, 10), never), { code: 'BUSY' })
    const offer = { ...offerOf(A, B), from: 'c' as ServerId }
    assert.equal(await c.sendSnapshot(offer, imageOf(1000, 100), never), 'received')
    assert.equal(stuck.outcome, 'abandoned')
    giveUp.abort(new Error('enough'))
    await assert.rejects(first)
  })

  it('reaches a peer at its new address', async () => {
    await using bench = await openGrpcBench()
    joinAll(bench)
    const { a, b } = bench.transports
    const heard = listen(b)
    await untilHeard(a, B, heard)
    bench.wire('a', 'b').cut()
    a.setPeers([{ id: B, address: `127.0.0.1:${bench.hosts.b.port}` }])
    await untilHeard(a, B, heard)
  })

  it('drops messages for another server, and answers the new stream of a peer that restarted', async () => {
    await using bench = await openGrpcBench()
    joinAll(bench)
    const { a, b } = bench.transports
    const atA = listen(a)
    const atB = listen(b)
    // Where c is expected, b is.
    const wrong = bench
      .peersOf('a')
      .map((peer) => (peer.id === 'c' ? { ...peer, address: bench.wire('a', 'b').address } : peer))
    a.setPeers(wrong)
    await untilHeard(a, B, atB)
    a.send(heartbeat(A, 'c' as ServerId, 1))
    a.send(heartbeat(A, B, 2))
    await until(() => atB.messages.length === 1, 'the message for b')
    assert.deepEqual(atB.messages, [heartbeat(A, B, 2)])
    b.setPeers([])
    bench.wire('a', 'b').cut()
    bench.wire('a', 'b').mend()
    await untilHeard(a, B, atB)
    b.send(heartbeatAck(B, A, 3))
    await until(() => atA.messages.length === 1, 'the answer on the new stream')
  })

  it('logs a foreign cluster on both sides, once in a while', async () => {
    const lines: string[] = []
    const log: Logger = {
      ...silentLogger,
      warn: (message, facts) => {
        const { err } = facts as {
          readonly err: { readonly code: string; readonly message: string }
        }
        lines.push(`${message}: ${err.code} ${err.message}`)
      },
    }
    await using bench = await openGrpcBench({ log })
    joinAll(bench)
    const { a, b } = bench.transports
    b.setCluster({ clusterId: 'other', epoch: 4 })
    let beats = 0
    await until(() => {
      a.send(heartbeat(A, B, beats++))
      a.send(makeAppend({ entries: 1, from: 'a', to: 'b' }))
      return lines.length >= 2 && beats > 50
    }, 'both lines')
    const why =
      'REJECTED Server "b" belongs to cluster "other" (epoch 4), the messages to "c1" (epoch 0)'
    assert.deepEqual(lines.toSorted(), [
      `a server refuses our raft messages: ${why.replace('REJECTED ', 'REJECTED rpc error making call: ')}`,
      `raft messages were refused: ${why}`,
    ])
  })

  it('stops with nothing left, whatever runs', async () => {
    const bench = await openGrpcBench()
    let stopped: PromiseLike<void> | undefined
    joinAll(bench)
    const { a, b } = bench.transports
    await untilHeard(a, B, listen(b))
    const sink = new TestSink()
    b.onSnapshot({ offered: async () => sink })
    sink.onWrite = () => {
      stopped ??= bench[Symbol.asyncDispose]()
    }
    await assert.rejects(a.sendSnapshot(offerOf(A, B), imageOf(1000, 10), never))
    await stopped
    assert.equal(sink.outcome, 'abandoned')
    a.setCluster(CLUSTER)
    a.send(heartbeat(A, B, 1))
    assert.equal(bench.wire('a', 'b').connections, 0)
  })
})
