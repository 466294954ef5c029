/**
 * Both implementations of the server API under the one contract of server-api-suite.ts.
 */

import { silentLogger } from '../../core/log.ts'
import { seededRng } from '../../core/rng.ts'
import { systemClock } from '../../runtime/clock/system-clock.ts'
import { RpcServerApi } from '../../runtime/rpc/rpc-server-api.ts'
import { startServer } from '../integration/server/running-server.ts'
import { serverApiContract } from './server-api-suite.ts'

serverApiContract('the local implementation', async () => {
  const running = await startServer()
  return {
    api: running.server.api,
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  }
})

serverApiContract('the RPC client', async () => {
  const running = await startServer()
  const api = new RpcServerApi(
    {
      servers: () => [running.server.rpcAddress],
      members: () => 2,
      nodeId: 'agent-1',
      holdMs: 7000,
    },
    { clock: systemClock, rng: seededRng(2), log: silentLogger },
  )
  return {
    api,
    async [Symbol.asyncDispose]() {
      await api.close()
      await running[Symbol.asyncDispose]()
    },
  }
})
