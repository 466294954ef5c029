/**
 * Real Raft on memory storage, the real store and writer, under a clock that the test moves.
 */

import type { Command } from '../../../core/catalog/commands.ts'
import { StateStore } from '../../../core/catalog/state-store.ts'
import type { CheckDefinition, ServiceDefinition } from '../../../core/catalog/types.ts'
import { silentLogger } from '../../../core/log.ts'
import { unrecordedMetrics } from '../../../core/metrics/metrics.ts'
import { seededRng } from '../../../core/rng.ts'
import { wallTime } from '../../../core/time.ts'
import { ManualClock } from '../../../runtime/clock/manual-clock.ts'
import { memoryRaftStorage } from '../../../runtime/storage/raft-storage.ts'
import { CommandWriter } from '../../../server/api/command-writer.ts'
import { MemoryNetwork } from '../../../server/raft/memory-transport.ts'
import { RaftNode } from '../../../server/raft/raft-node.ts'
import { StateMachine } from '../../../server/state-machine.ts'

export class RaftAndStore implements AsyncDisposable {
  readonly clock = new ManualClock()
  readonly rng = seededRng(7)
  readonly store = new StateStore({ datacenter: 'dc1' })
  readonly stateMachine = new StateMachine(this.store, {
    clock: this.clock,
    metrics: unrecordedMetrics,
  })
  readonly raft: RaftNode
  readonly writer: CommandWriter
  readonly fatal: unknown[] = []

  constructor() {
    const self = { id: 's1', address: '127.0.0.1:8300' }
    this.raft = new RaftNode(
      { ...self, bootstrap: { clusterId: 'c1', members: [self] } },
      {
        clock: this.clock,
        rng: this.rng,
        log: silentLogger,
        metrics: unrecordedMetrics,
        openStorage: memoryRaftStorage(),
        transport: new MemoryNetwork().join('s1'),
        stateMachine: this.stateMachine,
        onFatal: (error) => this.fatal.push(error),
      },
    )
    this.writer = new CommandWriter({
      raft: this.raft,
      store: this.store,
      clock: this.clock,
      metrics: unrecordedMetrics,
    })
  }

  async start(): Promise<this> {
    await this.raft.start(new AbortController().signal)
    return this
  }

  /** @returns the index of the entry */
  async write(command: Command): Promise<number> {
    return (await this.writer.write(command)).index
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.raft.stop()
  }
}

/** Lets everything that waits for promises go as far as it can. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** Advances in steps, letting promises run before, between and after them. */
export async function pass(clock: ManualClock, ms: number, stepMs = ms): Promise<void> {
  await settle()
  for (let gone = 0; gone < ms; gone += stepMs) {
    clock.advance(Math.min(stepMs, ms - gone))
    await settle()
  }
}

export const NOW = wallTime(0)

export function set(key: string, value: string): Command {
  return {
    kind: 'kv',
    op: {
      verb: 'set',
      entry: { key, value: Buffer.from(value), flags: 0n, session: '' },
    },
    now: NOW,
  }
}

export function remove(key: string): Command {
  return { kind: 'kv', op: { verb: 'delete', key }, now: NOW }
}

export function register(
  node: string,
  some: { service?: ServiceDefinition; checks?: readonly CheckDefinition[] } = {},
): Command {
  return {
    kind: 'register',
    request: {
      id: '',
      node,
      address: '10.0.0.1',
      taggedAddresses: null,
      meta: null,
      skipNodeUpdate: false,
      ...(some.service === undefined ? {} : { service: some.service }),
      checks: some.checks ?? [],
    },
  }
}

export function service(name: string, port = 80): ServiceDefinition {
  return {
    kind: '',
    id: name,
    service: name,
    tags: [],
    address: '',
    port,
    socketPath: '',
    taggedAddresses: {},
    meta: null,
    weights: { passing: 1, warning: 1 },
    enableTagOverride: false,
    connectNative: false,
  }
}

export function session(id: string, ttlMs: number, node = 'n1'): Command {
  return {
    kind: 'session.create',
    session: {
      id,
      name: '',
      node,
      lockDelayMs: 0,
      behavior: 'delete',
      ttlMs,
      ttl: `${ttlMs / 1000}s`,
      nodeChecks: [],
      serviceChecks: null,
    },
  }
}
