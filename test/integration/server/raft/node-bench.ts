/**
 * Raft nodes for tests: a recording state machine, real or in-memory storage, real or manual clock.
 */

import type { FairleadError } from '../../../../core/errors.ts'
import { type Logger, silentLogger } from '../../../../core/log.ts'
import { type Metrics, unrecordedMetrics } from '../../../../core/metrics/metrics.ts'
import { seededRng } from '../../../../core/rng.ts'
import type { Clock } from '../../../../core/time.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import type { RaftStorageOpener } from '../../../../runtime/storage/raft-storage.ts'
import { MemoryNetwork } from '../../../../server/raft/memory-transport.ts'
import {
  RaftNode,
  type RaftNodeDeps,
  type RaftNodeOptions,
} from '../../../../server/raft/raft-node.ts'
import type { RaftTransport } from '../../../../server/raft/transport.ts'
import type { RaftStateMachine } from '../../../../server/raft/types.ts'

/** Remembers every command; its image is the list, one chunk each. */
export class Recorder implements RaftStateMachine {
  applied: { readonly index: number; readonly text: string }[] = []
  restores = 0
  failAt = Number.POSITIVE_INFINITY

  get texts(): string[] {
    return this.applied.map((entry) => entry.text)
  }

  apply(index: number, data: Uint8Array): unknown {
    if (index >= this.failAt) throw new Error('the state machine cannot go on')
    const text = Buffer.from(data).toString()
    this.applied.push({ index, text })
    return `done ${text}`
  }

  snapshot(): { readonly lastIndex: number; image(): Iterable<Uint8Array> } {
    const kept = this.applied.slice()
    return {
      lastIndex: kept.at(-1)?.index ?? 0,
      image: () => kept.map((entry) => Buffer.from(`${JSON.stringify(entry)}\n`)),
    }
  }

  async restore(image: AsyncIterable<Uint8Array>): Promise<void> {
    this.restores++
    const chunks: Uint8Array[] = []
    for await (const chunk of image) chunks.push(chunk)
    const lines = Buffer.concat(chunks).toString().split('\n').slice(0, -1)
    this.applied = lines.map((line) => JSON.parse(line))
  }
}

export interface TestNode {
  readonly node: RaftNode
  readonly machine: Recorder
  readonly fatal: FairleadError[]
}

export function makeNode(
  openStorage: RaftStorageOpener,
  options: Partial<RaftNodeOptions> &
    Pick<RaftNodeDeps, 'stats' | 'addresses' | 'space'> & {
      readonly clock?: Clock
      readonly network?: MemoryNetwork
      readonly transport?: RaftTransport
      readonly seed?: number
      readonly log?: Logger
      readonly metrics?: Metrics
    } = {},
): TestNode {
  const { clock, network, transport, seed, log, metrics, stats, addresses, space, ...node } =
    options
  const id = node.id ?? 'a'
  const machine = new Recorder()
  const fatal: FairleadError[] = []
  const members = [{ id, address: `${id}:1` }]
  return {
    machine,
    fatal,
    node: new RaftNode(
      { id, address: `${id}:1`, bootstrap: { clusterId: 'test', members }, ...node },
      {
        clock: clock ?? systemClock,
        rng: seededRng(seed ?? 1),
        log: log ?? silentLogger,
        metrics: metrics ?? unrecordedMetrics,
        openStorage,
        transport: transport ?? (network ?? new MemoryNetwork()).join(id),
        stateMachine: machine,
        ...(stats === undefined ? {} : { stats }),
        ...(addresses === undefined ? {} : { addresses }),
        ...(space === undefined ? {} : { space }),
        onFatal: (error) => fatal.push(error),
      },
    ),
  }
}

export const never = (): AbortSignal => new AbortController().signal
