/**
 * What a write costs the Raft host: three nodes in one process, by default without sockets and disks.
 *
 *   node bench/raft/proposals.ts [--bytes 512] [--seconds 4] [--single] [--grpc] [--disk]
 *
 * For 1, 32 and 128 writers in a loop, prints writes/s and the CPU of all three nodes together for each
 * write (leader and two followers; a real leader pays its own part and the wire, and no more).
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { silentLogger } from '../../core/log.ts'
import { unrecordedMetrics } from '../../core/metrics/metrics.ts'
import { serverId } from '../../core/raft/types.ts'
import { seededRng } from '../../core/rng.ts'
import { systemClock } from '../../runtime/clock/system-clock.ts'
import { type RpcHandlers, RpcHost } from '../../runtime/rpc/rpc-host.ts'
import { diskRaftStorage, memoryRaftStorage } from '../../runtime/storage/raft-storage.ts'
import { MemoryNetwork } from '../../server/raft/memory-transport.ts'
import { RaftNode } from '../../server/raft/raft-node.ts'
import type { RaftTransport } from '../../server/raft/transport.ts'
import type { RaftStateMachine } from '../../server/raft/types.ts'
import { GrpcRaftTransport } from '../../server/rpc/grpc-raft-transport.ts'

const WRITERS = [1, 32, 128]

const { values } = parseArgs({
  options: {
    bytes: { type: 'string', default: '512' },
    seconds: { type: 'string', default: '4' },
    single: { type: 'boolean', default: false },
    grpc: { type: 'boolean', default: false },
    disk: { type: 'boolean', default: false },
  },
})

const nothing: RaftStateMachine = {
  apply: () => true,
  snapshot: () => ({ lastIndex: 0, image: () => [] }),
  restore: async () => {},
}

const ids = values.single ? ['a'] : ['a', 'b', 'c']
await using stack = new AsyncDisposableStack()
const root = await mkdtemp(join(tmpdir(), 'fairlead-bench-'))
stack.defer(() => rm(root, { recursive: true, force: true }))
const network = new MemoryNetwork()
const hosts = new Map<string, RpcHost>()
const addresses = {
  of: (id: string) => `127.0.0.1:${hosts.get(id)?.port}`,
  onChange: () => () => {},
}
const transports = new Map<string, RaftTransport>()
for (const [i, id] of ids.entries()) transports.set(id, await openTransport(id, i))
const members = ids.map((id) => ({ id, address: `${id}:1` }))
const nodes = ids.map(
  (id, i) =>
    new RaftNode(
      { id, address: `${id}:1`, bootstrap: { clusterId: 'bench', members }, tickMs: 10 },
      {
        clock: systemClock,
        rng: seededRng(i),
        log: silentLogger,
        metrics: unrecordedMetrics,
        openStorage: values.disk ? diskRaftStorage(join(root, id)) : memoryRaftStorage(),
        transport: transports.get(id) ?? network.join(id),
        addresses,
        stateMachine: nothing,
        onFatal: (error) => {
          throw error
        },
      },
    ),
)
const leads = Promise.withResolvers<RaftNode>()
for (const node of nodes) node.onLeadership((isLeader) => isLeader && leads.resolve(node))
for (const node of nodes) await node.start(new AbortController().signal)
const leader = await leads.promise

for (const writers of WRITERS) {
  await run(writers, 0.5)
  const { writes, cpuUs, ms } = await run(writers, Number(values.seconds))
  const rate = Math.round((writes * 1000) / ms)
  console.log(
    `${String(writers).padStart(4)} writers  ${String(rate).padStart(7)} writes/s  ` +
      `${(cpuUs / writes).toFixed(1).padStart(6)} µs CPU each`,
  )
}
for (const node of nodes) await node.stop()

async function openTransport(id: string, seed: number): Promise<RaftTransport> {
  if (!values.grpc) return network.join(id)
  const none = async (): Promise<never> => {
    throw new Error('this server answers no calls')
  }
  const noCalls: RpcHandlers = {
    read: none,
    write: none,
    signLeaf: none,
    renewSession: none,
    placeNode: none,
    status: none,
    operate: none,
    saveImage: async function* () {},
    restoreImage: none,
  }
  const transport = new GrpcRaftTransport(
    { id: serverId(id) },
    { clock: systemClock, rng: seededRng(seed), log: silentLogger },
  )
  const host = new RpcHost(
    { address: '127.0.0.1', port: 0 },
    {
      handlers: noCalls,
      raft: (lane, stream) => transport.accept(lane, stream),
      log: silentLogger,
    },
  )
  await host.start()
  hosts.set(id, host)
  stack.defer(() => host.stop())
  stack.defer(() => transport.close())
  return transport
}

async function run(
  writers: number,
  seconds: number,
): Promise<{ writes: number; cpuUs: number; ms: number }> {
  const data = new Uint8Array(Number(values.bytes))
  const begun = systemClock.now()
  const cpu = process.cpuUsage()
  const until = begun + seconds * 1000
  let writes = 0
  const writer = async (): Promise<void> => {
    while (systemClock.now() < until) {
      await leader.propose(data)
      writes++
    }
  }
  await Promise.all(Array.from({ length: writers }, writer))
  const { user, system } = process.cpuUsage(cpu)
  return { writes, cpuUs: user + system, ms: systemClock.now() - begun }
}
