/**
 * Both transports between servers under the one contract of raft-transport-suite.ts.
 */

import { serverId } from '../../core/raft/types.ts'
import { MemoryNetwork } from '../../server/raft/memory-transport.ts'
import { openGrpcBench } from '../integration/server/rpc/grpc-bench.ts'
import { raftTransportContract } from './raft-transport-suite.ts'

const IDS = ['a', 'b', 'c'] as const

raftTransportContract('in memory', async () => {
  const network = new MemoryNetwork()
  const [a, b, c] = [network.join('a'), network.join('b'), network.join('c')]
  return {
    transports: { a, b, c },
    peersOf: () => IDS.map((id) => ({ id: serverId(id), address: `${id}:1` })),
    cut: (id) => network.disconnect(id),
    mend: (id) => network.reconnect(id),
    [Symbol.asyncDispose]: async () => {},
  }
})

raftTransportContract('over gRPC', openGrpcBench)
