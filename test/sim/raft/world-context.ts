/**
 * What a simulated server and its parts see of the world around them.
 */

import type { RaftMessage } from '../../../core/raft/messages.ts'
import type { RaftInput } from '../../../core/raft/types.ts'
import type { Rng } from '../../../core/rng.ts'
import type { Counters } from './counters.ts'
import type { EventQueue } from './event-queue.ts'
import type { ImagePacket } from './model-network.ts'
import type { Oracle } from './oracle.ts'
import type { SimServer } from './sim-server.ts'
import type { MachineKind } from './state-machines.ts'
import type { Swarm } from './swarm.ts'
import type { Trace } from './trace.ts'

export interface WorldContext {
  readonly events: EventQueue
  readonly rng: Rng
  readonly swarm: Swarm
  readonly counters: Counters
  readonly trace: Trace
  readonly oracle: Oracle
  readonly machine: MachineKind
  /** Virtual microseconds of one election timeout. */
  readonly electionUs: number
  send(message: RaftMessage): void
  sendImage(packet: ImagePacket): void
  server(id: string): SimServer | undefined
  /** All clients that have nothing open ask at once. */
  rush(): void
  stepped(id: string, input: RaftInput): void
}
