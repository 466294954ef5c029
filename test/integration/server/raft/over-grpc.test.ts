/**
 * Three nodes over real sockets and real disks, by the system's clock: the parts that memory replaces elsewhere.
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { diskRaftStorage } from '../../../../runtime/storage/raft-storage.ts'
import { type GrpcBench, openGrpcBench } from '../rpc/grpc-bench.ts'
import { makeNode, never, type TestNode } from './node-bench.ts'

const IDS = ['a', 'b', 'c'] as const
type Id = (typeof IDS)[number]
const snapshots = { thresholdEntries: 50, intervalMs: 0, trailingEntries: 5 }
const PATIENCE_MS = 20_000

const numbered = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `entry ${from + i}`)

class WiredTrio implements AsyncDisposable {
  readonly bench: GrpcBench
  readonly nodes = new Map<Id, TestNode>()
  readonly #root: string

  constructor(bench: GrpcBench, root: string) {
    this.bench = bench
    this.#root = root
  }

  async start(id: Id): Promise<TestNode> {
    const members = IDS.map((each) => ({ id: each, address: `${each}:1` }))
    // Each server reaches the others through wires of its own, which a test may cut.
    const wires = new Map(this.bench.peersOf(id).map((peer) => [`${peer.id}`, peer.address]))
    const made = makeNode(diskRaftStorage(join(this.#root, id)), {
      id,
      tickMs: 10,
      seed: id.charCodeAt(0),
      transport: this.bench.transports[id],
      addresses: { of: (peer) => wires.get(peer), onChange: () => () => {} },
      bootstrap: { clusterId: 'wired', members },
      snapshots,
    })
    this.nodes.set(id, made)
    await made.node.start(never())
    return made
  }

  async stop(id: Id): Promise<void> {
    await this.nodes.get(id)?.node.stop()
    this.nodes.delete(id)
  }

  async until(condition: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS
    while (!condition()) {
      if (performance.now() > deadline) assert.fail(`never happened: ${what}`)
      await systemClock.sleep(5)
    }
  }

  async leader(except?: Id): Promise<Id> {
    const find = () =>
      [...this.nodes].find(([id, { node }]) => id !== except && node.status().role === 'leader')
    await this.until(() => find() !== undefined, 'a leader')
    return find()?.[0] ?? assert.fail('a leader')
  }

  /** Repeats what was certainly not written, as a client would. */
  async write(texts: readonly string[]): Promise<void> {
    for (const text of texts) {
      for (;;) {
        const made = this.nodes.get(await this.leader())
        const error = await made?.node.propose(Buffer.from(text)).then(
          () => null,
          (thrown: { readonly code?: string }) => thrown,
        )
        if (error === null) break
        if (error?.code !== 'BUSY' && error?.code !== 'NO_LEADER') throw error
      }
    }
  }

  async agree(texts: readonly string[]): Promise<void> {
    const holds = ({ machine }: TestNode): boolean =>
      JSON.stringify(machine.texts) === JSON.stringify(texts)
    await this.until(() => [...this.nodes.values()].every(holds), `${texts.length} entries`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { node } of this.nodes.values()) await node.stop()
    await this.bench[Symbol.asyncDispose]()
    await rm(this.#root, { recursive: true, force: true })
  }
}

async function openTrio(): Promise<WiredTrio> {
  const root = await mkdtemp(join(tmpdir(), 'fairlead-wired-'))
  const trio = new WiredTrio(await openGrpcBench(), root)
  for (const id of IDS) await trio.start(id)
  return trio
}

describe('three servers over gRPC', () => {
  it('replicate, survive the loss of their leader, and bring a server back by an image', async () => {
    await using trio = await openTrio()
    await trio.write(numbered(0, 20))
    await trio.agree(numbered(0, 20))
    const first = await trio.leader()
    await trio.stop(first)
    await trio.leader(first)
    const { node } = trio.nodes.get(await trio.leader()) ?? assert.fail()
    await trio.until(
      () => node.status().progress.get(first)?.isActive === false,
      'the new leader to miss the old one',
    )
    await trio.write(numbered(20, 150))
    const back = await trio.start(first)
    await trio.write(numbered(150, 160))
    await trio.agree(numbered(0, 160))
    assert.ok(back.machine.restores >= 1)
  })

  it('lose nothing when the wires of a follower are cut and mended', async () => {
    await using trio = await openTrio()
    await trio.write(numbered(0, 10))
    const leader = await trio.leader()
    const follower = IDS.find((id) => id !== leader) ?? assert.fail()
    trio.bench.cut(follower)
    await trio.write(numbered(10, 30))
    trio.bench.mend(follower)
    await trio.agree(numbered(0, 30))
  })
})
