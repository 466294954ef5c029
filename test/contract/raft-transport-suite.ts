/**
 * What every transport between servers must do, whatever it is made of.
 */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { votersOnly } from '../../core/raft/configuration.ts'
import type { RaftMessage, SnapshotOfferMessage } from '../../core/raft/messages.ts'
import { chain, logIndex, type ServerId, serverId, term } from '../../core/raft/types.ts'
import type { ClusterName } from '../../core/rpc/peer-calls.ts'
import type { OpenedSnapshot } from '../../runtime/storage/snapshot-store.ts'
import type { RaftTransport, SnapshotSink } from '../../server/raft/transport.ts'
import { makeAppend } from '../unit/runtime/rpc/raft-messages.ts'

/** Servers a, b and c, joined by wires. */
export interface TransportBench extends AsyncDisposable {
  readonly transports: Readonly<Record<'a' | 'b' | 'c', RaftTransport>>
  /** As `setPeers` of that server wants them. */
  peersOf(id: string): readonly { readonly id: ServerId; readonly address: string }[]
  cut(id: string): void
  mend(id: string): void
}

export const CLUSTER: ClusterName = { clusterId: 'c1', epoch: 0 }
export const A = serverId('a')
export const B = serverId('b')
export const C = serverId('c')

/** Of messages that only find out whether there is a connection. */
const WARM_UP = term(999)

interface Heard {
  readonly messages: RaftMessage[]
  readonly clusters: ClusterName[]
  /** Kinds of warm-up messages heard since the last warm-up began. */
  readonly warm: Set<string>
}

export function listen(transport: RaftTransport): Heard {
  const heard: Heard = { messages: [], clusters: [], warm: new Set() }
  transport.onMessage((message, cluster) => {
    if (message.term === WARM_UP) {
      heard.warm.add(message.kind)
      return
    }
    heard.messages.push(message)
    heard.clusters.push(cluster)
  })
  return heard
}

/** All three know each other and belong to one cluster. */
export function joinAll(bench: TransportBench): void {
  for (const [id, transport] of Object.entries(bench.transports)) {
    transport.setCluster(CLUSTER)
    transport.setPeers(bench.peersOf(id))
  }
}

export function heartbeat(from: ServerId, to: ServerId, leaseSeq: number): RaftMessage {
  return { kind: 'heartbeat', from, to, term: term(3), commit: logIndex(1), readSeq: 0, leaseSeq }
}

export function heartbeatAck(from: ServerId, to: ServerId, leaseSeq: number): RaftMessage {
  const kind = 'heartbeat-ack'
  return { kind, from, to, term: term(3), readSeq: 0, leaseSeq, isRecovering: false }
}

export function offerOf(from: ServerId, to: ServerId): SnapshotOfferMessage {
  return {
    kind: 'snapshot-offer',
    from,
    to,
    term: term(3),
    snapshot: {
      index: logIndex(70),
      term: term(2),
      chain: chain(12345),
      configuration: votersOnly([{ id: A, address: 'a:1' }]),
      configurationIndex: logIndex(1),
    },
  }
}

/** An image whose bytes tell where they stand; read in pieces of `pieceBytes`. */
export function imageOf(sizeBytes: number, pieceBytes: number): OpenedSnapshot {
  const bytes = new Uint8Array(sizeBytes)
  for (let i = 0; i < sizeBytes; i++) bytes[i] = (i >>> 8) ^ i
  const digest = createHash('sha256').update(bytes).digest('hex')
  return {
    meta: offerOf(A, B).snapshot,
    sizeBytes,
    digest,
    async *image(offset = 0) {
      for (let at = offset; at < sizeBytes; at += pieceBytes) {
        yield bytes.slice(at, Math.min(sizeBytes, at + pieceBytes))
      }
    },
  }
}

export class TestSink implements SnapshotSink {
  readonly chunks: Uint8Array[] = []
  readonly resumeFrom: number
  outcome: 'open' | 'finished' | 'abandoned' = 'open'
  /** Called before each write. */
  onWrite: ((received: number) => Promise<void> | void) | undefined

  constructor(resumeFrom = 0) {
    this.resumeFrom = resumeFrom
  }

  get received(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, this.resumeFrom)
  }

  async write(chunk: Uint8Array): Promise<void> {
    await this.onWrite?.(this.received)
    this.chunks.push(new Uint8Array(chunk))
  }

  async finish(): Promise<void> {
    this.outcome = 'finished'
  }

  async abandon(): Promise<void> {
    this.outcome = 'abandoned'
  }
}

export function raftTransportContract(name: string, open: () => Promise<TransportBench>): void {
  describe(`the Raft transport: ${name}`, { concurrency: true }, () => {
    it('delivers messages of every size in order, with the cluster they belong to', async () => {
      await using bench = await open()
      joinAll(bench)
      const { a, b } = bench.transports
      const heard = listen(b)
      const small = Array.from({ length: 100 }, (_, i) => heartbeat(A, B, i))
      const appends = [1, 32, 2000].map((entries, i) =>
        makeAppend({ entries, from: 'a', to: 'b', seq: i }),
      )
      await untilHeard(a, B, heard)
      for (const message of [...small, ...appends]) a.send(message)
      await until(() => heard.messages.length === 103, 'all messages')
      const beats = heard.messages.filter(({ kind }) => kind === 'heartbeat')
      assert.deepEqual(beats, small)
      const got = heard.messages.filter(({ kind }) => kind === 'append')
      assert.deepEqual(plain(got), plain(appends))
      assert.ok(
        heard.clusters.every((cluster) => cluster.clusterId === 'c1' && cluster.epoch === 0),
      )
    })

    it('answers a server that it does not know, and never asks one', async () => {
      await using bench = await open()
      const { a, b } = bench.transports
      a.setCluster(CLUSTER)
      a.setPeers(bench.peersOf('a'))
      b.setCluster(CLUSTER)
      const atA = listen(a)
      const atB = listen(b)
      await untilHeard(a, B, atB)
      b.send(heartbeat(B, A, 1))
      b.send(heartbeatAck(B, A, 7))
      await until(() => atA.messages.length > 0, 'the answer')
      assert.deepEqual(atA.messages, [heartbeatAck(B, A, 7)])
    })

    it('keeps clusters and epochs apart, but a server of none hears everybody and says nothing', async () => {
      await using bench = await open()
      const { a, b, c } = bench.transports
      joinAll(bench)
      b.setCluster({ clusterId: 'c1', epoch: 1 })
      c.setCluster(null)
      const atA = listen(a)
      const atB = listen(b)
      const atC = listen(c)
      await untilHeard(a, C, atC)
      a.send(heartbeat(A, C, 1))
      await until(() => atC.messages.length === 1, 'a message to a server of no cluster')
      assert.deepEqual(atC.clusters, [CLUSTER])
      for (let i = 0; i < 5; i++) {
        a.send(heartbeat(A, B, i))
        b.send(heartbeat(B, A, i))
        c.send(heartbeat(C, A, i))
        c.send(heartbeatAck(C, A, i))
      }
      // Once it belongs to the cluster it is heard; what it said before is not.
      c.setCluster(CLUSTER)
      await until(() => {
        c.send(heartbeat(C, A, 99))
        return atA.messages.length > 0
      }, 'a message of the new member')
      assert.ok(
        atA.messages.every((message) => message.kind === 'heartbeat' && message.leaseSeq === 99),
      )
      assert.equal(atB.messages.length, 0)
    })

    it('tells of a lost peer once and reaches it again afterwards', async () => {
      await using bench = await open()
      joinAll(bench)
      const { a, b } = bench.transports
      const heard = listen(b)
      const lost: ServerId[] = []
      a.onUnreachable((peer) => lost.push(peer))
      await untilHeard(a, B, heard)
      bench.cut('b')
      await until(() => lost.includes(B), 'the loss')
      a.send(heartbeat(A, B, 1))
      bench.mend('b')
      await untilHeard(a, B, heard)
      assert.deepEqual(
        lost.filter((peer) => peer === B),
        [B],
      )
    })

    it('does not reach whom it is told to forget', async () => {
      await using bench = await open()
      joinAll(bench)
      const { a, b, c } = bench.transports
      const atB = listen(b)
      const atC = listen(c)
      await untilHeard(a, B, atB)
      await untilHeard(a, C, atC)
      a.setPeers(bench.peersOf('a').filter(({ id }) => id !== B))
      a.send(heartbeat(A, B, 5))
      a.send(heartbeat(A, C, 6))
      await until(() => atC.messages.length === 1, 'the message to the other')
      assert.deepEqual(atB.messages, [])
    })

    it('carries an image whole, from where the receiver wants it', async () => {
      await using bench = await open()
      joinAll(bench)
      const { a, b } = bench.transports
      const image = imageOf(300_000, 64 * 1024)
      const sink = new TestSink(100_001)
      const offers: unknown[] = []
      b.onSnapshot({
        offered: async (offer, facts) => {
          offers.push([offer, facts])
          return sink
        },
      })
      const outcome = await a.sendSnapshot(offerOf(A, B), image, new AbortController().signal)
      assert.equal(outcome, 'received')
      assert.equal(sink.outcome, 'finished')
      const { sizeBytes, digest } = image
      assert.deepEqual(offers, [[offerOf(A, B), { sizeBytes, digest }]])
      const expected: Uint8Array[] = []
      for await (const piece of image.image(100_001)) expected.push(piece)
      assert.ok(Buffer.concat(sink.chunks).equals(Buffer.concat(expected)))
    })

    it('says when an image is not wanted', async () => {
      await using bench = await open()
      joinAll(bench)
      const { a, b } = bench.transports
      const signal = new AbortController().signal
      assert.equal(await a.sendSnapshot(offerOf(A, B), imageOf(10, 10), signal), 'declined')
      b.onSnapshot({ offered: async () => null })
      assert.equal(await a.sendSnapshot(offerOf(A, B), imageOf(10, 10), signal), 'declined')
    })

    it('abandons an image when the wire breaks, and when the sender gives up', async () => {
      await using bench = await open()
      joinAll(bench)
      const { a, b } = bench.transports
      for (const how of ['cut', 'abort'] as const) {
        const sink = new TestSink()
        const giveUp = new AbortController()
        sink.onWrite = (received) => {
          if (received < 40_000) return
          if (how === 'cut') bench.cut('b')
          else giveUp.abort(new Error('given up'))
        }
        b.onSnapshot({ offered: async () => sink })
        await assert.rejects(a.sendSnapshot(offerOf(A, B), imageOf(300_000, 10_000), giveUp.signal))
        await until(() => sink.outcome === 'abandoned', 'the sink to be abandoned')
        bench.mend('b')
      }
    })

    it('refuses to send an image to a foreign cluster', async () => {
      await using bench = await open()
      joinAll(bench)
      const { a, b } = bench.transports
      b.setCluster({ clusterId: 'other', epoch: 0 })
      b.onSnapshot({ offered: async () => assert.fail('the offer came through') })
      await assert.rejects(
        a.sendSnapshot(offerOf(A, B), imageOf(10, 10), new AbortController().signal),
        { code: 'REJECTED' },
      )
    })
  })
}

/** Sends until both lanes are there; none of it is counted as heard. */
export async function untilHeard(from: RaftTransport, to: ServerId, heard: Heard): Promise<void> {
  heard.warm.clear()
  await until(() => {
    from.send({ ...heartbeat(A, to, 0), term: WARM_UP })
    from.send({ ...makeAppend({ entries: 0, from: 'a', to }), term: WARM_UP })
    return heard.warm.size === 2
  }, 'both lanes')
}

/** Looks again at every turn of the loop until the condition holds; fails after ten seconds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!condition()) {
    assert.ok(performance.now() < deadline, `never happened: ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

function plain(messages: readonly RaftMessage[]): unknown {
  return messages.map((message) =>
    message.kind === 'append'
      ? {
          ...message,
          entries: message.entries.map((e) => ({
            ...e,
            data: Buffer.from(e.data).toString('hex'),
          })),
        }
      : message,
  )
}
