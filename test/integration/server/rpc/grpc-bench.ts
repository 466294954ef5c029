/**
 * Servers a, b and c with nothing but their Raft transports over gRPC, and a wire from each to each.
 */

import { type Logger, silentLogger } from '../../../../core/log.ts'
import { type ServerId, serverId } from '../../../../core/raft/types.ts'
import { seededRng } from '../../../../core/rng.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { RpcHost } from '../../../../runtime/rpc/rpc-host.ts'
import { GrpcRaftTransport } from '../../../../server/rpc/grpc-raft-transport.ts'
import type { TransportBench } from '../../../contract/raft-transport-suite.ts'
import { rpcHandlers } from '../../../unit/runtime/rpc/rpc-handlers.ts'
import { TcpWire } from './tcp-wire.ts'

const IDS = ['a', 'b', 'c'] as const
type Id = (typeof IDS)[number]

export interface GrpcBench extends TransportBench {
  readonly transports: Readonly<Record<Id, GrpcRaftTransport>>
  readonly hosts: Readonly<Record<Id, RpcHost>>
  wire(from: Id, to: Id): TcpWire
}

export async function openGrpcBench(
  options: { readonly imageBytesPerSecond?: number; readonly log?: Logger } = {},
): Promise<GrpcBench> {
  await using stack = new AsyncDisposableStack()
  const servers = new Map<Id, { transport: GrpcRaftTransport; host: RpcHost }>()
  for (const [seed, id] of IDS.entries()) {
    const transport = new GrpcRaftTransport(
      { id: serverId(id), ...options },
      { clock: systemClock, rng: seededRng(seed), log: options.log ?? silentLogger },
    )
    const host = new RpcHost(
      { address: '127.0.0.1', port: 0 },
      {
        handlers: rpcHandlers(),
        raft: (lane, stream) => transport.accept(lane, stream),
        log: silentLogger,
      },
    )
    await host.start()
    stack.defer(() => host.stop())
    stack.defer(() => transport.close())
    servers.set(id, { transport, host })
  }
  const server = (id: Id) => servers.get(id) as { transport: GrpcRaftTransport; host: RpcHost }
  const wires = new Map<string, TcpWire>()
  for (const from of IDS) {
    for (const to of IDS) {
      wires.set(`${from}${to}`, stack.use(await TcpWire.open(() => server(to).host.port)))
    }
  }
  const wire = (from: Id, to: Id) => wires.get(`${from}${to}`) as TcpWire
  const touching = (id: string) =>
    [...wires].filter(([name]) => name.includes(id)).map(([, w]) => w)
  const [a, b, c] = IDS.map(server) as [
    ReturnType<typeof server>,
    ReturnType<typeof server>,
    ReturnType<typeof server>,
  ]
  const owned = stack.move()
  return {
    transports: { a: a.transport, b: b.transport, c: c.transport },
    hosts: { a: a.host, b: b.host, c: c.host },
    wire,
    peersOf: (from: string): { id: ServerId; address: string }[] =>
      IDS.map((id) => ({ id: serverId(id), address: wire(from as Id, id).address })),
    cut: (id: string) => {
      for (const each of touching(id)) each.cut()
    },
    mend: (id: string) => {
      for (const each of touching(id)) each.mend()
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
