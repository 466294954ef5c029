/**
 * /v1/agent/join and /v1/agent/force-leave: acts on the gossip pool (http-api.md 9.4).
 *
 * There is one pool, of this datacenter: `wan` is refused.
 */

import { FairleadError, toFairleadError } from '../../../core/errors.ts'
import type { MemberPool } from '../../../core/membership.ts'
import type { HttpCall } from '../call.ts'
import { emptyReply, type Reply } from '../reply.ts'
import type { Route } from '../route.ts'

export const AGENT_POOL_ROUTES: readonly Route[] = [
  {
    path: '/v1/agent/join/',
    doc: 'Joins the pool of the agent at an address',
    query: ['wan'],
    methods: { PUT: join },
  },
  {
    path: '/v1/agent/force-leave/',
    doc: 'Declares a failed member left; with `prune` forgets it',
    query: ['prune', 'wan'],
    methods: { PUT: forceLeave },
  },
]

async function join(call: HttpCall): Promise<Reply> {
  if (call.query.get('wan') !== '') throw noWan(call)
  const address = call.unescapedSuffix()
  if (address === '') throw new FairleadError('BAD_REQUEST', 'Missing the address to join')
  await poolOf(call).join([address], call.signal)
  return emptyReply()
}

async function forceLeave(call: HttpCall): Promise<Reply> {
  if (call.query.has('wan')) throw noWan(call)
  const name = call.unescapedSuffix()
  try {
    await poolOf(call).forceLeave(name, { prune: call.query.has('prune') })
  } catch (thrown) {
    const error = toFairleadError(thrown)
    if (error.code !== 'NOT_FOUND') throw error
    throw new FairleadError('REJECTED', `agent: No node found with name '${name}'`, {
      cause: thrown,
    })
  }
  return emptyReply()
}

function poolOf({ agent, method }: HttpCall): MemberPool {
  if (agent.pool !== undefined) return agent.pool
  throw new FairleadError('NOT_SUPPORTED', `${method}: this agent is in no gossip pool`)
}

function noWan({ method }: HttpCall): FairleadError {
  return new FairleadError(
    'NOT_SUPPORTED',
    `${method} with ?wan is not supported by this version of Fairlead: it has one datacenter`,
  )
}
