/**
 * Several RaftNodes of one process on an in-memory network, with real storage in temporary folders.
 *
 * Virtual time passes only while no storage operation is under way, so that a slow disk makes a test slower
 * and nothing else. `until` waits for conditions and fails with their names.
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ConfigurationChange, MemberChange } from '../../../../core/raft/configuration.ts'
import { serverId } from '../../../../core/raft/types.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import {
  diskRaftStorage,
  type RaftStorage,
  type RaftStorageOpener,
} from '../../../../runtime/storage/raft-storage.ts'
import { MemoryNetwork } from '../../../../server/raft/memory-transport.ts'
import type { RaftNodeOptions } from '../../../../server/raft/raft-node.ts'
import { makeNode, never, type TestNode } from './node-bench.ts'

const TICK_MS = 10
const PATIENCE_MS = 20_000

export const bytes = (text: string): Uint8Array => Buffer.from(text)
export const addressOf = (id: string): string => `${id}:1`

export type StartOptions = NonNullable<Parameters<typeof makeNode>[1]> & {
  readonly openStorage?: RaftStorageOpener
}

export class TestCluster implements AsyncDisposable {
  readonly clock = new ManualClock()
  readonly network = new MemoryNetwork()
  readonly nodes = new Map<string, TestNode>()
  readonly #root: string
  #storageOperations = 0
  #seed = 0

  private constructor(root: string) {
    this.#root = root
  }

  static async create(): Promise<TestCluster> {
    return new TestCluster(await mkdtemp(join(tmpdir(), 'fairlead-cluster-')))
  }

  /** Three founding members, and a leader. */
  static async ofThree(options: StartOptions = {}): Promise<TestCluster> {
    const cluster = await TestCluster.create()
    for (const id of ['a', 'b', 'c']) {
      await cluster.start(id, { ...cluster.founding(['a', 'b', 'c']), ...options })
    }
    await cluster.leader()
    return cluster
  }

  founding(ids: readonly string[]): Pick<RaftNodeOptions, 'bootstrap'> {
    const members = ids.map((id) => ({ id, address: addressOf(id) }))
    return { bootstrap: { clusterId: 'test', members } }
  }

  dataDir(id: string): string {
    return join(this.#root, id)
  }

  make(id: string, options: StartOptions = {}): TestNode {
    const { openStorage, ...rest } = options
    const made = makeNode(this.#counted(openStorage ?? diskRaftStorage(this.dataDir(id))), {
      id,
      bootstrap: undefined as never,
      clock: this.clock,
      network: this.network,
      tickMs: TICK_MS,
      seed: ++this.#seed,
      ...rest,
    })
    this.nodes.set(id, made)
    return made
  }

  async start(id: string, options: StartOptions = {}): Promise<TestNode> {
    const made = this.make(id, options)
    await this.settle(made.node.start(never()), `the start of ${id}`)
    return made
  }

  async stop(id: string): Promise<void> {
    const made = this.node(id)
    this.nodes.delete(id)
    await made.node.stop()
  }

  node(id: string): TestNode {
    const made = this.nodes.get(id)
    assert.ok(made !== undefined, `server ${id} runs`)
    return made
  }

  /** Virtual time passes until the condition holds. */
  async until(condition: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS
    while (!condition()) {
      if (performance.now() > deadline) assert.fail(`never happened: ${what}\n${this.#state()}`)
      await this.#quiet()
      this.clock.advance(TICK_MS)
      await this.#quiet()
    }
  }

  /** Virtual time passes until the promise is settled. */
  async settle<T>(promise: Promise<T>, what = 'an answer'): Promise<T> {
    let isDone = false
    const watched = promise.finally(() => {
      isDone = true
    })
    watched.catch(() => undefined)
    await this.until(() => isDone, what)
    return await watched
  }

  /** A server that leads and whose word counts. */
  async leader(except = ''): Promise<{ id: string; made: TestNode }> {
    const find = () => [...this.nodes].find(([id, made]) => id !== except && isLeading(made))
    await this.until(() => find() !== undefined, 'a leader')
    const [id, made] = find() ?? assert.fail('a leader')
    return { id, made }
  }

  async followers(): Promise<string[]> {
    const { id: leader } = await this.leader()
    return [...this.nodes.keys()].filter((id) => id !== leader).sort()
  }

  async write(...texts: readonly string[]): Promise<void> {
    const { made } = await this.leader()
    await this.settle(Promise.all(texts.map((text) => made.node.propose(bytes(text)))))
  }

  async change(change: MemberChange, force = false): Promise<void> {
    await this.changeMembers({ kind: 'simple', change, force })
  }

  async changeMembers(change: ConfigurationChange): Promise<void> {
    const { made } = await this.leader()
    await this.settle(made.node.changeMembers(change), 'a change of members')
  }

  async addLearner(id: string): Promise<void> {
    await this.change({ kind: 'learner', id: serverId(id), address: addressOf(id) })
  }

  /** Every running server has applied the same, and all of `texts` at least. */
  async agree(...texts: readonly string[]): Promise<void> {
    const states = () => [...this.nodes.values()].map((made) => JSON.stringify(made.machine.texts))
    await this.until(
      () => {
        const [first = '[]', ...others] = states()
        const held: string[] = JSON.parse(first)
        return (
          others.every((other) => other === first) && texts.every((text) => held.includes(text))
        )
      },
      `all servers to hold the same, with ${texts.slice(-3)}`,
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const made of this.nodes.values()) await made.node.stop()
    await rm(this.#root, { recursive: true, force: true })
  }

  #state(): string {
    const lines = [...this.nodes].map(([id, { node, machine, fatal }]) => {
      const { role, term, leaderId, commitIndex, appliedIndex, lastLogIndex, cluster } =
        node.status()
      const texts = machine.texts.slice(-3)
      return JSON.stringify({
        id,
        role,
        term,
        leaderId,
        commitIndex,
        appliedIndex,
        lastLogIndex,
        cluster,
        texts,
        fatal,
        progress: Object.fromEntries(node.status().progress),
      })
    })
    return lines.join('\n')
  }

  async #quiet(): Promise<void> {
    do {
      for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve))
    } while (this.#storageOperations > 0)
  }

  #counted(open: RaftStorageOpener): RaftStorageOpener {
    return async (...context) => {
      const { log, snapshots, ...rest }: RaftStorage = await open(...context)
      return { ...rest, log: this.#counting(log), snapshots: this.#counting(snapshots) }
    }
  }

  /** The same object, whose asynchronous methods hold the time while they run. */
  #counting<T extends object>(target: T): T {
    return new Proxy(target, {
      get: (_, name) => {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        return (...args: unknown[]): unknown => {
          const result: unknown = value.apply(target, args)
          if (!(result instanceof Promise)) return result
          this.#storageOperations++
          return result.finally(() => this.#storageOperations--)
        }
      },
    })
  }
}

function isLeading({ node }: TestNode): boolean {
  const status = node.status()
  return status.role === 'leader' && status.appliedIndex > 0
}
