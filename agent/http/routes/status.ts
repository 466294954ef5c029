/**
 * /v1/status: who leads and who votes (http-api.md 19). Needs no rights; load balancers ask it.
 */

import { FairleadError } from '../../../core/errors.ts'
import type { ServerStatus } from '../../../core/rpc/server-api.ts'
import type { HttpCall } from '../call.ts'
import { datacenterOf } from '../query-options.ts'
import { jsonReply } from '../reply.ts'
import type { Route } from '../route.ts'
import { text, textList } from '../wire/json.ts'

export const STATUS_ROUTES: readonly Route[] = [
  {
    path: '/v1/status/leader',
    doc: 'Address of the Raft leader, "" when there is none',
    methods: { GET: async (call) => jsonReply(text((await statusOf(call)).leader)) },
  },
  {
    path: '/v1/status/peers',
    doc: 'Addresses of the Raft peers',
    methods: { GET: async (call) => jsonReply(textList((await statusOf(call)).peers)) },
  },
]

async function statusOf(call: HttpCall): Promise<ServerStatus> {
  if (datacenterOf(call) !== undefined) {
    throw new FairleadError('NO_PATH_TO_DATACENTER', 'No path to datacenter')
  }
  return call.servers.status()
}
